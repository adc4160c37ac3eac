"""A tensor as clients see it and as the model sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hasten.inference.v2.model_config_pb2 import ModelConfig, ModelInput, ModelOutput
from hasten_worker.engine.onnx.datatypes import BY_CONFIG, ElementType
from hasten_worker.model import TensorSpec


@dataclass(frozen=True, slots=True)
class TensorPlan:
    """One input or output.

    Attributes:
        name: Tensor name.
        element: Type of its elements.
        outer: Sizes as clients see them, without the batch dimension; -1 for any.
        inner: Sizes as the model sees them, without the batch dimension.
        optional: An input that may be left out.
    """

    name: str
    element: ElementType
    outer: tuple[int, ...]
    inner: tuple[int, ...]
    optional: bool = False

    @property
    def fixed(self) -> bool:
        """All sizes are known."""
        return -1 not in self.outer

    def inner_sizes(self, outer: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes for the model of a tensor that has these for the client."""
        return outer if self.inner == self.outer else _carry(self.outer, outer, self.inner)

    def outer_sizes(self, inner: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes for the client of a tensor that has these for the model."""
        return inner if self.inner == self.outer else _carry(self.inner, inner, self.outer)


def _carry(
    source: tuple[int, ...], sizes: tuple[int, ...], target: tuple[int, ...]
) -> tuple[int, ...]:
    """Free sizes go over in order, as Triton defines it for `reshape`."""
    free = iter([actual for actual, size in zip(sizes, source, strict=True) if size == -1])
    return tuple(next(free) if size == -1 else size for size in target)


def tensor_plans(tensors: Sequence[ModelInput] | Sequence[ModelOutput]) -> tuple[TensorPlan, ...]:
    """Plans of the inputs or outputs of a completed configuration."""
    return tuple(
        TensorPlan(
            name=tensor.name,
            element=BY_CONFIG[tensor.data_type],
            outer=tuple(tensor.dims),
            inner=tuple(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims),
            optional=isinstance(tensor, ModelInput) and tensor.optional,
        )
        for tensor in tensors
    )


def tensor_specs(
    config: ModelConfig, labels: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as the shell sees them.

    Args:
        config: Completed.
        labels: Class names by output.
    """
    head = (-1,) if config.max_batch_size else ()

    def spec(plan: TensorPlan) -> TensorSpec:
        return TensorSpec(
            name=plan.name,
            datatype=plan.element.name,
            shape=(*head, *plan.outer),
            optional=plan.optional,
            labels=labels.get(plan.name, ()),
        )

    return (
        tuple(spec(plan) for plan in tensor_plans(config.input)),
        tuple(spec(plan) for plan in tensor_plans(config.output)),
    )
