"""What the machine of one job is told (events) and what it asks for (effects).

There is a machine for each job that has not ended, at the owner of the job's shard. A machine can
be lost at any moment; the next is made of what the last `Write` stored and is told `Started`. So a
machine must be able to say again, from its body alone, what it waits for: it submits anew all
tasks that it had not yet seen the end of. A task's key is its name for ever, and the store finds
the first of its name: none runs twice, and of one that has ended meanwhile the end is told.

Times are Unix seconds by the clock of the store's server, the same for every owner.

None is frozen, as making a frozen one takes several times as long; and none is changed once made.
"""

from dataclasses import dataclass
from enum import Enum

from hasten_policy.reasons import Refusal

# --- events ---------------------------------------------------------------------------


class Wanted(Enum):
    """What people want of a job."""

    ACTIVE = "active"
    PAUSED = "paused"
    """It makes no more tasks until it is resumed."""
    CANCELLED = "cancelled"
    """It ends its tasks, and then itself."""


@dataclass(slots=True)
class Started:
    """The machine is new: the job is, or its owner is, or somebody changed the job.

    Attributes:
        wanted: What people want of it.
    """

    wanted: Wanted


@dataclass(slots=True)
class TaskEnded:
    """A task that was submitted has ended, or was not accepted for good.

    Attributes:
        task: Its key.
        refusal: Why it has no answer; None when it has one.
        said: What else the job's kind read of the answer, by names of its own.
    """

    task: str
    refusal: Refusal | None = None
    said: object = None


@dataclass(slots=True)
class TimerCame:
    """The time of the newest `WakeAt` has come, or a little later."""


@dataclass(slots=True)
class Told:
    """The answer to an `Ask`.

    Attributes:
        what: What was asked.
        answer: What the job's kind says.
    """

    what: object
    answer: object


JobEvent = Started | TaskEnded | TimerCame | Told

# --- effects --------------------------------------------------------------------------


@dataclass(slots=True)
class TaskWish:
    """A task to submit; what it is to do, the job's kind knows by its key.

    Attributes:
        key: Distinguishes it from the job's other tasks, for ever; printable ASCII, no space.
        deadline_s: When its answer is of no more use; math.inf for none.
        priority: Its class.
        start_s: It must not start before; 0 for at once.
        period_s: Seconds between two tasks of its kind; 0 for a task without a period.
        reserved_s: Seconds from its time to its deadline, for a turn with a reservation; else 0.
    """

    key: str
    deadline_s: float
    priority: int
    start_s: float = 0.0
    period_s: float = 0.0
    reserved_s: float = 0.0


@dataclass(slots=True)
class SubmitTasks:
    """Submits tasks; those of known keys are found, and their ends told."""

    tasks: tuple[TaskWish, ...]


@dataclass(slots=True)
class FollowTasks:
    """Tells the ends of tasks that were submitted, whatever their content was; of one that is not
    there any more, that it was forgotten.
    """

    tasks: tuple[str, ...]


@dataclass(slots=True)
class CancelTasks:
    """Ends tasks, by key; their ends are told."""

    tasks: tuple[str, ...]


@dataclass(slots=True)
class Write:
    """Stores the body as it is after all events of the moment; several become one where they can.

    Tasks that stand after it in the answer are submitted and cancelled only when it is stored: so
    whoever ends the job meanwhile finds in the body all tasks that there are. When somebody else
    has changed the job, nothing is stored, nothing more is done, and the machine is lost. Other
    effects do not wait for it. In a moment that ends the job, nothing is submitted.

    Attributes:
        ended: How the job has ended, in a word that is counted; "" while it has not. Afterwards the
            machine is told nothing any more.
    """

    ended: str = ""


@dataclass(slots=True)
class WakeAt:
    """Sets the machine's one timer; math.inf for none."""

    at_s: float


@dataclass(slots=True)
class Ask:
    """Asks the job's kind for what only the outside knows, or to do something outside; it is
    answered with `Told`. After the loss of the machine it may have been done or not.

    Attributes:
        what: The question, of a type of the kind's own.
        slow: It takes its time: the job is not kept waiting, and the machine may be told other
            things before the answer.
    """

    what: object
    slow: bool = False


JobEffect = SubmitTasks | FollowTasks | CancelTasks | Write | WakeAt | Ask
