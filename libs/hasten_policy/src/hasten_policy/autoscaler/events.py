"""Everything that an AutoscalerMachine can be told, and everything that it can ask for."""

from dataclasses import dataclass

from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.scaling.backlog import QueuedWork
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.offers import Offer
from hasten_policy.scaling.profiles import Profile
from hasten_policy.scaling.sight import Because

# --- what it is told ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelDemand:
    """What one router was asked for, of one model and class.

    Attributes:
        model: Its name.
        priority: Class 0 to 3.
        calls: Arrivals, refused ones included.
        rows: That they brought.
        refused: Of them, for want of capacity.
        late: Answered late, or left by their callers at the deadline.
    """

    model: str
    priority: int
    calls: int
    rows: int
    refused: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class DemandTold:
    """A router tells what it was asked for since it told before. Nothing asked for is zero
    demand, and is told too.

    Attributes:
        router_id: Which.
        span_s: The time that the counts are of.
        models: By model and class.
        waiting: Calls that it holds.
    """

    router_id: str
    span_s: float
    models: tuple[ModelDemand, ...]
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class BacklogTold:
    """A scheduler tells which tasks wait with it, all of them: now, and for a time.

    Attributes:
        scheduler_id: Which.
        work: The tasks, in groups.
    """

    scheduler_id: str
    work: tuple[QueuedWork, ...]


@dataclass(frozen=True, slots=True)
class TellerLeft:
    """A router or scheduler left in order: nobody waits for what it would tell.

    Attributes:
        teller_id: Which.
    """

    teller_id: str


@dataclass(frozen=True, slots=True)
class LoadTold:
    """A worker tells how it is.

    Attributes:
        worker_id: Which.
        busy: Share of its lanes that was busy since it told before.
        running: Calls that run.
        waiting: Calls that wait in it.
        backlog_s: Predicted seconds until it has done what it accepted.
        memory: Share of its memory in use.
        models: Models that it serves.
    """

    worker_id: str
    busy: float
    running: int = 0
    waiting: int = 0
    backlog_s: float = 0.0
    memory: float = 0.0
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileTold:
    """A model was measured.

    Attributes:
        model: Its name.
        profile: What a worker of the pool does.
    """

    model: str
    profile: Profile


@dataclass(frozen=True, slots=True)
class WorkerStarting:
    """A worker begins to start: one that was asked for, or that somebody else started. One that
    served before died, and whoever keeps it starts it again.

    Attributes:
        worker_id: Which.
        pool: Where; "" where there is one pool.
    """

    worker_id: str
    pool: str = ""


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker serves.

    Attributes:
        worker_id: Which.
        took_s: From its start; 0 where that is not known.
        pool: Where; "" where there is one pool.
    """

    worker_id: str
    took_s: float = 0.0
    pool: str = ""


@dataclass(frozen=True, slots=True)
class WorkerLeft:
    """A worker is gone, drained or lost."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class StartRefused:
    """Workers cannot be had from a pool now.

    Attributes:
        count: How many of those that were asked for; 0 of a pool that does not answer.
        why: What the driver says.
        pool: Which; "" where there is one pool.
    """

    count: int
    why: str
    pool: str = ""


@dataclass(frozen=True, slots=True)
class PoolsSet:
    """There are these pools, told before the first Woke. Without, there is one, unnamed.

    Attributes:
        offers: What each of them offers.
    """

    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class ForecastGiven:
    """What demand will be one lead ahead.

    Attributes:
        load: Typical, in busy workers.
        upper: Its upper quantile, planned work included.
        good_for_s: It counts for so long.
    """

    load: float
    upper: float
    good_for_s: float


@dataclass(frozen=True, slots=True)
class PolicySet:
    """An operator changed the parameters: the rule begins anew."""

    policy: AutoscalerPolicy


@dataclass(frozen=True, slots=True)
class BoundsSet:
    """An operator changed the bounds, or set them before the first Woke."""

    bounds: Bounds


@dataclass(frozen=True, slots=True)
class ModeSet:
    """An operator says what the machine may do.

    Attributes:
        mode: "act"; "advise": it decides, and nobody is started or leaves; "hold": the number
            stays, and who is lost is replaced.
    """

    mode: str


@dataclass(frozen=True, slots=True)
class CheckpointRestored:
    """The store has a checkpoint of the machine that decided before. Told before the first Woke.

    Attributes:
        text: As `AutoscalerMachine.checkpoint` wrote it. What cannot be read is left out.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Woke:
    """The time asked for by `WakeAt` has come, or the machine begins."""


AutoscalerEvent = (
    DemandTold
    | BacklogTold
    | TellerLeft
    | LoadTold
    | ProfileTold
    | WorkerStarting
    | WorkerReady
    | WorkerLeft
    | StartRefused
    | PoolsSet
    | ForecastGiven
    | PolicySet
    | BoundsSet
    | ModeSet
    | CheckpointRestored
    | Woke
)

# --- what it asks for --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Desired:
    """A decision.

    Attributes:
        workers: So many there should be.
        ready: So many serve.
        starting: So many will, the ones asked for just before included.
        draining: So many are leaving.
        reasons: Why, the decisive one of the rule first; limits that were reached follow.
    """

    workers: int
    ready: int
    starting: int
    draining: int
    reasons: tuple[Because, ...]


@dataclass(frozen=True, slots=True)
class StartWorkers:
    """Start so many. The shell answers with WorkerStarting or StartRefused.

    Attributes:
        count: How many.
        pool: Where; "" where there is one pool.
    """

    count: int
    pool: str = ""


@dataclass(frozen=True, slots=True)
class DrainWorker:
    """Let one leave: drain it, then stop it.

    Attributes:
        worker_id: Which.
        why: "not_needed", or "overdue" of one that never became ready.
    """

    worker_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The number stays, whatever the rule would say.

    Attributes:
        why: "no_metrics", "router_silent", "just_begun", or "operator".
    """

    why: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that was told cannot be, and is left out.

    Attributes:
        subject: Who told it.
        why: What is wrong with it.
    """

    subject: str
    why: str


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Wake the machine then; it replaces what was asked for before."""

    at_s: float


AutoscalerEffect = Desired | StartWorkers | DrainWorker | Hold | Ignored | WakeAt
