"""What the trial found out about a model file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Sizes = Mapping[str, int]
"""A size for each free dimension, by the dimension's name; see `free_sizes`."""


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One input or output as the model file declares it.

    Attributes:
        name: Tensor name.
        kind: onnxruntime's description of the type, as "tensor(float)".
        dims: Sizes, -1 for a symbolic one; None when the file does not say.
        optional: An input that the file holds a default value for.
        symbols: Name of each dimension in the file; "" for one that has a size or no name.
    """

    name: str
    kind: str
    dims: tuple[int, ...] | None
    optional: bool = False
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Values:
    """Elements that a model was seen to take.

    Attributes:
        fill: What every element may be: 0 or 1.
        limits: By input: whole numbers below this may be any, and for inputs of other types
            any value may; an input that is not in here takes only `fill`.
        least: Whole numbers are not below this: 0, or 1 where zeros fail.
        words: Texts that occur in the file; others may be all the same to the model.
    """

    fill: int = 1
    limits: Mapping[str, int] = field(default_factory=dict)
    least: int = 0
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model file that passed.

    Attributes:
        inputs: Inputs in the file's order, those with default values last.
        outputs: Outputs in the file's order.
        memory_bytes: Growth of the child process when it held the model and ran a batch.
        rows_max: Rows of the largest batch whose rows were shown to be answered each by
            itself; 0 when that was not shown.
        sizes: Free dimensions that it ran with, the first run's first; empty when it was not
            run or no run succeeded.
        values: Elements that it ran with.
        notes: What its owner should know, one sentence each.
    """

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    memory_bytes: int
    rows_max: int = 0
    sizes: tuple[Sizes, ...] = ()
    values: Values = field(default_factory=Values)
    notes: tuple[str, ...] = ()

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
            rows_max=int(value["rows_max"]),
            sizes=tuple(dict(sizes) for sizes in value["sizes"]),
            values=_values(value["values"]),
            notes=tuple(value["notes"]),
        )


def _values(value: Mapping[str, Any]) -> Values:
    return Values(
        int(value["fill"]), dict(value["limits"]), int(value["least"]), tuple(value["words"])
    )


def _tensor(value: Mapping[str, Any]) -> TensorFacts:
    dims = value["dims"]
    return TensorFacts(
        name=value["name"],
        kind=value["kind"],
        dims=None if dims is None else tuple(dims),
        optional=value["optional"],
        symbols=tuple(value["symbols"]),
    )
