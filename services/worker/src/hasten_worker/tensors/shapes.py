"""The shape of an input against the model's."""

from math import prod
from typing import Final

from hasten_policy.reasons import Reason
from hasten_worker.model import TensorSpec
from hasten_worker.tensors.refusals import refuse

ELEMENTS_MAX: Final = 2**40
"""Elements of one tensor, zero dimensions counted as one; far above any message limit."""
SIZES_SHOWN_MAX: Final = 16
"""Of a shape that is refused."""
KNOWN_SHAPES_MAX: Final = 256
"""Shapes remembered per input, so that a usual one costs one look-up."""


class ShapeRule:
    """Which shapes one input may have.

    Args:
        spec: The input.
        batch_max: Most rows of one request; 0 when the model does not batch.
    """

    def __init__(self, spec: TensorSpec, batch_max: int) -> None:
        self._name = spec.name
        self._dims = spec.shape
        self._batch_max = batch_max
        self._known: dict[tuple[int, ...], int] = {}
        varying = self._dims[1:] if batch_max else self._dims
        self.fixed = all(dim >= 0 for dim in varying)
        """All shapes it lets pass are equal but for the batch dimension."""

    def elements(self, shape: tuple[int, ...]) -> int:
        """Number of elements of a tensor of this shape.

        Raises:
            MeshError: SHAPE_MISMATCH or BATCH_TOO_LARGE.
        """
        count = self._known.get(shape)
        if count is None:
            count = self._checked(shape)
            if len(self._known) < KNOWN_SHAPES_MAX:
                self._known[shape] = count
        return count

    def _checked(self, shape: tuple[int, ...]) -> int:
        if len(shape) != len(self._dims):
            self._refuse(shape, f"{len(self._dims)} dimensions")
        for size, dim in zip(shape, self._dims, strict=True):
            if size < 0:
                self._refuse(shape, "no negative size")
            if dim >= 0 and size != dim:
                self._refuse(shape, "those sizes")
        if prod(size or 1 for size in shape) > ELEMENTS_MAX:
            self._refuse(shape, f"at most {ELEMENTS_MAX} elements")
        if self._batch_max:
            self._check_rows(shape)
        return prod(shape)

    def _check_rows(self, shape: tuple[int, ...]) -> None:
        if shape[0] < 1:
            self._refuse(shape, "at least one row")
        if shape[0] > self._batch_max:
            refuse(
                Reason.BATCH_TOO_LARGE,
                f"input {self._name}: {shape[0]} rows, expected at most {self._batch_max}",
                input=self._name,
                rows=shape[0],
                rows_max=self._batch_max,
            )

    def _refuse(self, shape: tuple[int, ...], expected: str) -> None:
        refuse(
            Reason.SHAPE_MISMATCH,
            f"input {self._name}: shape {_shown(shape)}, expected {list(self._dims)} "
            f"(-1 is any size): {expected}",
            input=self._name,
            expected=list(self._dims),
            got=_shown(shape),
        )


def _shown(shape: tuple[int, ...]) -> str:
    sizes = ", ".join(map(str, shape[:SIZES_SHOWN_MAX]))
    return f"[{sizes}]" if len(shape) <= SIZES_SHOWN_MAX else f"[{sizes}, …] of {len(shape)} sizes"
