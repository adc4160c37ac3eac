"""A model version that onnxruntime runs."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_policy.load import ModelSpec
from hasten_worker.engine.onnx.port import ModelRunner
from hasten_worker.model import Fate, ModelError, Run, Tell, TensorSpec


def _nothing() -> None:
    """There is nothing to free."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class OnnxModel:
    """See `hasten_worker.model.Model`.

    Attributes:
        runners: Its sessions, one per device.
        free: Frees what the sessions read, when they are gone.
    """

    spec: ModelSpec
    config: ModelConfig
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batches: bool
    memory_bytes: int
    runners: tuple[ModelRunner, ...]
    free: Callable[[], None] = _nothing
    _turn: int = 0

    @property
    def away_s(self) -> float:
        """Seconds until one of its devices runs batches again, about; 0 when one does."""
        return min([runner.away_s for runner in self.runners], default=0.0)

    def new_run(self) -> Run:
        """A fresh run; devices take turns, but for those that are away."""
        if not self.runners:
            raise ModelError("the model is closed")
        for _ in self.runners:
            self._turn = (self._turn + 1) % len(self.runners)
            if not self.runners[self._turn].away_s:
                break
        return self.runners[self._turn].new_run()

    def serve(self, tell: Tell) -> None:
        """It is in service from now on; `tell` hears what becomes of its processes."""
        # A model that was replaced ends with the last call that holds it: its runners hold none.
        held = weakref.ref(self)

        def of_all(fate: Fate) -> None:
            model = held()
            if model is not None:
                # One device of several that is away is no reason to send nothing.
                away_s = model.away_s if fate.kind == "lost" else 0.0
                tell(Fate(fate.kind, fate.reason, away_s))

        for runner in self.runners:
            runner.serve(of_all)

    def close(self) -> None:
        """Lets the sessions go; they end with the last run that still holds one."""
        runners, self.runners = self.runners, ()
        for runner in runners:
            runner.close()
        self.free()
