"""A fleet of workers: who they are, how they stand, and the balancer that chooses among them."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeAlias

from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.fleet.events import StandingChanged
from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.fleet.registry import Registry, V
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.timers import Timers

TIMER_SILENCE: Final = 1
TIMER_RAMP: Final = 2
TIMER_RESTORE: Final = 3
TIMER_WINDOW: Final = 4
"""Kinds of a fleet's timers; a machine that has others of its own begins with 10."""


class Fleet(Generic[V]):
    """The workers that a machine gives calls to. It knows calls by their numbers alone.

    Args:
        policy: Parameters.
        registry: Workers and models; empty.
        timers: Where it asks to be woken: see `fleet.changes`, which handles what is due.
        say: Takes what is to be told of a worker's standing.

    Attributes:
        workers: All workers by name.
        balancer: Which worker gets a call.
        window_open: A timer for the end of the observation window is set.
    """

    __slots__ = ("balancer", "policy", "registry", "say", "timers", "window_open", "workers")

    def __init__(
        self,
        policy: FleetPolicy,
        registry: Registry[V],
        timers: Timers[object],
        say: Callable[[StandingChanged], None],
    ) -> None:
        self.policy = policy
        self.registry = registry
        self.workers = registry.workers
        self.timers = timers
        self.balancer = BALANCERS.get(policy.balancer)()
        self.window_open = False
        self.say = say

    def reported(self) -> list[WorkerRecord]:
        """The workers that have reported."""
        return [worker for worker in self.workers.values() if worker.report is not None]

    def say_standing(self, worker: WorkerRecord, cause: str) -> None:
        """Tells how the worker stands now; `cause` is for people."""
        self.say(StandingChanged(worker.worker_id, worker.standing, cause))


AnyFleet: TypeAlias = Fleet[Any]
"""A fleet whatever its views hold besides."""
