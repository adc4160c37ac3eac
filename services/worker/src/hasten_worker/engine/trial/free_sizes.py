"""The free dimensions of a model's inputs: which are one, and shapes with sizes for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.facts import Sizes, TensorFacts
from hasten_worker.engine.onnx.datatypes import ElementType
from hasten_worker.engine.onnx.tensor_plan import TensorPlan, tensor_plans

UNKNOWN_SIZE = 1
"""Of a free dimension that no size is given for."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An input whose free dimensions have names.

    Attributes:
        plan: The input.
        dims: Its inner dims without the batch dimension: a size, or the name of a free one.
            Dimensions that the file gives one name are one: they always have equal sizes.
    """

    plan: TensorPlan
    dims: tuple[int | str, ...]

    @property
    def element(self) -> ElementType:
        """Type of its elements."""
        return self.plan.element

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """As clients see it, without the batch dimension."""
        inner = tuple(
            size if isinstance(size, int) else sizes.get(size, UNKNOWN_SIZE) for size in self.dims
        )
        return self.plan.outer_sizes(inner)

    def sizes_of(self, shape: tuple[int, ...]) -> Sizes:
        """The sizes that `shape` has the input with; its inverse."""
        inner = self.plan.inner_sizes(shape)
        return {
            name: size for name, size in zip(self.dims, inner, strict=True) if isinstance(name, str)
        }


def frames(config: ModelConfig, inputs: Sequence[TensorFacts]) -> tuple[Frame, ...]:
    """The inputs that every request brings.

    Args:
        config: Completed.
        inputs: As the file declares them.
    """
    known = {tensor.name: tensor for tensor in inputs}
    cut = 1 if config.max_batch_size else 0
    return tuple(
        Frame(plan, tuple(_named(plan, known[plan.name].symbols[cut:])))
        for plan in tensor_plans(config.input)
        if not plan.optional
    )


def free_names(of: Sequence[Frame]) -> tuple[str, ...]:
    """Names of the free dimensions, each once, in order."""
    names = (size for frame in of for size in frame.dims if isinstance(size, str))
    return tuple(dict.fromkeys(names))


def elements(of: Sequence[Frame], sizes: Sizes) -> int:
    """Elements of one row of all inputs together."""
    return sum(prod(frame.shape(sizes)) for frame in of)


def _named(plan: TensorPlan, symbols: Sequence[str]) -> Iterator[int | str]:
    for position, size in enumerate(plan.inner):
        if size != -1:
            yield size
        elif position < len(symbols) and any(map(str.isalpha, symbols[position])):
            yield symbols[position]
        else:
            # Without a name, or with one as "?", it is like no other.
            yield f"{plan.name}[{position - len(plan.inner)}]"
