"""How far a DAG is: what is stored, and what its machine goes on from."""

from dataclasses import dataclass, field
from enum import Enum

from hasten_policy.reasons import Refusal


class StepState(Enum):
    """Where a step, or a part of one, is. Values are stored, and never change."""

    PENDING = 1
    """It waits for other steps."""
    RUNNING = 2
    """Its tasks are submitted."""
    JOINING = 3
    """Its parts have ended; a model makes one of their outputs."""
    DONE = 4
    SKIPPED = 5
    """A condition does not hold, or what it needs was skipped."""
    FAILED = 6
    CANCELLED = 7
    """The DAG ended before it did."""

    @property
    def ended(self) -> bool:
        """Nothing will come of it any more."""
        return self.value >= StepState.DONE.value


@dataclass(slots=True)
class Part:
    """A part of a step: one task.

    Attributes:
        state: RUNNING, DONE, FAILED or CANCELLED.
        refusal: Why it failed.
    """

    state: StepState = StepState.RUNNING
    refusal: Refusal | None = None


@dataclass(slots=True)
class StepProgress:
    """A step.

    Attributes:
        state: Where it is.
        parts: Its tasks, in order; none before it is RUNNING.
        begun_s: When it was submitted; 0 before. Times are the store's.
        ended_s: When it ended; 0 before.
        refusal: Why it failed.
    """

    state: StepState = StepState.PENDING
    parts: list[Part] = field(default_factory=list[Part])
    begun_s: float = 0.0
    ended_s: float = 0.0
    refusal: Refusal | None = None


@dataclass(slots=True)
class Progress:
    """A DAG.

    Attributes:
        steps: By name, all of them.
        ended: How it ended: "done", "failed" or "cancelled"; "" while it has not.
        ended_s: When.
        refusal: Why it failed.
        failed_step: Which step's failure that was; "" for none's.
    """

    steps: dict[str, StepProgress]
    ended: str = ""
    ended_s: float = 0.0
    refusal: Refusal | None = None
    failed_step: str = ""
