"""What the worker's machine is told (events) and what it asks for (effects).

None is frozen, as making a frozen one takes several times as long; and none is changed once made.
"""

from dataclasses import dataclass
from math import inf

from hasten_policy.load import HostLag, LoadSample, ModelSpec, WorkerReport
from hasten_policy.reasons import Refusal
from hasten_policy.timers import WakeAt, Woke

# --- events ---------------------------------------------------------------------------


@dataclass(slots=True)
class ModelOpened:
    """A model version is warm and may run. A known key replaces its specification."""

    spec: ModelSpec


@dataclass(slots=True)
class ModelClosed:
    """A model version takes no new calls; ModelIdle follows when its last call has ended."""

    key: str


@dataclass(slots=True)
class ModelPaused:
    """A model version runs no batch until ModelResumed: its process ended and is being started.

    Attributes:
        key: Which.
        back_s: Seconds until then, about.
    """

    key: str
    back_s: float


@dataclass(slots=True)
class ModelResumed:
    """A model version that was paused runs batches again."""

    key: str


@dataclass(slots=True)
class CallArrived:
    """A validated request for a model version that was opened.

    Attributes:
        call_id: Chosen by the shell; grows, never re-used.
        link_id: The link it came over (0: served directly); for received counts.
        model_key: "name/version".
        rows: Rows it brings, 1..batch_max.
        shape_key: Calls batch together only if equal.
        time_left_s: Seconds until the deadline; math.inf for none (the model's default
            then applies).
        priority: Class 0 (most urgent) to 3.
        tenant: Who pays.
        payload_bytes: Size, for the bound on held bytes.
        alone: It shares no batch: a worker died while it ran, or while one like it did.
        more_follow: Another CallArrived follows at once: no batch is formed before it, so that
            calls that came together can run together.
        elements: Of all its input tensors together, all rows counted: the size of its work.
        reserved_s: It has a reservation: it goes before all calls without one, and those with one
            go by this figure, seconds from its time to its deadline. 0 for a call without one.
        refused_before: Calls of its model that its router refused for want of time since it sent
            one of them.
    """

    call_id: int
    link_id: int
    model_key: str
    rows: int
    shape_key: int
    time_left_s: float
    priority: int
    tenant: str
    payload_bytes: int
    more_follow: bool = False
    elements: int = 0
    alone: bool = False
    reserved_s: float = 0.0
    refused_before: int = 0


@dataclass(slots=True)
class CallCancelled:
    """Nobody waits for this call any more."""

    call_id: int


@dataclass(slots=True)
class BatchEnded:
    """A batch ended.

    Attributes:
        batch_id: Which.
        took_s: Seconds on the lane: gathering, run and scattering.
        failed: The model raised an error or was terminated.
        terminated: It was stopped by StopBatch.
        begun: False when the lane came to it after its `begin_by_s`, or found no process to run
            it; `took_s` is 0 then.
        lost: The process that ran it ended: its name among all that this worker has had; "" when
            it did not.
        suspects: Runs of which one has ended the process, nobody knows which: 1 when it was this
            one, 0 when it was another one.
        fault: How that process ended, a sentence.
    """

    batch_id: int
    took_s: float
    failed: bool = False
    terminated: bool = False
    begun: bool = True
    lost: str = ""
    suspects: int = 0
    fault: str = ""


@dataclass(slots=True)
class LinkOpened:
    """A router's link opened."""

    link_id: int


@dataclass(slots=True)
class LinkClosed:
    """A router's link closed; its unanswered calls are cancelled."""

    link_id: int


@dataclass(slots=True)
class DrainBegan:
    """Take no new calls; Drained follows when the last accepted one has ended."""


@dataclass(slots=True)
class LoadAsked:
    """A link is about to tell its other end the load (0: callers served directly). SendLoad is
    all that comes of it.
    """

    link_id: int


@dataclass(slots=True)
class ReportAsked:
    """A link is about to tell its other end all that a router needs to know (0: for whoever reads
    the copy in the store). SendReport is all that comes of it.

    Attributes:
        link_id: Whose counts the report holds.
        incarnation: Of the worker's process, for the report.
    """

    link_id: int
    incarnation: str


ModelEvent = ModelOpened | ModelClosed | ModelPaused | ModelResumed

WorkerEvent = (
    CallArrived
    | BatchEnded
    | CallCancelled
    | ModelOpened
    | ModelClosed
    | ModelPaused
    | ModelResumed
    | LinkOpened
    | LinkClosed
    | DrainBegan
    | HostLag
    | Woke
    | LoadAsked
    | ReportAsked
)

# --- effects --------------------------------------------------------------------------


@dataclass(slots=True)
class StartBatch:
    """Run these calls as one batch, now.

    Attributes:
        batch_id: Grows, never re-used.
        model_key: "name/version".
        call_ids: Members, in batch order.
        rows: Sum of their rows.
        padded_rows: Rows to pad the batch up to; == rows when no padding is due.
        expected_s: Predicted seconds, for the log and for misprediction metrics.
        begin_by_s: A lane that comes to it later than this must not begin it, but end it at once
            as not begun: the deadline of a call has passed. inf for no such time.
    """

    batch_id: int
    model_key: str
    call_ids: tuple[int, ...]
    rows: int
    padded_rows: int
    expected_s: float
    begin_by_s: float = inf


@dataclass(slots=True)
class StopBatch:
    """Terminate a running batch: it overstays, or nobody waits for any of its calls."""

    batch_id: int


@dataclass(slots=True)
class Deliver:
    """Send the call's share of the batch that just ended. Ends the call.

    Attributes:
        call_id: The call.
        service_s: Busy seconds charged to it: its share of the batch by rows.
        failed: The batch failed with this call alone in it: send the model's error.
    """

    call_id: int
    service_s: float
    failed: bool = False


@dataclass(slots=True)
class Refuse:
    """Refuse the call. Ends the call."""

    call_id: int
    refusal: Refusal


@dataclass(slots=True)
class ModelIdle:
    """A closed model version has no calls left; its sessions may go."""

    key: str


@dataclass(slots=True)
class Drained:
    """Draining, and the last call has ended."""


@dataclass(slots=True)
class TellLoad:
    """Tell the other end of this link the load, soon, even if there is nothing to answer: send
    LoadAsked when a message is about to leave.
    """

    link_id: int


@dataclass(slots=True)
class SendLoad:
    """The load now, for the other end of this link."""

    link_id: int
    load: LoadSample


@dataclass(slots=True)
class SendReport:
    """The whole state now, for the other end of this link."""

    link_id: int
    report: WorkerReport


WorkerEffect = (
    StartBatch
    | StopBatch
    | Deliver
    | Refuse
    | ModelIdle
    | Drained
    | WakeAt
    | TellLoad
    | SendLoad
    | SendReport
)
