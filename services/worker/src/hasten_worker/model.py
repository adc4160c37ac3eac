"""What the worker's shell needs of a loaded model, whatever runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_policy.load import ModelSpec
from hasten_policy.reasons import Reason

Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: Tensor name.
        datatype: Name in the inference protocol: BOOL, UINT8 … FP32, BYTES, BF16.
        shape: Full shape as clients see it, the batch dimension first (as -1) when the model
            batches; -1 for any size.
        optional: An input that may be left out.
        labels: Class names for the classification extension; empty for none.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False
    labels: tuple[str, ...] = ()


class Run(Protocol):
    """One batch being run. Used once."""

    def execute(
        self, members: Sequence[Mapping[str, Array]], padded_rows: int
    ) -> list[dict[str, Array]]:
        """Runs the members as one batch; blocks, called on a lane's thread.

        Args:
            members: Inputs of each call by name, validated and equal in shape but for the
                first dimension when the model batches. BYTES tensors are object arrays of
                bytes; BF16 tensors are ml_dtypes.bfloat16.
            padded_rows: Rows to pad the batch up to.

        Returns:
            Every output of each call, in the order of `members`.

        Raises:
            ModelError: The model raised an error or was terminated.
        """
        ...

    def terminate(self) -> None:
        """Stops `execute` from another thread, soon; harmless before, after and twice."""
        ...


class ModelError(Exception):
    """The model failed on this batch.

    Attributes:
        terminated: It was stopped by `Run.terminate`.
        reason: What the call is told when it is alone in the batch.
    """

    def __init__(
        self, message: str, *, terminated: bool = False, reason: Reason = Reason.MODEL_FAILED
    ) -> None:
        super().__init__(message)
        self.terminated = terminated
        self.reason = reason


class Model(Protocol):
    """One loaded, warm model version."""

    spec: ModelSpec
    config: ModelConfig
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batches: bool
    """The first dimension is the batch (max_batch_size > 0)."""
    memory_bytes: int
    """Estimated size in memory, for statistics."""

    def new_run(self) -> Run:
        """A fresh run; cheap."""
        ...

    def close(self) -> None:
        """Frees sessions and buffers. No run is active."""
        ...
