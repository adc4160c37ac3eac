"""What the intake found out about a model file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One input or output as the model file declares it.

    Attributes:
        name: Tensor name.
        kind: onnxruntime's description of the type, as "tensor(float)".
        dims: Sizes, -1 for a symbolic one; None when the file does not say.
        optional: An input that the file holds a default value for.
    """

    name: str
    kind: str
    dims: tuple[int, ...] | None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model file that passed.

    Attributes:
        inputs: Inputs in the file's order, those with default values last.
        outputs: Outputs in the file's order.
        memory_bytes: Growth of the child process when it held the model and ran a batch.
        fill: Element value of generated inputs that it ran with: 0 or 1.
    """

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    memory_bytes: int
    fill: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "ModelFacts":
        """The inverse of `to_json`, after a trip through JSON."""
        return ModelFacts(
            inputs=tuple(_tensor(item) for item in value["inputs"]),
            outputs=tuple(_tensor(item) for item in value["outputs"]),
            memory_bytes=int(value["memory_bytes"]),
            fill=int(value["fill"]),
        )


def _tensor(value: Mapping[str, Any]) -> TensorFacts:
    dims = value["dims"]
    return TensorFacts(
        name=value["name"],
        kind=value["kind"],
        dims=None if dims is None else tuple(dims),
        optional=value["optional"],
    )
