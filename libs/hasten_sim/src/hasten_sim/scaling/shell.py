"""The shell around the autoscaler's machine: it tells what it sees, and starts and drains."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Protocol

from hasten_plan.forecasting.foresight import Foresight
from hasten_policy.autoscaler.events import (
    AutoscalerEvent,
    BacklogTold,
    DemandTold,
    Desired,
    DrainWorker,
    LoadTold,
    ProfileTold,
    StartRefused,
    StartWorkers,
    WakeAt,
    Woke,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.scaling.backlog import QueuedWork
from hasten_policy.scaling.profiles import Profiles
from hasten_sim.loop import Loop
from hasten_sim.pool import PoolShape
from hasten_sim.scaling.outcome import Outcome
from hasten_sim.scaling.profiles import profiles_of
from hasten_sim.scaling.starts import Starts
from hasten_sim.scenario import Scenario

Left = Callable[[int], None]


class ScaledMesh(Protocol):
    """A mesh whose workers come and go, by index."""

    def demand(self) -> DemandTold:
        """What was asked for since this was asked before."""
        ...

    def loads(self) -> list[LoadTold]:
        """How the workers are that serve."""
        ...

    def backlog(self) -> tuple[QueuedWork, ...]:
        """The tasks that wait at schedulers."""
        ...

    def serving(self, index: int) -> bool:
        """One serves."""
        ...

    def start(self, index: int) -> None:
        """One has started, and serves from now on."""
        ...

    def drain(self, index: int, left: Left) -> None:
        """One that serves takes no new calls; `left` hears when it has gone."""
        ...


def name_of(index: int) -> str:
    """What a worker is called."""
    return f"w{index:04d}"


class SimAutoscaler:
    """The third shell. It decides nothing.

    Args:
        scenario: What is simulated.
        pool: Where workers come from.
        policy: Of the machine.
        mesh: What it scales.
        loop: Virtual time.
        outcome: Told of what happens.
        seed: Of the starts.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (what a shell stands between)
        self,
        scenario: Scenario,
        pool: PoolShape,
        policy: AutoscalerPolicy,
        mesh: ScaledMesh,
        loop: Loop,
        outcome: Outcome,
        seed: int,
    ) -> None:
        self._pool = pool
        self._mesh = mesh
        self._loop = loop
        self._outcome = outcome
        self._starts = Starts(scenario, pool, Random(f"{seed}/starts"))
        # How long starts take is a fact of the pool, where nobody says otherwise.
        if policy.lead_s == AutoscalerPolicy().lead_s:
            policy = replace(policy, lead_s=self._starts.mean_s())
        self._foresight = (
            Foresight(pool.forecast_s, self._starts.mean_s() + policy.period_s, pool.day_s)
            if pool.forecast_s
            else None
        )
        self._machine = AutoscalerMachine(policy, pool.bounds)
        self._profiles = Profiles()
        self._of_models = profiles_of(scenario)
        self._starting: dict[int, float] = {}
        self._known: set[int] = set()
        self._draining: set[int] = set()
        self._wake_s = 0.0
        self.events = 0

    def begin(self, workers: int) -> None:
        """So many workers serve now, and the machine begins."""
        for model, profile in self._of_models.items():
            self._profiles.told(model, profile)
            self._tell(ProfileTold(model, profile))
        for index in range(workers):
            if self._mesh.serving(index):
                self._known.add(index)
                self._tell(WorkerReady(name_of(index)))
        self._paid()
        self._tell(Woke())
        self._loop.at(self._loop.now_s + self._pool.tell_s, self._tell_all)

    # --- what it tells --------------------------------------------------------------------

    def _tell_all(self, _: object) -> None:
        now_s = self._loop.now_s
        self._look()
        demand = self._mesh.demand()
        self._tell(demand)
        if self._pool.planned:
            self._tell(BacklogTold("schedulers", self._mesh.backlog()))
        for load in self._mesh.loads():
            self._tell(load)
        load_s = sum(
            self._profiles.load(each.model, each.rows, len(self._known)) or 0.0
            for each in demand.models
        )
        if self._foresight is not None:
            forecast = self._foresight.demanded(now_s, load_s)
            if forecast is not None:
                self._tell(forecast)
        self._outcome.demanded(now_s, demand.span_s, load_s, len(self._known))
        self._loop.at(now_s + self._pool.tell_s, self._tell_all)

    def _look(self) -> None:
        """Who was lost, and who came back without having been asked."""
        for index in range(self._pool.bounds.workers_max):
            serves = self._mesh.serving(index)
            if serves and index not in self._known and index not in self._draining:
                self._known.add(index)
                self._starting.pop(index, None)
                self._tell(WorkerReady(name_of(index)))
            elif not serves and index in self._known | self._draining:
                self._gone(index)

    def _gone(self, index: int) -> None:
        self._known.discard(index)
        self._draining.discard(index)
        self._paid()
        self._tell(WorkerLeft(name_of(index)))

    def _paid(self) -> None:
        there = len(self._known) + len(self._draining) + len(self._starting)
        self._outcome.paid(self._loop.now_s, there)

    # --- what it carries out --------------------------------------------------------------

    def _tell(self, event: AutoscalerEvent) -> None:
        self.events += 1
        for effect in self._machine.on(event, now_s=self._loop.now_s):
            match effect:
                case StartWorkers():
                    self._start(effect.count)
                case DrainWorker():
                    self._drain(int(effect.worker_id[1:]))
                case Desired():
                    self._outcome.decided(self._loop.now_s, effect.workers, len(self._known))
                case WakeAt():
                    self._wake_s = effect.at_s
                    self._loop.at(effect.at_s, self._wake)
                case _:
                    pass  # For operators alone, and there are none here.

    def _start(self, count: int) -> None:
        used = self._known | self._draining | self._starting.keys()
        free = [
            index
            for index in range(self._pool.bounds.workers_max)
            if index not in used and not self._mesh.serving(index)
        ]
        now_s = self._loop.now_s
        for index in free[:count]:
            took_s = self._starts.seconds()
            self._starting[index] = now_s
            self._tell(WorkerStarting(name_of(index)))
            self._loop.at(now_s + took_s, self._started, (index, now_s))
        self._paid()
        if count > len(free):
            self._tell(StartRefused(count - len(free), "places of workers that are leaving"))

    def _started(self, begun: tuple[int, float]) -> None:
        index, at_s = begun
        if self._starting.get(index) != at_s:
            return
        del self._starting[index]
        if not self._mesh.serving(index):
            self._mesh.start(index)
        self._known.add(index)
        self._tell(WorkerReady(name_of(index), self._loop.now_s - at_s))

    def _drain(self, index: int) -> None:
        if self._starting.pop(index, None) is not None:
            self._paid()
            # Not from inside of an effect: the machine has more to say of this event.
            self._loop.at(self._loop.now_s, self._left, index)
        else:
            self._known.discard(index)
            self._draining.add(index)
            self._mesh.drain(index, self._left)

    def _left(self, index: int) -> None:
        if index in self._draining or index not in self._known | self._starting.keys():
            self._gone(index)

    def _wake(self, _: object) -> None:
        if self._loop.now_s >= self._wake_s:
            self._tell(Woke())
