"""Models that keep the engine's contract and need no engine."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_policy.load import ModelSpec
from hasten_worker.model import Array, ModelError, Tell, TensorSpec
from hasten_worker.tensors.datatypes import BYTES, DATATYPES
from hasten_worker.tensors.strings import raw_from_elements


def model_spec(name: str = "echo", *, batch_max: int = 8, **changes: object) -> ModelSpec:
    facts: dict[str, object] = {
        "key": f"{name}/1",
        "name": name,
        "version": "1",
        "serves_unversioned": True,
        "batch_max": batch_max,
        "batch_sizes": (),
        "preferred_sizes": (),
        "queue_delay_max_s": 0.0,
        "instances": 1,
        "queue_max": 100,
        "default_timeout_s": 0.0,
        "run_s_max": 600.0,
        "profile": ((1, 1, 0.001), (batch_max, batch_max, 0.002)),
    }
    return ModelSpec(**(facts | changes))  # type: ignore[arg-type]  # facts of a test


class EchoRun:
    """Gives each member's inputs back; can be held, told to fail, and terminated."""

    def __init__(self, model: "EchoModel") -> None:
        self._model = model
        self._terminated = threading.Event()

    def execute(
        self, members: Sequence[Mapping[str, Array]], padded_rows: int
    ) -> list[dict[str, Array]]:
        model = self._model
        model.batches_run.append([dict(member) for member in members])
        model.padded.append(padded_rows)
        model.entered.set()
        while not model.open.wait(0.005):
            if self._terminated.is_set() and not model.ignores_terminate:
                raise ModelError("terminated", terminated=True)
        if model.fails_on is not None and any(model.fails_on(member) for member in members):
            raise ModelError("the model does not like this input")
        return [
            {spec.name: member[spec.name.replace("OUT", "IN")] for spec in model.outputs}
            for member in members
        ]

    def kill(self) -> bool:
        return False

    def terminate(self) -> None:
        self._terminated.set()


@dataclass
class EchoModel:
    """OUT<n> is IN<n>."""

    spec: ModelSpec = field(default_factory=model_spec)
    inputs: tuple[TensorSpec, ...] = (TensorSpec("IN0", "FP32", (-1, 4)),)
    outputs: tuple[TensorSpec, ...] = (TensorSpec("OUT0", "FP32", (-1, 4)),)
    batches: bool = True
    memory_bytes: int = 1000
    config: ModelConfig = field(default_factory=ModelConfig)
    fails_on: object = None
    ignores_terminate: bool = False
    closed: bool = False

    def __post_init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.batches_run: list[list[dict[str, Array]]] = []
        self.padded: list[int] = []

    @property
    def away_s(self) -> float:
        return 0.0

    def serve(self, tell: Tell) -> None:
        """There is nothing to tell."""

    def new_run(self) -> EchoRun:
        return EchoRun(self)

    def close(self) -> None:
        self.closed = True


def echo_of(datatype: str, shape: tuple[int, ...], *, batch_max: int = 0) -> EchoModel:
    """A model with one input and output of this datatype; batches when batch_max > 0."""
    return EchoModel(
        spec=model_spec(f"echo_{datatype.lower()}", batch_max=batch_max or 1),
        inputs=(TensorSpec("IN0", datatype, shape),),
        outputs=(TensorSpec("OUT0", datatype, shape),),
        batches=batch_max > 0,
    )


def raw_of(array: Array, datatype: str) -> bytes:
    if DATATYPES[datatype] is BYTES:
        return raw_from_elements(array.flat)
    return array.astype(DATATYPES[datatype].dtype).tobytes()


def request_of(
    arrays: Mapping[str, tuple[str, Array]], *, model: str = "echo", request_id: str = ""
) -> ModelInferRequest:
    """A raw request; arrays by input name with their datatype."""
    request = ModelInferRequest(model_name=model, id=request_id)
    for name, (datatype, array) in arrays.items():
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(raw_of(array, datatype))
    return request


def floats(rows: int = 1) -> ModelInferRequest:
    """A good request for EchoModel()."""
    values = np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)
    return request_of({"IN0": ("FP32", values)})
