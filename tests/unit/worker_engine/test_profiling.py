import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest

from hasten_runtime.clock import ManualClock
from hasten_worker.engine.config.spec import batch_buckets
from hasten_worker.engine.loading.profiling import (
    TIMED_RUNS_MAX,
    TIMED_RUNS_MIN,
    WARM_RUNS,
    Cell,
    Profile,
    ProfileLimits,
    Profiler,
    cells_of,
)
from hasten_worker.engine.onnx.watchdog import Watchdog
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.model import Array, ModelError

ROW = {"X": np.zeros((1, 1), np.float32)}


class TimedRun:
    """A run that moves the clock instead of taking time."""

    def __init__(self, clock: ManualClock, seconds: Callable[[int], float], log: list[int]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._log = log

    def execute(
        self, members: Sequence[Mapping[str, Array]], padded_rows: int
    ) -> list[dict[str, Array]]:
        assert len(members) == padded_rows
        self._log.append(padded_rows)
        self._clock.advance(self._seconds(padded_rows))
        return [{} for _ in members]

    def terminate(self) -> None: ...


@pytest.fixture
def watchdog(never: threading.Event) -> Iterator[Watchdog]:
    with Watchdog(never) as running:
        yield running


def profiled(
    watchdog: Watchdog, seconds: Callable[[int], float], batch_max: int
) -> tuple[Profile, list[int], float]:
    clock = ManualClock(0.0)
    log: list[int] = []
    limits = ProfileLimits(budget_s=2.0, run_s_max=600.0)
    profiler = Profiler("m", lambda: TimedRun(clock, seconds, log), limits, watchdog, clock)
    profile = profiler.measure(cells_of(batch_buckets(batch_max), [ROW]))
    return profile, log, clock.now_s()


def test_a_fast_model_is_measured_in_full(watchdog: Watchdog) -> None:
    profile, log, spent_s = profiled(watchdog, lambda rows: 1e-4 * rows, 32)
    sizes = (1, 2, 4, 8, 16, 32)
    assert Counter(log) == dict.fromkeys(sizes, WARM_RUNS + TIMED_RUNS_MAX)
    assert all(elements == rows for rows, elements, _ in profile)
    assert [rows for rows, _, _ in profile] == sorted(sizes * TIMED_RUNS_MAX)
    assert all(took_s == pytest.approx(1e-4 * rows) for rows, _, took_s in profile)
    assert spent_s < 2.0


@pytest.mark.parametrize("row_s", [0.001, 0.01, 0.05, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("batch_max", [1, 8, 33])
def test_a_slow_model_is_measured_within_reason(
    watchdog: Watchdog, row_s: float, batch_max: int
) -> None:
    profile, log, spent_s = profiled(watchdog, lambda rows: row_s * rows, batch_max)
    ones = [took_s for rows, _, took_s in profile if rows == 1]
    assert len(ones) >= TIMED_RUNS_MIN
    # One warm run and the least timed ones of a single row are worth any time; all others
    # keep to twice the budget.
    assert spent_s <= max(4.0 + 1e-6, (1 + TIMED_RUNS_MIN) * row_s + 1e-6)
    assert set(log) == {rows for rows, _, _ in profile}


def test_a_model_that_batches_for_free_is_measured_up_to_its_largest(watchdog: Watchdog) -> None:
    profile, _, _ = profiled(watchdog, lambda _: 0.05, 64)
    assert max(rows for rows, _, _ in profile) == 64


@pytest.mark.parametrize(
    ("batch_max", "sizes"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (8, (1, 2, 4, 8)), (12, (1, 2, 4, 8, 12))],
)
def test_sizes_double_up_to_the_largest(batch_max: int, sizes: tuple[int, ...]) -> None:
    assert batch_buckets(batch_max) == sizes


class HangingRun:
    """A run that lasts until it is terminated."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def execute(self, *_: object) -> list[dict[str, Array]]:
        assert self._stopped.wait(60)
        raise ModelError("stopped", terminated=True)

    def terminate(self) -> None:
        self._stopped.set()


def test_a_warm_up_run_that_overstays_is_ended(watchdog: Watchdog) -> None:
    limits = ProfileLimits(budget_s=1.0, run_s_max=0.01)
    profiler = Profiler("m", HangingRun, limits, watchdog, ManualClock())
    with pytest.raises(ModelRefused, match=r"a warm-up run of 1 rows took longer than 0\.01 s"):
        profiler.measure([Cell(1, ROW)])


def test_a_warm_up_that_nobody_waits_for_is_ended() -> None:
    stop = threading.Event()
    limits = ProfileLimits(budget_s=1.0, run_s_max=600.0)
    with Watchdog(stop) as watchdog:
        profiler = Profiler("m", HangingRun, limits, watchdog, ManualClock())
        stop.set()
        with pytest.raises(ModelRefused, match="given up"):
            profiler.run([ROW], 1)
    stop = threading.Event()
    with Watchdog(stop) as watchdog:

        def run_then_stop() -> HangingRun:
            run = HangingRun()
            threading.Timer(0.01, stop.set).start()
            return run

        profiler = Profiler("m", run_then_stop, limits, watchdog, ManualClock())
        with pytest.raises(ModelRefused, match="given up") as caught:
            profiler.run([ROW], 1)
        assert caught.value.passing


class FailingRun:
    def execute(self, *_: object) -> list[dict[str, Array]]:
        raise ModelError("no such index")

    def terminate(self) -> None: ...


def test_a_warm_up_run_that_fails_says_why(watchdog: Watchdog) -> None:
    limits = ProfileLimits(budget_s=1.0, run_s_max=600.0)
    profiler = Profiler("m", FailingRun, limits, watchdog, ManualClock())
    with pytest.raises(ModelRefused, match="of 2 rows failed: no such index"):
        profiler.run([ROW, ROW], 2)
