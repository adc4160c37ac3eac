"""Warm-up and batch profile: every size is run before a request meets it, and timed."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hasten_runtime import logs
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.model import Array, ModelError, Run

WARM_RUNS: Final = 3
TIMED_RUNS_MAX: Final = 10
TIMED_RUNS_MIN: Final = 2
"""Of the smallest size, whatever they take."""
OVERRUN: Final = 2.0
"""The largest sizes may take the profile to this many times its budget."""
PROGRESS_S: Final = 5.0

_log = logs.logger(__name__)

Profile = tuple[tuple[int, float], ...]
Members = Sequence[Mapping[str, Array]]
BatchMaker = Callable[[int], Members]


class Profiler:
    """Measures one model within a budget.

    Args:
        name: Of the model, for the log.
        budget_s: Seconds to spend.
        run_s_max: A run that takes longer is terminated and the model refused.
        stop: Set when the load is given up.
    """

    def __init__(self, name: str, budget_s: float, run_s_max: float, stop: threading.Event) -> None:
        self._name = name
        self._budget_s = budget_s
        self._run_s_max = run_s_max
        self._stop = stop
        self._began_s = time.perf_counter()
        self._told_s = self._began_s

    def measure(
        self, sizes: Sequence[int], new_run: Callable[[], Run], batch: BatchMaker
    ) -> Profile:
        """Runs each size a few times, smallest first.

        A size that would go far over the budget, judged by the one before, ends the profile:
        a model of 300 ms a row must not take a minute to load. The sizes that are left out
        are predicted from the measured ones.

        Args:
            sizes: Rows, ascending.
            new_run: Makes a run.
            batch: Makes the members of a batch of so many rows.

        Returns:
            Every timed (rows, seconds).

        Raises:
            ModelRefused: A run failed, took too long, or the load was given up.
        """
        pairs: list[tuple[int, float]] = []
        previous_rows, previous_s = 0, 0.0
        for index, rows in enumerate(sizes):
            expected_s = previous_s * rows / max(1, previous_rows)
            left_s = self._budget_s * OVERRUN - (time.perf_counter() - self._began_s)
            if index and 2 * expected_s > left_s:
                _log.info("profile_shortened", model=self._name, measured=previous_rows)
                break
            share_s = max(0.0, self._left_s()) / (len(sizes) - index)
            timed = self._size(rows, share_s, new_run, batch, first=index == 0)
            pairs.extend((rows, took_s) for took_s in timed)
            previous_rows, previous_s = rows, min(timed)
        return tuple(pairs)

    def _size(
        self,
        rows: int,
        share_s: float,
        new_run: Callable[[], Run],
        batch: BatchMaker,
        *,
        first: bool,
    ) -> list[float]:
        members = batch(rows)
        began_s = time.perf_counter()
        for count in range(WARM_RUNS):
            took_s = self._once(rows, new_run, members)
            self._tell(rows)
            # A slow model is warm after one run, and has no time for more.
            if took_s * (WARM_RUNS - count) > share_s / 3:
                break
        timed: list[float] = []
        least = TIMED_RUNS_MIN if first else 1
        while len(timed) < TIMED_RUNS_MAX:
            if len(timed) >= least and time.perf_counter() - began_s + took_s > share_s:
                break
            took_s = self._once(rows, new_run, members)
            timed.append(took_s)
            self._tell(rows)
        return timed

    def _once(self, rows: int, new_run: Callable[[], Run], members: Members) -> float:
        if self._stop.is_set():
            raise ModelRefused("the load was given up", passing=True)
        run = new_run()
        watchdog = threading.Timer(self._run_s_max, run.terminate)
        watchdog.daemon = True
        watchdog.start()
        began_s = time.perf_counter()
        try:
            run.execute(members, rows)
            return time.perf_counter() - began_s
        except ModelError as error:
            if error.terminated:
                raise ModelRefused(
                    f"a warm-up run of {rows} rows took longer than {self._run_s_max:g} s"
                ) from None
            raise ModelRefused(f"a warm-up run of {rows} rows failed: {error}") from None
        finally:
            watchdog.cancel()

    def _left_s(self) -> float:
        return self._budget_s - (time.perf_counter() - self._began_s)

    def _tell(self, rows: int) -> None:
        now_s = time.perf_counter()
        if now_s - self._told_s > PROGRESS_S:
            self._told_s = now_s
            _log.info(
                "model_warming",
                model=self._name,
                rows=rows,
                seconds=round(now_s - self._began_s, 1),
            )
