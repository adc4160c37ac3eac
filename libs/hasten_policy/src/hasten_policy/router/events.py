"""What the router's machine is told (events) and what it asks for (effects). What it is told of
workers, and says of them, is the fleet's (`hasten_policy.fleet.events`).

The shell turns gRPC calls, worker links and timers into events and carries the effects
out, in order. A call has at most one attempt on any worker, so (call_id, worker_id) names
an attempt.

None is frozen, as making a frozen one takes several times as long; and none is changed once made.
"""

from dataclasses import dataclass

from hasten_policy.content import Content
from hasten_policy.fleet.events import FleetEvent, StandingChanged
from hasten_policy.load import HostLag, LoadSample
from hasten_policy.reasons import Refusal
from hasten_policy.timers import WakeAt, Woke

# --- events --------------------------------------------------------------------


@dataclass(slots=True)
class CallArrived:
    """A client's request.

    Attributes:
        call_id: Chosen by the shell; grows, never re-used.
        model: Model name.
        version: "" for the server's choice.
        time_left_s: Seconds until the deadline as the client gave it, min of gRPC deadline
            and `timeout` parameter; math.inf when it gave none (the model's default then
            applies).
        priority: Class 0 (most urgent) to 3.
        tenant: Who pays; "" is the default tenant.
        payload_bytes: Size of the request, for the bound on held bytes.
        idempotent: May be run again elsewhere after it was begun.
        affinity: Calls with the same non-empty key stay on one worker (sequences).
        rows: First dimension of its first input: its part of a batch, where the model batches.
        elements: Of all its input tensors together: the size of its work; 0 when not known.
        content: Of the request, if it has one of `RouterMachine.suspect_sizes`.
    """

    call_id: int
    model: str
    version: str
    time_left_s: float
    priority: int
    tenant: str
    payload_bytes: int
    idempotent: bool = True
    affinity: str = ""
    rows: int = 1
    elements: int = 0
    content: Content | None = None


@dataclass(slots=True)
class AttemptAnswered:
    """A worker answered an attempt with an output.

    Attributes:
        call_id: The call.
        worker_id: The worker.
        load: Its load after the answer.
        service_s: Busy seconds charged to this call.
        server_s: Seconds between receipt and answer, by the worker's clock.
    """

    call_id: int
    worker_id: str
    load: LoadSample | None
    service_s: float
    server_s: float


@dataclass(slots=True)
class AttemptRefused:
    """A worker answered an attempt with a refusal or failure.

    `refusal.started` False means that the model never began this call. `content` is that of a
    request whose run ended processes: see `ENDED`.
    """

    call_id: int
    worker_id: str
    load: LoadSample | None
    refusal: Refusal
    content: Content | None = None


@dataclass(slots=True)
class CallAbandoned:
    """The client cancelled or went away."""

    call_id: int


@dataclass(slots=True)
class CheckpointRestored:
    """What `RouterMachine.checkpoint` gave before the restart; one that cannot be read is ignored.

    Attributes:
        value: The checkpoint, UTF-8 with surrogate escapes for what is none.
    """

    value: str


@dataclass(slots=True)
class CallsBarred:
    """Calls that the front refused by a BarSet; no CallArrived is told of them.

    Attributes:
        model: Model name.
        version: "" for the server's choice.
        calls: How many.
    """

    model: str
    version: str
    calls: int


RouterEvent = (
    CallArrived
    | CallsBarred
    | AttemptAnswered
    | AttemptRefused
    | CallAbandoned
    | FleetEvent
    | HostLag
    | Woke
    | CheckpointRestored
)

# --- effects --------------------------------------------------------------------------


@dataclass(slots=True)
class Send:
    """Send the call to the worker.

    Attributes:
        call_id: The call.
        worker_id: Where to.
        deadline_s: When the worker must be done, absolute, on the machine's clock: the call's
            deadline less the way back. The shell sends what is left of it. math.inf for none.
        attempt: 1 for the first, 2 for a retry, rescue or hedge.
        alone: It must share no batch: a worker died while it ran, or while one like it did.
    """

    call_id: int
    worker_id: str
    deadline_s: float
    attempt: int
    alone: bool = False


@dataclass(slots=True)
class Revoke:
    """Tell the worker that nobody waits for this attempt; ignore its answer."""

    call_id: int
    worker_id: str


@dataclass(slots=True)
class Deliver:
    """Give the client what the event being handled brought: an answer, or, when the event
    was AttemptRefused, that failure unchanged. Ends the call.
    """

    call_id: int
    worker_id: str


@dataclass(slots=True)
class Refuse:
    """Refuse the client. Ends the call."""

    call_id: int
    refusal: Refusal


@dataclass(slots=True)
class BarSet:
    """For a moment, calls like this one that have no more time left would be refused as this one
    was: the front may refuse them itself, and tells with CallsBarred how many.

    A call is like this one if it has the same model, version and class, no affinity, and at least
    as many rows and elements.

    Attributes:
        model: Model name.
        version: As it was asked for; "" for the server's choice.
        priority: Its class.
        rows: Its rows.
        elements: Its elements.
        left_s: A call that has less than so many seconds left, counted from now, is refused.
        life_s: The bar falls after so many seconds, if no BarLifted comes before.
        retry_s: Such a call may be tried again after so many seconds, ...
        retry_left_s: ... if it has so many left, counted from now.
    """

    model: str
    version: str
    priority: int
    rows: int
    elements: int
    left_s: float
    life_s: float
    retry_s: float
    retry_left_s: float


@dataclass(slots=True)
class BarLifted:
    """A worker has nothing to do: no bar of this model and version holds any more."""

    model: str
    version: str


@dataclass(slots=True)
class InputBanned:
    """An input is run no more, as workers died of it; for logs.

    Attributes:
        model: Model name.
        version: Its version.
        digest: Of the input.
        processes: Those that died, as "worker/incarnation".
    """

    model: str
    version: str
    digest: str
    processes: tuple[str, ...]


RouterEffect = (
    Send | Revoke | Deliver | Refuse | BarSet | BarLifted | WakeAt | StandingChanged | InputBanned
)
