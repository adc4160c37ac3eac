"""The whole mesh under an autoscaler: routers, links and workers as they are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hasten_policy.autoscaler.events import DemandTold, LoadTold, ModelDemand
from hasten_policy.reasons import Reason
from hasten_policy.scaling.backlog import QueuedWork
from hasten_sim.ask import Ask
from hasten_sim.loop import Loop
from hasten_sim.pool import PoolShape
from hasten_sim.scaling.shell import Left, name_of
from hasten_sim.scenario import Scenario
from hasten_sim.tally import Tally
from hasten_sim.worker import SimWorker

FOR_WANT: Final = frozenset(
    reason.label
    for reason in (
        Reason.OVERLOADED,
        Reason.QUEUE_FULL,
        Reason.NO_WORKER,
        Reason.SHED_BEFORE_START,
        Reason.DEADLINE_PASSED,
    )
)
"""Refusals that more workers would have spared."""


class MeteredTally(Tally):
    """Counts too what routers tell an autoscaler, by model and class.

    Attributes:
        meter: (model, class) to calls, rows, refused, late; since it was taken last.
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario)
        self.meter: dict[tuple[int, int], list[int]] = {}

    def _of(self, ask: Ask) -> list[int]:
        return self.meter.setdefault((ask.model, ask.priority), [0, 0, 0, 0])

    def arrived(self, ask: Ask) -> None:
        """As `Tally`."""
        super().arrived(ask)
        counts = self._of(ask)
        counts[0] += 1
        counts[1] += ask.rows

    def answered(self, ask: Ask, now_s: float, service_s: float) -> None:
        """As `Tally`."""
        super().answered(ask, now_s, service_s)
        if now_s > ask.deadline_s:
            self._of(ask)[3] += 1

    def refused(
        self, ask: Ask, now_s: float, label: str, *, at_the_door: bool, idle: bool = False
    ) -> None:
        """As `Tally`."""
        super().refused(ask, now_s, label, at_the_door=at_the_door, idle=idle)
        if label in FOR_WANT:
            self._of(ask)[2] += 1

    def left(self, ask: Ask) -> None:
        """As `Tally`."""
        super().left(ask)
        self._of(ask)[3] += 1


class WholeMesh:
    """A `ScaledMesh` of simulated workers.

    Args:
        scenario: What is simulated.
        tally: Of its routers.
        workers: As many as there may be; those that serve have been started.
        loop: Virtual time.
    """

    def __init__(
        self, scenario: Scenario, tally: MeteredTally, workers: Sequence[SimWorker], loop: Loop
    ) -> None:
        self._scenario = scenario
        self._tally = tally
        self._workers = workers
        self._loop = loop
        self._names = [model.name for model in scenario.models]
        self._told_s = self._loads_s = loop.now_s
        self._busy_s = [worker.lanes.busy_s for worker in workers]
        self._inside = 0

    def demand(self) -> DemandTold:
        """As `ScaledMesh`: all routers together."""
        meter, self._tally.meter = self._tally.meter, {}
        now_s = self._loop.now_s
        span_s, self._told_s = now_s - self._told_s, now_s
        models = tuple(
            ModelDemand(self._names[model], priority, *counts)
            for (model, priority), counts in sorted(meter.items())
        )
        return DemandTold("routers", span_s, models, max(0, self._tally.taken - self._inside))

    def loads(self) -> list[LoadTold]:
        """As `ScaledMesh`."""
        span_s, self._loads_s = self._loop.now_s - self._loads_s, self._loop.now_s
        found: list[LoadTold] = []
        self._inside = 0
        for worker in self._workers:
            busy_s = worker.lanes.busy_s - self._busy_s[worker.index]
            self._busy_s[worker.index] += busy_s
            sample = worker.load if worker.serving else None
            if sample is None:
                continue
            self._inside += sample.depth
            busy = min(1.0, busy_s / (span_s * self._scenario.mesh.lanes)) if span_s else 0.0
            models = tuple(times.shape.name for times in worker.lanes.times.values())
            running = sample.depth - sample.waiting
            found.append(
                LoadTold(
                    name_of(worker.index),
                    busy,
                    running,
                    sample.waiting,
                    sample.backlog_s,
                    0.0,
                    models,
                )
            )
        return found

    def backlog(self) -> tuple[QueuedWork, ...]:
        """As `ScaledMesh`: planned batches are for the demand level (`grown`)."""
        return ()

    def serving(self, index: int) -> bool:
        """As `ScaledMesh`."""
        return self._workers[index].serving

    def start(self, index: int) -> None:
        """As `ScaledMesh`."""
        self._workers[index].start()

    def drain(self, index: int, left: Left) -> None:
        """As `ScaledMesh`."""
        self._workers[index].drain(left)


def grown(scenario: Scenario) -> tuple[Scenario, PoolShape]:
    """The scenario with as many workers as its pool may have, and the pool.

    Raises:
        ValueError: It says nothing of a pool.
    """
    if scenario.pool is None:
        raise ValueError(f"{scenario.name}: an autoscaler needs the table pool")
    mesh = replace(scenario.mesh, workers=scenario.pool.bounds.workers_max)
    return replace(scenario, mesh=mesh), scenario.pool
