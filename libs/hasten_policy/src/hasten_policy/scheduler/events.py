"""What the scheduler's machine is told (events) and what it asks for (effects). What it is told of
workers, and says of them, is the fleet's (`hasten_policy.fleet.events`).

The store keeps the tasks; the machine sees the front of each lane, decides, and the shell has the
store carry it out. An attempt belongs to one claim: its number is never used again. Shards are
those that this process owns.

None is frozen, as making a frozen one takes several times as long; and none is changed once made.
"""

from dataclasses import dataclass

from hasten_policy.fleet.events import FleetEvent, StandingChanged
from hasten_policy.load import HostLag, LoadSample
from hasten_policy.reasons import Refusal
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_policy.scheduler.tasks import Lane, LaneHeads, Pick

# --- events ---------------------------------------------------------------------------


@dataclass(slots=True)
class ShardTaken:
    """This process owns the shard from now on; no attempt of it runs anywhere that counts."""

    shard: int


@dataclass(slots=True)
class ShardGone:
    """This process owns the shard no more: its tasks are forgotten, its attempts revoked.

    Nothing about them is told to the store: whoever owns the shard now decides.
    """

    shard: int


@dataclass(slots=True)
class LanesRead:
    """The store answered `ReadLanes`: these lanes look so now.

    Attributes:
        shard: Of the lanes.
        lanes: A lane in which nothing waits is told with no heads.
        every: These are all lanes of the shard that have tasks.
    """

    shard: int
    lanes: tuple[LaneHeads, ...]
    every: bool = False


@dataclass(slots=True)
class LaneGrew:
    """Tasks were accepted into a lane, or came back to it.

    Attributes:
        shard: Of the lane.
        lane: The lane.
        place: The least place among the new tasks, as in TaskHead.
    """

    shard: int
    lane: Lane
    place: float


@dataclass(slots=True)
class TasksLeft:
    """Waiting tasks are in the store's lanes no more: cancelled, moved, or never there.

    Attributes:
        shard: Of the tasks.
        task_ids: The tasks.
    """

    shard: int
    task_ids: tuple[str, ...]


@dataclass(slots=True)
class Claimed:
    """The store answered `Claim`.

    Attributes:
        shard: Of the tasks.
        attempts: These run now; the shell has their inputs.
        gone: These do not: their tasks wait no more.
    """

    shard: int
    attempts: tuple[int, ...]
    gone: tuple[int, ...] = ()


@dataclass(slots=True)
class AttemptAnswered:
    """A worker answered an attempt with an output.

    Attributes:
        attempt: The attempt.
        worker_id: The worker.
        load: Its load after the answer.
        service_s: Busy seconds charged to the attempt.
        server_s: Seconds between receipt and answer, by the worker's clock.
    """

    attempt: int
    worker_id: str
    load: LoadSample | None
    service_s: float
    server_s: float


@dataclass(slots=True)
class AttemptRefused:
    """A worker answered an attempt with a refusal or failure.

    `refusal.started` False means that the model never began it.
    """

    attempt: int
    worker_id: str
    load: LoadSample | None
    refusal: Refusal


@dataclass(slots=True)
class TaskRevoked:
    """A task that runs was cancelled or ended by its owner: nobody wants its answer.

    The store has ended the task already.
    """

    shard: int
    task_id: str


@dataclass(slots=True)
class QueuePaused:
    """Tasks of a tenant, of a model or of both get no worker until `QueueResumed` says the same.

    Attributes:
        tenant: None for every tenant.
        model: None for every model; as in Lane.
    """

    tenant: str | None
    model: str | None


@dataclass(slots=True)
class QueueResumed:
    """Takes a QueuePaused with the same two names back."""

    tenant: str | None
    model: str | None


@dataclass(slots=True)
class ReservationsTold:
    """These are the reservations of all hard schedules, those of other owners' shards too."""

    reservations: tuple[Reservation, ...]


@dataclass(slots=True)
class Woke:
    """A time asked for by WakeAt has come."""


SchedulerEvent = (
    ShardTaken
    | ShardGone
    | LanesRead
    | LaneGrew
    | TasksLeft
    | Claimed
    | AttemptAnswered
    | AttemptRefused
    | TaskRevoked
    | QueuePaused
    | QueueResumed
    | ReservationsTold
    | FleetEvent
    | HostLag
    | Woke
)

# --- effects --------------------------------------------------------------------------


@dataclass(slots=True)
class ReadLanes:
    """Ask the store how these lanes look now; the answer is LanesRead.

    Attributes:
        shard: Of the lanes.
        lanes: Which ones; empty for all that have tasks.
        most: Heads of each.
    """

    shard: int
    lanes: tuple[Lane, ...]
    most: int


@dataclass(slots=True)
class Claim:
    """Have the store move these tasks from waiting to running; the answer is Claimed.

    The shell repeats it until the store has answered: a repeat changes nothing.
    """

    shard: int
    picks: tuple[Pick, ...]


@dataclass(slots=True)
class Send:
    """Send the attempt to the worker.

    Attributes:
        attempt: The attempt.
        worker_id: Where to.
        deadline_s: When the worker must be done, absolute, on the machine's clock. math.inf for
            none.
        alone: It must share no batch.
        reserved_s: It has a reservation: it goes before everything there that has none, and by
            this, the least first. 0 without.
    """

    attempt: int
    worker_id: str
    deadline_s: float
    alone: bool = False
    reserved_s: float = 0.0


@dataclass(slots=True)
class Revoke:
    """Tell the worker that nobody waits for this attempt; ignore its answer."""

    attempt: int
    worker_id: str


@dataclass(slots=True)
class Done:
    """The task has its answer, which the event being handled brought. Ends attempt and task."""

    attempt: int


@dataclass(slots=True)
class Again:
    """The task waits again. Ends the attempt.

    Attributes:
        attempt: The attempt.
        in_s: After so many seconds; 0 for at once.
        counts: The attempt counts against `attempts_max`.
        death: The worker process that died while it ran the task; "" for none.
        alone: Its next attempt must share no batch.
        cause: For people.
    """

    attempt: int
    in_s: float
    counts: bool
    death: str
    alone: bool
    cause: Refusal


@dataclass(slots=True)
class Failed:
    """The task has no answer and gets none. Ends attempt and task.

    Attributes:
        attempt: The attempt.
        cause: Why.
        dead: Kept with its inputs as a dead letter, for people to look at.
        death: As in Again.
    """

    attempt: int
    cause: Refusal
    dead: bool
    death: str = ""


@dataclass(slots=True)
class Drop:
    """A waiting task has no answer and gets none, as its deadline cannot be kept. Ends the task,
    if it still waits.
    """

    shard: int
    lane: Lane
    task_id: str
    cause: Refusal


@dataclass(slots=True)
class WakeAt:
    """Send Woke at this time (absolute). A later WakeAt replaces an earlier one."""

    at_s: float


SchedulerEffect = (
    ReadLanes | Claim | Send | Revoke | Done | Again | Failed | Drop | WakeAt | StandingChanged
)
