"""How the calls of a batch are put into the model's tensors, and its answers taken apart."""

from collections.abc import Mapping, Sequence

import numpy as np

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.onnx.tensor_plan import TensorPlan, tensor_plans
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.model import Array, ModelError

Member = Mapping[str, Array]
Given = tuple[tuple[str, tuple[int, ...]], ...]
"""Names of the inputs that are given, and their sizes without the batch dimension."""
_STATIC: Given = ()


class RowsLostError(ModelError):
    """An output has not one row for each row of the batch."""


class Packing:
    """Of one model, whatever runs it.

    Args:
        config: Completed.

    Attributes:
        inputs: As the model sees them, and as clients do.
        outputs: Likewise, in order.
        batch_max: Rows of the largest batch; 0 when the model has none.
        text: Some tensor is of text, which has no fixed size.

    Raises:
        ModelRefused: The model mixes types that cannot travel together.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.inputs = tensor_plans(config.input)
        self.outputs = tensor_plans(config.output)
        self.batch_max = config.max_batch_size
        self.by_name = {tensor.name: tensor for tensor in self.inputs}
        self._cut = 1 if self.batch_max else 0
        self._static = all(tensor.fixed and not tensor.optional for tensor in self.inputs)
        types = {tensor.element.name for tensor in (*self.inputs, *self.outputs)}
        self.text = "BYTES" in types
        if self.text and "BF16" in types:
            raise ModelRefused("the model has BYTES and BF16 tensors, which do not run together")

    def check(self, members: Sequence[Member]) -> None:
        """Raises ModelError when so many calls cannot run together."""
        if not self.batch_max and len(members) != 1:
            raise ModelError(f"{len(members)} calls in one batch of a model that has none")

    def key(self, member: Member) -> Given:
        """What tells the member's sizes from others; the same for all where they are fixed."""
        return _STATIC if self._static else self.given(member)

    def given(self, member: Member) -> Given:
        """The member's inputs, in the model's order."""
        return tuple(
            (tensor.name, member[tensor.name].shape[self._cut :])
            for tensor in self.inputs
            if tensor.name in member
        )

    def rows_max(self, padded_rows: int) -> int | None:
        """Rows to make room for; None when the model does not batch."""
        return max(self.batch_max, padded_rows) if self.batch_max else None

    def bindable(self, seen: Sequence[Mapping[str, Array]]) -> list[bool]:
        """Outputs that had their declared sizes in all these runs, as clients saw them."""
        return [
            tensor.fixed
            and all(run[tensor.name].shape[self._cut :] == tensor.outer for run in seen)
            for tensor in self.outputs
        ]

    def fill(
        self, buffers: Sequence[tuple[str, Array]], members: Sequence[Member], padded_rows: int
    ) -> list[int]:
        """Puts the members one behind the other; returns the rows of each."""
        if not self.batch_max:
            for name, buffer in buffers:
                np.copyto(buffer, members[0][name], casting="no")
            return [1]
        sizes: list[int] = []
        for name, buffer in buffers:
            arrays = [member[name] for member in members]
            if not sizes:
                sizes = [len(array) for array in arrays]
                rows = sum(sizes)
            np.concatenate(arrays, out=buffer[:rows], casting="no")
            # Padding repeats the last row: a real row is inside of what the model can take,
            # where zeros might divide by zero.
            buffer[rows:padded_rows] = buffer[rows - 1]
        return sizes

    def merged(
        self, members: Sequence[Member], padded_rows: int
    ) -> tuple[dict[str, Array], list[int]]:
        """As `fill`, into new arrays: text has no fixed size to make room for."""
        feeds: dict[str, Array] = {}
        sizes = [1]
        for name, first in members[0].items():
            array = first
            if self.batch_max:
                arrays = [member[name] for member in members]
                sizes = [len(part) for part in arrays]
                short = padded_rows - sum(sizes)
                if short > 0:
                    arrays.append(np.repeat(arrays[-1][-1:], short, axis=0))
                array = np.concatenate(arrays)
            feeds[name] = array
        return feeds, sizes

    def inner(self, plan: TensorPlan, array: Array) -> Array:
        """A tensor in the shape that it has for the model."""
        head, tail = array.shape[: self._cut], array.shape[self._cut :]
        return array.reshape((*head, *plan.inner_sizes(tail)))

    def scatter(
        self, outputs: Sequence[Array], sizes: Sequence[int], padded_rows: int
    ) -> list[dict[str, Array]]:
        """Each member's share of the outputs, which are in the model's shape; copies."""
        results: list[dict[str, Array]] = [{} for _ in sizes]
        for plan, inner in zip(self.outputs, outputs, strict=True):
            if not self.batch_max:
                results[0][plan.name] = inner.reshape(plan.outer_sizes(inner.shape)).copy()
                continue
            if inner.ndim == 0 or inner.shape[0] != padded_rows:
                raise RowsLostError(_unbatched(plan, inner, padded_rows))
            array = inner.reshape((padded_rows, *plan.outer_sizes(inner.shape[1:])))
            start = 0
            for result, rows in zip(results, sizes, strict=True):
                result[plan.name] = array[start : start + rows].copy()
                start += rows
        return results


def _unbatched(plan: TensorPlan, array: Array, rows: int) -> str:
    found = f"first dimension {array.shape[0]}" if array.ndim else "no dimensions"
    return (
        f"output {plan.name!r} has {found} for a batch of {rows} rows: the model does not keep "
        "the rows of a batch apart; set max_batch_size: 0"
    )
