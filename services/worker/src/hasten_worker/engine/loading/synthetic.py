"""The synthetic back end: takes the time it is told to and gives its inputs back.

For load tests and capacity questions: the machine's cores are not the limit, the model's
timing is known exactly, and no file is needed.
"""

import math
import random
import threading
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from hasten.inference.v2.model_config_pb2 import (
    DataType,
    ModelConfig,
    ModelInput,
    ModelOutput,
)
from hasten_policy.load import ModelSpec
from hasten_worker.engine.config.complete import check_batch_max, check_dims
from hasten_worker.engine.config.parameters import Parameters
from hasten_worker.engine.config.rules import SYNTHETIC
from hasten_worker.engine.onnx.tensor_plan import tensor_plans
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.size_search import PROFILE_SIZES
from hasten_worker.model import Array, ModelError, Tell, TensorSpec

SEQUENCE: Final = "SEQUENCE"
"""An INT64 output of this name answers the number of the batch, counted from 1."""
PROFILE_SAMPLES: Final = 10


def complete_synthetic(written: ModelConfig) -> ModelConfig:
    """The whole configuration: by default INPUT, echoed as OUTPUT, any number of FP32.

    Raises:
        ModelRefused: An output is no echo of an input.
    """
    config = ModelConfig()
    config.CopyFrom(written)
    config.backend = SYNTHETIC
    check_batch_max(config)
    if not config.input and not config.output:
        config.input.append(ModelInput(name="INPUT", data_type=DataType.TYPE_FP32, dims=[-1]))
        config.output.append(ModelOutput(name="OUTPUT", data_type=DataType.TYPE_FP32, dims=[-1]))
    for kind, tensors in (("input", config.input), ("output", config.output)):
        for tensor in tensors:
            if tensor.data_type == DataType.TYPE_INVALID or not tensor.name:
                raise ModelRefused(f"{kind} {tensor.name!r}: a synthetic model needs its data_type")
            check_dims(kind, tensor)
    _echoes(config)
    return config


def _echoes(config: ModelConfig) -> tuple[tuple[str, str], ...]:
    """Outputs and the inputs they repeat, in order.

    Raises:
        ModelRefused: There is no such input.
    """
    outputs = [output for output in tensor_plans(config.output) if output.name != SEQUENCE]
    inputs = tensor_plans(config.input)
    pairs: list[tuple[str, str]] = []
    for index, output in enumerate(outputs):
        source = inputs[index] if index < len(inputs) else None
        if source is None or (source.element, source.outer) != (output.element, output.outer):
            raise ModelRefused(
                f"output {output.name!r} of a synthetic model repeats the input in the same "
                "place, which must have the same data_type and dims"
            )
        if source.optional:
            raise ModelRefused(f"input {source.name!r} is repeated and cannot be optional")
        pairs.append((output.name, source.name))
    return tuple(pairs)


class SyntheticRun:
    """One batch."""

    __slots__ = ("_model", "_stopped")

    def __init__(self, model: "SyntheticModel") -> None:
        self._model = model
        self._stopped = threading.Event()

    def execute(
        self, members: Sequence[Mapping[str, Array]], padded_rows: int
    ) -> list[dict[str, Array]]:
        """See `hasten_worker.model.Run`."""
        number, seconds = self._model.begin(padded_rows)
        if self._stopped.wait(seconds):
            raise ModelError("the run was terminated", terminated=True)
        return self._model.answers(members, number)

    def terminate(self) -> None:
        """See `hasten_worker.model.Run`."""
        self._stopped.set()

    def kill(self) -> bool:
        """See `hasten_worker.model.Run`: it always heeds `terminate`."""
        return False


class SyntheticModel:
    """See `hasten_worker.model.Model`.

    Args:
        config: From `complete_synthetic`.
        inputs: As clients see them.
        outputs: As clients see them.
        parameters: Its timing.

    Attributes:
        executed: Batches begun so far.
    """

    spec: ModelSpec

    def __init__(
        self,
        config: ModelConfig,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        parameters: Parameters,
    ) -> None:
        self.config = config
        self.inputs = inputs
        self.outputs = outputs
        self.batches = config.max_batch_size > 0
        self.memory_bytes = 0
        self.executed = 0
        self._parameters = parameters
        self._echoes = _echoes(config)
        self._counts = any(output.name == SEQUENCE for output in config.output)
        self._rng = random.Random(parameters.seed)  # noqa: S311  (timing noise)
        self._lock = threading.Lock()

    @property
    def away_s(self) -> float:
        """It is always there."""
        return 0.0

    def serve(self, tell: Tell) -> None:
        """There is nothing to tell."""

    def new_run(self) -> SyntheticRun:
        """A fresh run."""
        return SyntheticRun(self)

    def close(self) -> None:
        """Nothing to free."""

    def profile(self, sizes: Sequence[int]) -> tuple[tuple[int, int, float], ...]:
        """What a measurement of these sizes would find; takes no time.

        Rows of several lengths are among them, as of other models with free dimensions: that its
        time does not depend on the length is something that only measurements tell.
        """
        lengths = sorted({self._row_elements(free) for free in PROFILE_SIZES})
        rng = random.Random(self._parameters.seed)  # noqa: S311  (timing noise)
        return tuple(
            (rows, rows * each, self._seconds(rows, rng))
            for rows in sizes
            for each in lengths
            for _ in range(PROFILE_SAMPLES)
        )

    def begin(self, rows: int) -> tuple[int, float]:
        """Counts a batch; its number, from 1, and the seconds it takes."""
        with self._lock:
            self.executed += 1
            return self.executed, self._seconds(rows, self._rng)

    def answers(
        self, members: Sequence[Mapping[str, Array]], number: int
    ) -> list[dict[str, Array]]:
        """The outputs of each member of batch `number`."""
        results: list[dict[str, Array]] = []
        for member in members:
            result = {output: member[source] for output, source in self._echoes}
            if self._counts:
                rows = len(next(iter(member.values()))) if self.batches else 0
                shape = (rows, 1) if self.batches else (1,)
                result[SEQUENCE] = np.full(shape, number, dtype=np.int64)
            results.append(result)
        return results

    def _row_elements(self, free: int) -> int:
        """Elements of a row whose free dimensions are `free` long."""
        first = 1 if self.batches else 0
        return sum(
            math.prod(dim if dim > 0 else free for dim in spec.shape[first:])
            for spec in self.inputs
        )

    def _seconds(self, rows: int, rng: random.Random) -> float:
        seconds = self._parameters.alpha_s + self._parameters.beta_s * rows
        if self._parameters.noise == 0.0:
            return seconds
        # Log-normal with mean 1 and this coefficient of variation.
        variance = math.log1p(self._parameters.noise**2)
        return seconds * rng.lognormvariate(-variance / 2, math.sqrt(variance))
