"""Rows of one set of sizes, and what a model answers to each of them alone."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hasten_worker.engine.facts import Sizes
from hasten_worker.engine.onnx.runner import RowsLostError
from hasten_worker.engine.trial.budget import Budget
from hasten_worker.engine.trial.generated import KINDS, Generator
from hasten_worker.engine.trial.same_rows import is_number, same_bits
from hasten_worker.model import Array, ModelError

Member = Mapping[str, Array]
Run = Callable[[Sequence[Member], int], list[dict[str, Array]]]
"""Runs members as one batch of so many rows; raises ModelError."""

ROWS: Final = 2 * KINDS
ROWS_MIN: Final = 3
"""Rows that differ, without which nothing can be shown."""
TWICE: Final = 4
"""Of the first rows the answer is asked for twice."""
SHARE: Final = 0.3
"""Of the budget, after which one row of each kind is enough."""


class NotShownError(Exception):
    """It cannot be seen that rows are answered each by itself."""


class TooFewError(NotShownError):
    """Too few rows that differ are answered at all."""


class MixedError(NotShownError):
    """The rows of a batch are not answered each by itself."""


class FailedError(MixedError):
    """A batch was not answered at all."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows of one set of sizes and what each is answered alone.

    Attributes:
        sizes: Of the free dimensions.
        members: The rows.
        alone: The answers.
        row_s: Seconds that the fastest took.
        excused: Numbers of rows that rounding alone was seen to move.
    """

    sizes: Sizes
    members: Sequence[Member]
    alone: Sequence[Mapping[str, Array]]
    row_s: float
    excused: set[int] = field(default_factory=set)

    def others(self, number: int, turn: int) -> Iterator[Member]:
        """Rows for ever, unlike `number` and in another order each turn."""
        count = len(self.members)
        while True:
            for step in range(1, count):
                yield self.members[(number + turn + step) % count]

    def varies(self, name: str) -> bool:
        """Not all rows that were answered with numbers got the same from this output."""
        numbers = [answer[name] for answer in self.alone if is_number(answer[name])]
        return any(not same_bits(numbers[0], other) for other in numbers[1:])


def fill_pool(run: Run, generator: Generator, sizes: Sizes, budget: Budget) -> Pool:
    """Runs different rows, each alone.

    Raises:
        NotShownError: The model is not to be tried with such rows.
    """
    members: list[Member] = []
    answers: list[dict[str, Array]] = []
    failure = ""
    row_s = math.inf
    for number in range(ROWS):
        if len(members) > KINDS and not budget.left(SHARE):
            break
        member = generator.row(sizes, number)
        began_s = time.monotonic()
        try:
            answer = run([member], 1)[0]
            again = run([member], 1)[0] if len(members) < TWICE else answer
        except RowsLostError as error:
            raise MixedError(str(error)) from None
        except ModelError as error:
            if error.terminated:
                raise NotShownError("a run of one row took too long") from None
            # Some rows may be outside of what it takes: of zeros, or very large.
            failure = str(error)
            continue
        row_s = min(row_s, time.monotonic() - began_s)
        for name, array in answer.items():
            if not same_bits(array, again[name]):
                raise NotShownError(
                    f"output {name!r} is not the same when the same row is run again"
                )
        members.append(member)
        answers.append(answer)
    if len(members) < ROWS_MIN:
        raise TooFewError(f"it could not be run with rows that differ: {failure}")
    return Pool(sizes, members, answers, row_s)
