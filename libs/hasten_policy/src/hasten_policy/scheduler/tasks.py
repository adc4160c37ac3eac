"""What the scheduler's machine knows of a task."""

from dataclasses import dataclass
from typing import Final

RESERVED_OFFSET: Final = -1e12
"""Places of turns of hard schedules lie round this one: before all others, by their deadlines
(Leung and Whitehead, 1982). At this size a place still tells 0.2 ms apart.
"""
RESERVED_BELOW: Final = RESERVED_OFFSET / 2
"""A place below this is that of such a turn."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Tasks that stand in one row: those of one tenant, one model and one class.

    Attributes:
        tenant: Who pays; "" is the default tenant.
        model: What the tasks ask for, "model" or "model/version".
        priority: Class 0 (most urgent) to 3.
    """

    tenant: str
    model: str
    priority: int


@dataclass(frozen=True, slots=True)
class TaskHead:
    """A waiting task, without its inputs. Times are absolute, on the machine's clock.

    Attributes:
        task_id: Names the task in its shard; never re-used.
        place: Tasks go in the order of their places, the least first, in their lane and between
            lanes. What a place means is the order's; it is not on the machine's clock.
        submitted_s: When the task was accepted.
        deadline_s: When the answer must be there; math.inf for no deadline.
        rows: First dimension of its first input.
        elements: Of all its input tensors together; 0 when not known.
        attempts: Attempts so far that count against `attempts_max`.
        attempts_max: Most attempts that count.
        deaths: Worker processes that died while they ran it, as "worker/incarnation".
        alone: It must share no batch.
        key: Of the tasks with the same non-empty key only `key_max` run at once.
        key_max: See `key`.
    """

    task_id: str
    place: float
    submitted_s: float
    deadline_s: float
    rows: int = 1
    elements: int = 0
    attempts: int = 0
    attempts_max: int = 3
    deaths: tuple[str, ...] = ()
    alone: bool = False
    key: str = ""
    key_max: int = 1

    @property
    def reserved(self) -> bool:
        """It is a turn of a hard schedule."""
        return self.place < RESERVED_BELOW

    @property
    def reserved_s(self) -> float:
        """Its rank among such turns, seconds from its time to its deadline; 0 for any other."""
        return self.place - RESERVED_OFFSET if self.reserved else 0.0


@dataclass(frozen=True, slots=True)
class LaneHeads:
    """The front of a lane, as the store has it.

    Attributes:
        lane: The lane.
        waiting: All tasks that wait in it.
        heads: Those at its front, in order; at most as many as were asked for.
    """

    lane: Lane
    waiting: int
    heads: tuple[TaskHead, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """A task that is to run now.

    Attributes:
        attempt: Names the attempt in this process; grows, never re-used.
        lane: Where the task waits.
        task_id: The task.
    """

    attempt: int
    lane: Lane
    task_id: str
