"""Whether the rows of a batch are answered each by itself, found out by trying.

A first dimension that is free may be time, points or anything else. Then rows of different
callers in one batch change each other's answers, in silence. So a model is batched only when
it was seen to keep rows apart: different rows together are answered as each of them alone, and
a row's answer stays the same whatever lies beside it.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hasten_worker.engine.facts import Sizes
from hasten_worker.engine.onnx.runner import RowsLostError
from hasten_worker.engine.trial.budget import Budget
from hasten_worker.engine.trial.generated import Generator
from hasten_worker.engine.trial.row_pool import (
    ROWS_MIN,
    FailedError,
    Member,
    MixedError,
    NotShownError,
    Pool,
    Run,
    TooFewError,
    fill_pool,
)
from hasten_worker.engine.trial.same_rows import Closeness, difference
from hasten_worker.model import Array, ModelError

ELEMENTS_MAX: Final = 2**26
"""Of the inputs of a batch."""
ALWAYS: Final = (2, 3, 4, 5, 8, 16, 32, 64, 128, 256)
"""Batch sizes to try before all others."""
ELSEWHERE: Final = (2, 3, 5, 8)
"""Batch sizes to try with every further set of sizes of the free dimensions."""
BESIDE: Final = (2, 3, 7)
NEIGHBOUR_SCALES: Final = (1e4, 1e9, float("nan"))
"""A row of such numbers shows in the answers beside it even if its influence is small."""
LARGEST_S_MAX: Final = 5.0
"""The largest batch is tried even without time left if a run of it takes at most these seconds."""
REVERSED_MAX: Final = 8
"""Rows of the largest batch that is tried in two orders."""
EXCUSED_SHARE: Final = 0.34
OTHERS: Final = 1000
"""Numbers of rows that are in no pool."""
ALL_SHARE: Final = 0.7
"""Of the budget, before the batch sizes between those of `ALWAYS` are given up."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trial found.

    Attributes:
        rows_max: Rows of the largest batch in which rows were answered each by itself; 0 when
            that was not shown.
        reason: Why not; "" when it was shown.
        mixed: Not only was it not shown: the rows of a batch were seen to change each other.
        untried: What there was no time for; "" when everything was tried.
        failed: Why larger batches are none; "" when they are.
    """

    rows_max: int
    reason: str = ""
    mixed: bool = False
    untried: str = ""
    failed: str = ""


class RowTrial:
    """Tries one model.

    Args:
        run: Runs it.
        generator: Makes its rows.
        sizes: Sizes of the free dimensions that it runs with, the first for the most runs.
        rows_max: Rows of the largest batch that it is to serve.
        budget: For all runs.
    """

    def __init__(
        self,
        run: Run,
        generator: Generator,
        sizes: Sequence[Sizes],
        rows_max: int,
        budget: Budget,
    ) -> None:
        self._run = run
        self._generator = generator
        self._sizes = sizes
        self._rows_max = rows_max
        self._budget = budget
        self._failed = ""
        self._varied: dict[str, bool] = {}
        self._rng = np.random.default_rng(0)

    def verdict(self) -> Verdict:
        """Runs batches until all are tried, rows were mixed, or time is over."""
        done: set[int] = set()
        try:
            first = self._pool(self._sizes[0])
            largest = self._ascend(first, done)
            for rows in BESIDE:
                if rows <= max(BESIDE[0], largest) and (rows < REVERSED_MAX or self._budget.left()):
                    self._beside(first, rows)
            left = self._elsewhere(largest)
            for rows in range(2, largest + 1):
                if rows not in done and self._budget.left():
                    self._batch(first, rows)
                    done.add(rows)
            self._check_varied()
        except NotShownError as error:
            return Verdict(0, str(error), mixed=isinstance(error, MixedError))
        untried = [rows for rows in range(2, largest + 1) if rows not in done]
        return Verdict(largest, untried=_untried(untried, left), failed=self._failed)

    def _ascend(self, pool: Pool, done: set[int]) -> int:
        """Tries batches of every order of size; the rows of the largest, at most `rows_max`."""
        largest = 1
        for rows in self._order_of_sizes(pool):
            if largest >= ROWS_MIN and rows != self._rows_max and not self._budget.left(ALL_SHARE):
                break
            try:
                # A batch of one row mixes nothing, but its model may not even be one of rows.
                self._batch(pool, max(BESIDE[0], rows))
            except FailedError as error:
                if largest < ROWS_MIN:
                    raise
                # Too large for it or for the memory: smaller batches are good ones.
                self._failed = str(error)
                if rows != self._rows_max:
                    break
                continue
            largest = max(largest, rows)
            done.add(rows)
        return largest

    def _order_of_sizes(self, pool: Pool) -> Iterator[int]:
        """Batch sizes to try, the largest one early if it does not take too long.

        How many rows a call may have must not hang on how busy the machine is.
        """
        rows_max = self._rows_max
        elements = max(1, sum(array.size for array in pool.members[0].values()))
        most = min(rows_max, max(ROWS_MIN, ELEMENTS_MAX // elements))
        early = most == rows_max and rows_max * pool.row_s < LARGEST_S_MAX
        early = early or rows_max <= ROWS_MIN
        sizes = [rows for rows in ALWAYS if rows < most]
        yield from sizes[:2]
        if early:
            yield rows_max
        yield from sizes[2:]
        if not early:
            yield most

    def _elsewhere(self, largest: int) -> int:
        """Tries other sizes of the free dimensions; how many there was no time for."""
        for number, sizes in enumerate(self._sizes[1:]):
            if not self._budget.left(ALL_SHARE):
                return len(self._sizes) - 1 - number
            try:
                pool = self._pool(sizes)
            except TooFewError:
                continue
            for rows in ELSEWHERE:
                if rows <= max(ELSEWHERE[0], largest) and self._budget.left(ALL_SHARE):
                    self._batch(pool, rows)
        return 0

    def _pool(self, sizes: Sizes) -> Pool:
        pool = fill_pool(self._run, self._generator, sizes, self._budget)
        for name in pool.alone[0]:
            self._varied[name] = self._varied.get(name, False) or pool.varies(name)
        return pool

    def _check_varied(self) -> None:
        for name, varied in self._varied.items():
            if not varied:
                raise NotShownError(
                    f"output {name!r} was the same for every row that was tried, which shows "
                    "nothing"
                )

    # --- one batch --------------------------------------------------------------------

    def _batch(self, pool: Pool, rows: int) -> None:
        """Compares a batch of different rows, and the same backwards, with each row alone."""
        chosen = [int(number) for number in self._order(len(pool.members), rows)]
        for order in (chosen, chosen[::-1]) if rows <= REVERSED_MAX else (chosen,):
            together = self._together([pool.members[number] for number in order])
            for place, (number, answer) in enumerate(zip(order, together, strict=True)):
                found = _differences(answer, pool.alone[number], Closeness.BY_TYPE)
                if found and not self._excused(pool, order, place, answer):
                    raise MixedError(
                        f"a row in a batch of {rows} is not answered as alone: {found}"
                    )

    def _excused(
        self, pool: Pool, order: Sequence[int], place: int, answer: Mapping[str, Array]
    ) -> bool:
        """The row's answer is not the one that it has alone, but nothing beside it is why.

        A few rows of noise sit where the least rounding is made large: a tie of the best two,
        or numbers without spread that are divided by their spread. Kernels round differently
        in batches of other sizes. Then the answer is still the same whatever lies beside it.
        """
        pool.excused.add(order[place])
        if len(pool.excused) > len(pool.members) * EXCUSED_SHARE:
            return False
        for turn in (1, 2):
            others = pool.others(order[place], turn)
            beside = list(itertools.islice(others, len(order)))
            beside[place] = pool.members[order[place]]
            if _differences(self._together(beside)[place], answer, Closeness.NEARLY_BITS):
                return False
        return True

    def _beside(self, pool: Pool, rows: int) -> None:
        """Looks whether a row's answer changes with the rows beside it, whatever they are."""
        place = rows // 2
        usual: dict[str, Array] | None = None
        for scale in (1.0, *NEIGHBOUR_SCALES):
            beside: list[Member] = [
                self._generator.row(pool.sizes, OTHERS + other, scale=scale)
                for other in range(rows)
            ]
            beside[place] = pool.members[0]
            try:
                answer = self._together(beside)[place]
            except FailedError:
                # Such numbers may be outside of what it takes; then nobody is answered.
                continue
            usual = usual or answer
            found = _differences(answer, usual, Closeness.NEARLY_BITS)
            if found:
                raise MixedError(
                    f"in a batch of {rows} a row's answer changes with the rows beside it: {found}"
                )

    def _together(self, members: Sequence[Member]) -> list[dict[str, Array]]:
        try:
            return self._run(members, len(members))
        except RowsLostError as error:
            raise MixedError(str(error)) from None
        except ModelError as error:
            raise FailedError(f"a batch of {len(members)} rows failed: {error}") from None

    def _order(self, count: int, rows: int) -> Iterator[int]:
        """Numbers from 0 to `count` in any order, none twice before all were there."""
        left = rows
        while left > 0:
            yield from self._rng.permutation(count)[:left]
            left -= count


def _differences(
    answer: Mapping[str, Array], wanted: Mapping[str, Array], closeness: Closeness
) -> str:
    """The first output that differs between two answers to one row, as text; "" for none."""
    for name, array in answer.items():
        found = difference(array, wanted[name], closeness)
        if found:
            return f"output {name!r}, {found}"
    return ""


def _untried(rows: Sequence[int], sizes: int) -> str:
    parts: list[str] = []
    if rows:
        shown = ", ".join(str(number) for number in rows[:10])
        more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
        parts.append(f"batches of {shown}{more} rows")
    if sizes:
        parts.append(f"{sizes} of the sizes that it takes")
    return " and ".join(parts)
