"""What a fleet is told of its workers, and what it says of them.

None is frozen, as making a frozen one takes several times as long; and none is changed once made.
"""

from dataclasses import dataclass

from hasten_policy.content import Asked
from hasten_policy.load import LoadSample, WorkerReport

# --- events ---------------------------------------------------------------------------


@dataclass(slots=True)
class WorkerJoined:
    """A link to a worker opened. Until its first report it gets no calls.

    Attributes:
        worker_id: Its name.
        weight: Operator's weight, > 0; 1 is normal. Divides its score.
    """

    worker_id: str
    weight: float = 1.0


@dataclass(slots=True)
class WeightSet:
    """An operator or discovery gave a worker that stays another weight.

    Attributes:
        worker_id: Its name.
        weight: As in WorkerJoined.
    """

    worker_id: str
    weight: float


@dataclass(slots=True)
class WorkerReported:
    """A full report arrived, over the link or, at start, from the store."""

    worker_id: str
    report: WorkerReport


@dataclass(slots=True)
class LoadTold:
    """A worker told its load although it had nothing to answer."""

    worker_id: str
    load: LoadSample


@dataclass(slots=True)
class WorkerLost:
    """The link broke or the worker left; its unanswered attempts will not answer.

    Attributes:
        worker_id: Its name.
        ran: Those of them that ran, if its process died; empty if it was only the link.
        alike: All other open calls with the content of one of these, wherever they are.
    """

    worker_id: str
    ran: tuple[Asked, ...] = ()
    alike: tuple[Asked, ...] = ()


@dataclass(slots=True)
class WorkerQuiesced:
    """An operator or discovery asks that the worker gets no new calls."""

    worker_id: str


FleetEvent = WorkerJoined | WeightSet | WorkerReported | LoadTold | WorkerLost | WorkerQuiesced

# --- effects --------------------------------------------------------------------------


@dataclass(slots=True)
class StandingChanged:
    """A worker's standing changed; for logs, metrics and operators.

    Attributes:
        worker_id: The worker.
        standing: connecting, ready, slow_start, suspect, ejected, draining or gone.
        cause: One phrase for people.
    """

    worker_id: str
    standing: str
    cause: str
