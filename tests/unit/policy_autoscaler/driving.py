"""Drives an AutoscalerMachine by hand, second by second."""

from math import inf

from hasten_policy.autoscaler.events import (
    AutoscalerEffect,
    AutoscalerEvent,
    DemandTold,
    Desired,
    DrainWorker,
    Hold,
    Ignored,
    LoadTold,
    ModelDemand,
    ProfileTold,
    StartWorkers,
    WakeAt,
    Woke,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.registry import scaling
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.profiles import Profile
from hasten_policy.scaling.queueing import BatchCurve

TEN_PER_S = Profile(BatchCurve(0.1, 0.0), slack_s=0.5)
"""A worker does ten calls a second."""


class Driven:
    """A machine, its workers, and what it said.

    Args:
        rule: Text of the rule.
        bounds: Of the pool.
        ready: Workers that are there.
        profiled: The model was measured.

    Attributes:
        instead: What a worker tells in place of what the others tell.
    """

    def __init__(
        self,
        rule: str = "hasten",
        bounds: Bounds | None = None,
        ready: int = 1,
        *,
        profiled: bool = True,
        policy: AutoscalerPolicy | None = None,
    ) -> None:
        self.machine = AutoscalerMachine(policy or scaling(rule), bounds or Bounds(workers_max=50))
        self.now_s = 0.0
        self.effects: list[AutoscalerEffect] = []
        self.ready = [f"w{number}" for number in range(ready)]
        self.starting: list[str] = []
        self.made = ready
        self.wake_s = inf
        self.instead: dict[str, LoadTold] = {}
        if profiled:
            self.tell(ProfileTold("m", TEN_PER_S))
        for name in self.ready:
            self.tell(WorkerReady(name))
        self.tell(Woke())

    def tell(self, event: AutoscalerEvent) -> list[AutoscalerEffect]:
        said = self.machine.on(event, now_s=self.now_s)
        self.effects += said
        for effect in said:
            if isinstance(effect, StartWorkers):
                for _ in range(effect.count):
                    name = f"w{self.made}"
                    self.made += 1
                    self.starting.append(name)
                    self.tell(WorkerStarting(name))
            elif isinstance(effect, DrainWorker):
                for group in (self.ready, self.starting):
                    if effect.worker_id in group:
                        group.remove(effect.worker_id)
                self.tell(WorkerLeft(effect.worker_id))
            elif isinstance(effect, WakeAt):
                self.wake_s = effect.at_s
        return said

    def become_ready(self, took_s: float = 20.0) -> None:
        for name in list(self.starting):
            self.starting.remove(name)
            self.ready.append(name)
            self.tell(WorkerReady(name, took_s))

    def seconds(
        self,
        count: int,
        calls: int | None = 0,
        *,
        refused: int = 0,
        busy: float | None = None,
        running: int = 0,
        waiting: int = 0,
        loads: bool = True,
    ) -> None:
        """So many seconds go by with so many calls each; None tells of no demand at all."""
        for _ in range(count):
            self.now_s += 1.0
            if calls is not None:
                told = ModelDemand("m", 1, calls, calls, refused)
                self.tell(DemandTold("r", 1.0, (told,)))
            share = (
                busy
                if busy is not None
                else min(1.0, ((calls or 0) - refused) / 10.0 / max(1, len(self.ready)))
            )
            for name in list(self.ready) if loads else []:
                load = LoadTold(name, share, running, waiting, waiting * 0.1, 0.0, ("m",))
                self.tell(self.instead.get(name, load))
            if self.now_s >= self.wake_s:
                self.tell(Woke())

    # --- what it said -----------------------------------------------------------------------

    @property
    def decisions(self) -> list[Desired]:
        return [effect for effect in self.effects if isinstance(effect, Desired)]

    @property
    def desired(self) -> int:
        return self.decisions[-1].workers

    def reasons(self) -> list[str]:
        return [each.kind for each in self.decisions[-1].reasons]

    def holds(self) -> list[str]:
        return [effect.why for effect in self.effects if isinstance(effect, Hold)]

    def ignored(self) -> list[Ignored]:
        return [effect for effect in self.effects if isinstance(effect, Ignored)]
