"""What a decision of the autoscaler costs: a tick, and a second of what is told, without IO.

python -m loadtest.bench_autoscaler [--models 100] [--workers 50] [--json]

Ends with status 1 when a tick takes longer than 50 ms, at the median.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Final

from hasten_policy.autoscaler.events import (
    AutoscalerEvent,
    BacklogTold,
    DemandTold,
    LoadTold,
    ModelDemand,
    ProfileTold,
    Woke,
    WorkerReady,
)
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.scaling.backlog import QueuedWork
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.profiles import Profile
from hasten_policy.scaling.queueing import BatchCurve

ROUTERS: Final = 4
GROUPS: Final = 256
"""Groups of tasks that schedulers tell of: as many as they may."""
TICK_MS_MAX: Final = 50.0
SECONDS: Final = 300
PERIOD_S: Final = 10


class Bench:
    """A machine with a pool, told what a mesh of that size tells each second.

    Args:
        models: That are asked for.
        workers: That serve.
    """

    def __init__(self, models: int, workers: int) -> None:
        self._models = [f"m{number:03d}" for number in range(models)]
        self._workers = [f"w{number:03d}" for number in range(workers)]
        self._machine = AutoscalerMachine(AutoscalerPolicy(), Bounds(1, 2 * workers))
        for name in self._models:
            self._tell(ProfileTold(name, Profile(BatchCurve(0.004, 0.001, 8, 2), 0.1)), 0.0)
        for name in self._workers:
            self._tell(WorkerReady(name), 0.0)

    def measured(self) -> tuple[list[float], list[float]]:
        """Milliseconds of each tick, and of each second of what is told."""
        ticks: list[float] = []
        tolds: list[float] = []
        # About seven in ten of the workers are busy: nothing is at a bound.
        calls = int(0.7 * len(self._workers) * 1200 / len(self._models) / ROUTERS)
        for second in range(1, SECONDS + 1):
            now_s = float(second)
            tolds.append(_ms(partial(self._told, now_s, calls)))
            if second % PERIOD_S == 0:
                ticks.append(_ms(partial(self._tell, Woke(), now_s)))
        return ticks, tolds

    def _told(self, now_s: float, calls: int) -> None:
        for router in range(ROUTERS):
            rows = tuple(ModelDemand(name, 1, calls, calls) for name in self._models)
            self._tell(DemandTold(f"r{router}", 1.0, rows), now_s)
        names = tuple(self._models)
        for name in self._workers:
            self._tell(LoadTold(name, 0.7, 2, 3, 0.02, 0.5, names), now_s)
        work = tuple(
            QueuedWork(self._models[at % len(names)], 3, 10, 10, 0.5, float(at), 600.0 + at)
            for at in range(GROUPS)
        )
        self._tell(BacklogTold("s", work), now_s)

    def _tell(self, event: AutoscalerEvent, now_s: float) -> None:
        self._machine.on(event, now_s=now_s)


def _ms(step: Callable[[], None]) -> float:
    began_s = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - began_s)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    ticks, tolds = Bench(said.models, said.workers).measured()
    found = {
        "models": said.models,
        "workers": said.workers,
        "tick_ms_p50": median(ticks),
        "tick_ms_max": max(ticks),
        "told_ms_p50": median(tolds),
    }
    if said.json:
        print(json.dumps(found))
    else:
        print(
            f"{said.models} models, {said.workers} workers: a tick takes {median(ticks):.2f} ms "
            f"(longest {max(ticks):.2f}), a second of what is told {median(tolds):.2f} ms"
        )
    sys.exit(median(ticks) > TICK_MS_MAX)


if __name__ == "__main__":
    main()
