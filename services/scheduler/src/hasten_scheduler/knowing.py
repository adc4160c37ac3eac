"""What the scheduler says of models without asking, out of what its workers told."""

from collections.abc import Sequence
from typing import Final, Protocol

from hasten_policy.fleet.views import WorkerView
from hasten_policy.load import ModelLoad
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.explain import Explanation
from hasten_policy.scheduler.tasks import Lane
from hasten_policy.short import short
from hasten_runtime.clock import Clock

TAKING: Final = frozenset({"ready", "slow_start", "suspect", "ejected"})
"""Standings of workers whose models are known."""
_SAID_ANYHOW: Final = frozenset({"not_owned", "paused", "no_worker"})
"""Hurdles that every scheduler can see."""


class FleetMachine(Protocol):
    """The machine, as far as it knows workers."""

    def serves(self, model: str, version: str) -> bool:
        """A worker would run it now."""
        ...

    def knows(self, model: str, version: str) -> bool:
        """A worker has it, ready or not."""
        ...

    def views(self, *, now_s: float) -> Sequence[WorkerView]:
        """All workers."""
        ...

    def explain(self, shard: int, lane: Lane, task_id: str, *, now_s: float) -> Explanation:
        """Why a task of one of its shards does not run yet."""
        ...


class Knowledge:
    """Of models.

    Args:
        machine: The scheduler's.
        clock: The scheduler's.
    """

    def __init__(self, machine: FleetMachine, clock: Clock) -> None:
        self._machine = machine
        self._clock = clock

    def serves(self, model: str, version: str) -> bool:
        """A worker would run it now."""
        return self._machine.serves(model, version)

    def workers(self, model: str, version: str) -> int:
        """How many workers would run it now."""
        return len(self._loads(model, version))

    def predicted_s(self, model: str, version: str) -> float:
        """What a row takes at the fastest worker that has the model; 0 when none is known."""
        loads = self._loads(model, version)
        return min((load.alpha_s + load.beta_s for load in loads), default=0.0)

    def rows_max(self, model: str, version: str) -> int:
        """Most rows of one request at every worker; 0 when it is not known."""
        # A model that does not batch says 1, whatever one request of it may hold.
        most = min((load.batch_max for load in self._loads(model, version)), default=0)
        return most if most > 1 else 0

    def _loads(self, model: str, version: str) -> list[ModelLoad]:
        return [
            load
            for view in self._machine.views(now_s=self._clock.now_s())
            if view.report is not None and view.standing in TAKING
            for load in view.report.models
            if load.name == model
            and load.ready
            and (load.version == version if version else load.serves_unversioned)
        ]

    def hurdles(self, shard: int, lane: Lane, task_id: str) -> list[str]:
        """What must happen before a waiting task runs, as far as its owner alone knows it."""
        said = self._machine.explain(shard, lane, task_id, now_s=self._clock.now_s())
        return [hurdle.message for hurdle in said.hurdles if hurdle.name not in _SAID_ANYHOW]

    def refuses(self, model: str, version: str) -> Refusal | None:
        """Why tasks of this model are not taken; None when they are.

        A task can wait for a worker that is yet to come, so without workers nothing is refused.
        """
        machine = self._machine
        if machine.knows(model, version):
            return None
        reported = [view for view in machine.views(now_s=self._clock.now_s()) if view.report]
        if not any(view.standing in TAKING for view in reported):
            return None
        if version and machine.knows(model, ""):
            return Refusal(
                Reason.VERSION_NOT_FOUND, f"no worker has version {version} of {short(model)!r}"
            )
        return Refusal(Reason.MODEL_NOT_FOUND, f"no worker has a model {short(model)!r}")
