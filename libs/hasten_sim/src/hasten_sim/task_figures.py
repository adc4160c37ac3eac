"""What became of the tasks of a run."""

from collections import Counter
from dataclasses import dataclass, field

from hasten_sim.histogram import Histogram


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """Figures of one flow of tasks, over those that were submitted after the warm-up, whenever they
    ended.

    Attributes:
        name: Model and tenant of the flow.
        submitted: Tasks.
        done: Answered, in time or not.
        in_time: Answered by their deadline, or without a deadline.
        failed: Without an answer, by reason.
        dead: Kept as dead letters, of `failed`.
        runs: Attempts that the store claimed, of those that ended.
        service_s: Lane seconds charged to answers that came after the warm-up and before the end.
        done_per_s: Those answers a second.
        age_ms: Of answers since they were submitted, by quantile name.
        unfinished: Of all tasks, those that had neither when the run ended.
        left_out: Turns of a schedule of which no task was made: missed, or overlapping.
    """

    name: str
    submitted: int
    done: int
    in_time: int
    failed: dict[str, int]
    dead: int
    runs: int
    service_s: float
    done_per_s: float
    age_ms: dict[str, float]
    unfinished: int
    left_out: int = 0


@dataclass(slots=True)
class FlowTally:
    """Counts one flow.

    Attributes:
        answered: Answers after the warm-up and before the end.
        age: Of answers.
        failed: By reason.
    """

    submitted: int = 0
    done: int = 0
    in_time: int = 0
    dead: int = 0
    runs: int = 0
    open: int = 0
    answered: int = 0
    service_s: float = 0.0
    age: Histogram = field(default_factory=Histogram)
    failed: Counter[str] = field(default_factory=Counter[str])

    def figures(self, name: str, measured_s: float, left_out: int = 0) -> TaskFigures:
        """The figures at the end of a run."""
        return TaskFigures(
            name=name,
            submitted=self.submitted,
            done=self.done,
            in_time=self.in_time,
            failed=dict(sorted(self.failed.items())),
            dead=self.dead,
            runs=self.runs,
            service_s=self.service_s,
            done_per_s=self.answered / measured_s if measured_s else 0.0,
            age_ms=self.age.summary(),
            unfinished=self.open,
            left_out=left_out,
        )
