"""Warm-up and batch profile: every size is run before a request meets it, and timed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_worker.engine.onnx.watchdog import Watchdog
from hasten_worker.engine.refusal import GIVEN_UP, ModelRefused
from hasten_worker.model import Array, ModelError, Run

WARM_RUNS: Final = 3
TIMED_RUNS_MAX: Final = 10
TIMED_RUNS_MIN: Final = 2
"""Runs of the smallest size that are made even if they are slow."""
OVERRUN: Final = 2.0
"""The largest sizes may take the profile to this many times its budget."""
PROGRESS_S: Final = 5.0

_log = logs.logger(__name__)

Profile = tuple[tuple[int, int, float], ...]
Members = Sequence[Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class ProfileLimits:
    """How long a profile may take.

    Attributes:
        budget_s: Seconds to spend.
        run_s_max: A run that takes longer is terminated and the model refused.
    """

    budget_s: float
    run_s_max: float


def elements_of(members: Members) -> int:
    """Elements of all inputs of all members together."""
    return sum(array.size for member in members for array in member.values())


@dataclass(frozen=True, slots=True)
class Cell:
    """One batch to measure: `rows` times the same row.

    Attributes:
        rows: Rows of the batch.
        row: One row of it, or all inputs of a model without batches.
    """

    rows: int
    row: Mapping[str, Array]

    @property
    def members(self) -> Members:
        """The batch."""
        return [self.row] * self.rows


def cells_of(sizes: Sequence[int], rows: Sequence[Mapping[str, Array]]) -> list[Cell]:
    """Every size of batch with every row, the first row's smallest batch first, then by work.

    Args:
        sizes: Rows of a batch.
        rows: One for each set of sizes of the free dimensions.
    """
    first = Cell(sizes[0], rows[0])
    rest = [Cell(size, row) for row in rows for size in sizes][1:]
    return [first, *sorted(rest, key=lambda cell: elements_of(cell.members))]


class Profiler:
    """Measures one model within a budget.

    Args:
        name: Of the model, for the log.
        new_run: Makes a run.
        limits: How long it may take.
        watchdog: Running.
        clock: Measures the runs.
    """

    def __init__(
        self,
        name: str,
        new_run: Callable[[], Run],
        limits: ProfileLimits,
        watchdog: Watchdog,
        clock: Clock,
    ) -> None:
        self._name = name
        self._new_run = new_run
        self._limits = limits
        self._watchdog = watchdog
        self._clock = clock
        self._began_s = self._clock.now_s()
        self._told_s = self._began_s

    def run(self, members: Members, rows: int) -> tuple[list[dict[str, Array]], float]:
        """Runs one batch; the outputs of each member, and the seconds it took.

        Raises:
            ModelRefused: It failed, took too long, or the load was given up.
        """
        if self._watchdog.stopped:
            raise ModelRefused(GIVEN_UP, passing=True)
        run = self._new_run()
        self._watchdog.guard(run, self._limits.run_s_max)
        began_s = self._clock.now_s()
        try:
            results = run.execute(members, rows)
        except ModelError as error:
            if self._watchdog.stopped:
                raise ModelRefused(GIVEN_UP, passing=True) from None
            why = (
                f"took longer than {self._limits.run_s_max:g} s"
                if error.terminated
                else f"failed: {error}"
            )
            raise ModelRefused(f"a warm-up run of {rows} rows {why}") from None
        finally:
            self._watchdog.ended()
        ended_s = self._clock.now_s()
        if ended_s - self._told_s > PROGRESS_S:
            self._told_s = ended_s
            spent_s = round(ended_s - self._began_s, 1)
            _log.info("model.warming", model=self._name, rows=rows, spent_s=spent_s)
        return results, ended_s - began_s

    def first_answers(self, cells: Sequence[Cell]) -> list[dict[str, Array]]:
        """Answers of the first cell, and of a second with other rows if that succeeds.

        Raises:
            ModelRefused: The first cell failed or took too long, or the load was given up.
        """
        answers = [self.run(cells[0].members, cells[0].rows)[0][0]]
        for cell in cells[1:2]:
            try:
                answers.append(self.run(cell.members, cell.rows)[0][0])
            except ModelRefused as error:
                if error.passing:
                    raise
        return answers

    def runnable(self, *choices: Sequence[Cell]) -> tuple[Sequence[Cell], list[dict[str, Array]]]:
        """The first of some choices of cells that the model runs, with its `first_answers`.

        Raises:
            ModelRefused: The last choice failed or took too long, or the load was given up.
        """
        for cells in choices[:-1]:
            try:
                return cells, self.first_answers(cells)
            except ModelRefused as error:
                if error.passing:
                    raise
                _log.info("model.profile_cell_failed", model=self._name, reason=str(error))
        return choices[-1], self.first_answers(choices[-1])

    def measure(self, cells: Sequence[Cell]) -> Profile:
        """Runs each cell a few times.

        A cell that would go far over the budget, judged by the one before, ends the profile:
        a model of 300 ms a row must not take a minute to load. The cells that are left out
        are predicted from the measured ones. A cell that fails, but for the first, is left out.

        Args:
            cells: What to measure, by elements, ascending.

        Returns:
            Every timed (rows, elements, seconds); see `ModelSpec.profile`.

        Raises:
            ModelRefused: The first cell failed or took too long, or the load was given up.
        """
        runs: list[tuple[int, int, float]] = []
        previous_elements, previous_s = 0, 0.0
        for index, cell in enumerate(cells):
            spent_s = self._clock.now_s() - self._began_s
            elements = elements_of(cell.members)
            expected_s = previous_s * elements / max(1, previous_elements)
            # One warm run and one that is timed.
            if index and spent_s + 2 * expected_s > self._limits.budget_s * OVERRUN:
                _log.info("model.profile_shortened", model=self._name, measured=index)
                break
            share_s = max(0.0, self._limits.budget_s - spent_s) / (len(cells) - index)
            try:
                timed = self._cell(cell, share_s, TIMED_RUNS_MIN if index == 0 else 1)
            except ModelRefused as error:
                if not index or error.passing:
                    raise
                _log.info("model.profile_cell_failed", model=self._name, reason=str(error))
                continue
            runs.extend((cell.rows, elements, took_s) for took_s in timed)
            previous_elements, previous_s = elements, min(timed)
        return tuple(runs)

    def _cell(self, cell: Cell, share_s: float, least: int) -> list[float]:
        began_s = self._clock.now_s()
        for count in range(WARM_RUNS):
            _, took_s = self.run(cell.members, cell.rows)
            # A slow model is warm after one run, and has no time for more.
            if took_s * (WARM_RUNS - count) > share_s / 3:
                break
        timed: list[float] = []
        while len(timed) < TIMED_RUNS_MAX:
            if len(timed) >= least and self._clock.now_s() - began_s + took_s > share_s:
                break
            _, took_s = self.run(cell.members, cell.rows)
            timed.append(took_s)
        return timed
