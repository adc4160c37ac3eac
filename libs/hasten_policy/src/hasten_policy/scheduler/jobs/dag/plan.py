"""What a DAG is, before any of it has run."""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from hasten_policy.priorities import NORMAL

STEPS_MAX: Final = 100
PARTS_MAX: Final = 1000
"""Most parts of one DAG."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What is known of a tensor: -1 stands for a dimension that is not, shape None for no shape."""

    datatype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives, by name."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a tensor comes from.

    Attributes:
        step: Whose output it is; "" for an input of the DAG.
        tensor: Its name there.
    """

    step: str
    tensor: str


@dataclass(frozen=True, slots=True)
class StepInput:
    """An input of a step's model.

    Attributes:
        name: In the model's metadata.
        sources: The first one whose step was not skipped gives the tensor.
        split: Each part gets some of its rows; otherwise each gets all of it.
    """

    name: str
    sources: tuple[Source, ...]
    split: bool = False


class Comparison(Enum):
    """How a condition compares."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds when any element of a tensor compares so with the value, or with `every`, all do."""

    source: Source
    comparison: Comparison
    value: float
    every: bool = False


class How(Enum):
    """How the outputs of parts become one."""

    CONCAT = "concat"
    """All rows, in the order of the parts."""
    MEAN = "mean"
    """One row: the mean of all rows."""
    VOTE = "vote"
    """One row: the one that comes most often; of several, the one that came first."""
    TOP_K = "top_k"
    """The k rows with the largest values of one output, the largest first."""
    MODEL = "model"
    """What a model makes of all rows."""


@dataclass(frozen=True, slots=True)
class Join:
    """How the outputs of a step's parts become one.

    Attributes:
        how: See How.
        k: For TOP_K.
        by: For TOP_K: the output with one value a row.
        model: For MODEL: takes inputs that are named as the step's outputs.
        version: Of that model; "" for any.
        inputs: Those of the step's outputs that it takes.
    """

    how: How = How.CONCAT
    k: int = 0
    by: str = ""
    model: str = ""
    version: str = ""
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """A step that is several tasks, each with some rows of the inputs.

    Attributes:
        rows: Of each part; 0 where `parts` says how many parts there are.
        parts: See `rows`; fewer where there are fewer rows.
        join: Of their outputs.
        best_effort: Parts that fail are left out; one has to succeed.
        rows_max: Most rows of a part; 0 for no limit.
    """

    rows: int
    parts: int
    join: Join = field(default_factory=Join)
    best_effort: bool = False
    rows_max: int = 0

    def count(self, rows: int) -> int:
        """Parts for so many rows."""
        if self.rows:
            return max(1, math.ceil(rows / self._part_rows))
        least = math.ceil(rows / self.rows_max) if self.rows_max else 1
        return max(1, least, min(self.parts, rows))

    def bounds(self, part: int, rows: int) -> tuple[int, int]:
        """First row of a part, and the one after its last."""
        if self.rows:
            return part * self._part_rows, min(rows, (part + 1) * self._part_rows)
        count = self.count(rows)
        return part * rows // count, (part + 1) * rows // count

    @property
    def _part_rows(self) -> int:
        return min(self.rows, self.rows_max) if self.rows_max else self.rows


@dataclass(frozen=True, slots=True)
class Step:
    """A run of a model.

    Attributes:
        name: Distinguishes it from the DAG's other steps.
        model: Model name.
        version: "" for any.
        inputs: Of the model.
        when: All have to hold, or the step is skipped.
        split: None for one task.
        due_in_s: Seconds from the DAG's acceptance within which its answer is of use; math.inf
            where only the DAG's deadline counts.
        priority: Its own class.
        predicted_s: What it is expected to take.
    """

    name: str
    model: str
    inputs: tuple[StepInput, ...]
    version: str = ""
    when: tuple[Condition, ...] = ()
    split: Split | None = None
    due_in_s: float = math.inf
    priority: int = NORMAL
    predicted_s: float = 0.0

    def before(self) -> tuple[str, ...]:
        """The steps that have to end before it can begin, each once."""
        sources = [source for each in self.inputs for source in each.sources]
        sources += [condition.source for condition in self.when]
        return tuple(dict.fromkeys(source.step for source in sources if source.step))


@dataclass(frozen=True, slots=True)
class Plan:
    """A DAG.

    Attributes:
        steps: In any order.
        inputs: What it is given.
        outputs: What is asked of it, by name; the first source whose step was not skipped counts.
    """

    steps: tuple[Step, ...]
    inputs: dict[str, TensorSpec]
    outputs: dict[str, tuple[Source, ...]]

    def after(self) -> dict[str, tuple[str, ...]]:
        """Of each step, those that wait for it."""
        found: dict[str, list[str]] = {step.name: [] for step in self.steps}
        for step in self.steps:
            for before in step.before():
                found[before].append(step.name)
        return {name: tuple(steps) for name, steps in found.items()}


def in_order(plan: Plan) -> tuple[list[str], list[str]]:
    """The steps, each after those that it waits for; and a circle, if there is one."""
    before = {step.name: set(step.before()) for step in plan.steps}
    order: list[str] = []
    while ready := [name for name, others in before.items() if not others]:
        for name in ready:
            del before[name]
        order += ready
        for others in before.values():
            others.difference_update(ready)
    if not before:
        return order, []
    # From any step that is left, going back always comes to one that is left.
    name = next(iter(before))
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = min(other for other in before[name] if other in before)
    return order, path[path.index(name) :][::-1]
