"""What the router says of the mesh without asking: who serves what, and what stands against it."""

from collections.abc import Callable, Mapping

from hasten.common.v1.load_pb2 import WorkerState
from hasten_policy.fleet.views import WorkerView
from hasten_policy.router.machine import RouterMachine
from hasten_runtime.clock import Clock
from hasten_runtime.readiness import gap_sentence

READY_STANDINGS = frozenset({"ready", "slow_start"})
NO_WORKER = "no worker takes calls"
NO_MODEL = "no worker serves a model"


class MeshView:
    """What the machine and the links know, asked for now.

    Args:
        machine: The router's.
        clock: The router's.
        states: The last full report, as it came, of each worker whose link is open.
        strict: Ready only if all that should be served is served.
    """

    def __init__(
        self,
        machine: RouterMachine,
        clock: Clock,
        states: Callable[[], Mapping[str, WorkerState]],
        *,
        strict: bool,
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._states = states
        self._strict = strict

    def serves(self, model: str, model_version: str) -> bool:
        """A worker would run it now."""
        return self._machine.serves(model, model_version)

    def views(self) -> list[WorkerView]:
        """The workers that have joined."""
        return self._machine.views(now_s=self._clock.now_s())

    def ready(self) -> bool:
        """Nothing stands against sending this router traffic."""
        return not self.faults()

    def faults(self) -> list[str]:
        """What stands against sending this router traffic, one sentence each.

        What one worker should serve and does not is no fault while another serves it: that is a
        rollout, or a worker that is about to be mended.
        """
        taking = [view.worker_id for view in self.views() if view.standing in READY_STANDINGS]
        if not taking:
            return [NO_WORKER]
        if not self._strict:
            return []
        states = self._states()
        open_states = {name: states[name] for name in taking if name in states}
        gaps = self._gaps(open_states)
        if not gaps and not any(state.models for state in open_states.values()):
            return [NO_MODEL]
        return gaps

    def _gaps(self, states: Mapping[str, WorkerState]) -> list[str]:
        sentence_of: dict[tuple[str, str], str] = {}
        more = 0
        for worker_id, state in states.items():
            more = max(more, state.gaps_more)
            for gap in state.gaps:
                key = (gap.name, gap.version)
                if key not in sentence_of and not self.serves(*key):
                    sentence_of[key] = (
                        f"{gap_sentence(gap.name, gap.version, gap.reason)} (worker {worker_id})"
                    )
        sentences = [sentence_of[key] for key in sorted(sentence_of)]
        if more:
            sentences.append(f"and {more} more models or versions do not serve")
        return sentences
