"""What the worker's shell needs of a loaded model, whatever runs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

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

    def kill(self) -> bool:
        """Stops a run that does not heed `terminate`, by ending the process that it is in; False
        where that is this process.
        """
        ...


class ModelError(Exception):
    """The model failed on this batch.

    Attributes:
        terminated: It was stopped by `Run.terminate` or `Run.kill`.
        reason: What the call is told when it is alone in the batch.
    """

    def __init__(
        self, message: str, *, terminated: bool = False, reason: Reason = Reason.MODEL_FAILED
    ) -> None:
        super().__init__(message)
        self.terminated = terminated
        self.reason = reason


class ProcessLostError(ModelError):
    """The process that ran the batch ended.

    Attributes:
        process: Its name, which no other process of this worker has had.
        suspects: Runs of which one, nobody knows which, may have ended it: 1 when it was this one
            for certain, 0 when it was another one for certain.
    """

    def __init__(self, message: str, process: str, *, suspects: int, terminated: bool) -> None:
        super().__init__(message, terminated=terminated)
        self.process = process
        self.suspects = suspects


class NotBegunError(Exception):
    """The batch was not begun: the process that should run it is being started anew."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a process that runs a model.

    Attributes:
        kind: It was lost and is being started anew; it is back; or it ended too often and is not
            started again.
        reason: Why, a sentence; "" when it is back.
        away_s: Seconds that a start takes, about, if nobody else runs the model meanwhile; else 0.
    """

    kind: Literal["lost", "back", "spent"]
    reason: str = ""
    away_s: float = 0.0


Tell = Callable[[Fate], None]


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

    @property
    def away_s(self) -> float:
        """Seconds until it runs batches again, about; 0 when it does."""
        ...

    def serve(self, tell: Tell) -> None:
        """It is in service from now on; `tell` hears, from any thread, of its processes."""
        ...

    def new_run(self) -> Run:
        """A fresh run; cheap."""
        ...

    def close(self) -> None:
        """Frees sessions and buffers. No run is active."""
        ...
