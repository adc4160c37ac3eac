"""Warm-up and batch profile: every size is run before a request meets it, and timed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_worker.engine.refusal import GIVEN_UP, ModelRefused
from hasten_worker.engine.watchdog import Watchdog
from hasten_worker.model import Array, ModelError, Run

WARM_RUNS: Final = 3
TIMED_RUNS_MAX: Final = 10
TIMED_RUNS_MIN: Final = 2
"""Of the smallest size, whatever they take."""
OVERRUN: Final = 2.0
"""The largest sizes may take the profile to this many times its budget."""
PROGRESS_S: Final = 5.0

_log = logs.logger(__name__)

Profile = tuple[tuple[int, int, float], ...]
Members = Sequence[Mapping[str, Array]]
BatchMaker = Callable[[int], Members]


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
            _log.info("model_warming", model=self._name, rows=rows, spent_s=spent_s)
        return results, ended_s - began_s

    def measure(self, sizes: Sequence[int], batch: BatchMaker) -> Profile:
        """Runs each size a few times, smallest first.

        A size that would go far over the budget, judged by the one before, ends the profile:
        a model of 300 ms a row must not take a minute to load. The sizes that are left out
        are predicted from the measured ones.

        Args:
            sizes: Rows, ascending.
            batch: Makes the members of a batch of so many rows.

        Returns:
            Every timed (rows, elements, seconds); see `ModelSpec.profile`.

        Raises:
            ModelRefused: A run failed, took too long, or the load was given up.
        """
        runs: list[tuple[int, int, float]] = []
        previous_rows, previous_s = 0, 0.0
        for index, rows in enumerate(sizes):
            spent_s = self._clock.now_s() - self._began_s
            expected_s = previous_s * rows / max(1, previous_rows)
            # One warm run and one that is timed.
            if index and spent_s + 2 * expected_s > self._limits.budget_s * OVERRUN:
                _log.info("profile_shortened", model=self._name, measured=previous_rows)
                break
            share_s = max(0.0, self._limits.budget_s - spent_s) / (len(sizes) - index)
            members = batch(rows)
            timed = self._size(rows, members, share_s, TIMED_RUNS_MIN if index == 0 else 1)
            runs.extend((rows, elements_of(members), took_s) for took_s in timed)
            previous_rows, previous_s = rows, min(timed)
        return tuple(runs)

    def _size(self, rows: int, members: Members, share_s: float, least: int) -> list[float]:
        began_s = self._clock.now_s()
        for count in range(WARM_RUNS):
            _, took_s = self.run(members, rows)
            # A slow model is warm after one run, and has no time for more.
            if took_s * (WARM_RUNS - count) > share_s / 3:
                break
        timed: list[float] = []
        while len(timed) < TIMED_RUNS_MAX:
            if len(timed) >= least and self._clock.now_s() - began_s + took_s > share_s:
                break
            _, took_s = self.run(members, rows)
            timed.append(took_s)
        return timed
