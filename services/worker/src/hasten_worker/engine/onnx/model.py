"""A model version that onnxruntime runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_policy.load import ModelSpec
from hasten_worker.engine.onnx.runner import OnnxRunner, run_options
from hasten_worker.model import Array, ModelError, TensorSpec


class OnnxRun:
    """One batch on one session."""

    __slots__ = ("_options", "_runner", "_stopped")

    def __init__(self, runner: OnnxRunner) -> None:
        self._runner = runner
        self._options = run_options()
        self._stopped = False

    def execute(
        self, members: Sequence[Mapping[str, Array]], padded_rows: int
    ) -> list[dict[str, Array]]:
        """See `hasten_worker.model.Run`."""
        if self._stopped:
            raise ModelError("the run was terminated before it began", terminated=True)
        return self._runner.run(members, padded_rows, self._options)

    def terminate(self) -> None:
        """See `hasten_worker.model.Run`."""
        self._stopped = True
        self._options.terminate = True


@dataclass(slots=True)
class OnnxModel:
    """See `hasten_worker.model.Model`; `runners` are its sessions, one per device."""

    spec: ModelSpec
    config: ModelConfig
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batches: bool
    memory_bytes: int
    runners: tuple[OnnxRunner, ...]
    _turn: int = 0

    def new_run(self) -> OnnxRun:
        """A fresh run; devices take turns."""
        if not self.runners:
            raise ModelError("the model is closed")
        self._turn = (self._turn + 1) % len(self.runners)
        return OnnxRun(self.runners[self._turn])

    def close(self) -> None:
        """Lets the sessions go; they end with the last run that still holds one."""
        self.runners = ()
