"""Inputs made up for warm-up, trial and measurement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np

from hasten_worker.engine.facts import Sizes, Values
from hasten_worker.engine.onnx.datatypes import ElementType
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.free_sizes import Frame
from hasten_worker.model import Array

GENERATED_BYTES_MAX: Final = 2**30
SMALLEST_LIMIT: Final = 2
"""Whole numbers below it are what masks, flags and nearly all tables take."""
SPARSE_SHARE: Final = 0.3
KINDS: Final = 9
"""Kinds of rows that `rows` has: numbers that are equal modulo it are of one kind."""

Doubles = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Generator:
    """Makes inputs of one row.

    Attributes:
        frames: The inputs.
        values: Elements that the model takes.
        batches: Arrays begin with the batch dimension.
        sample: A row that it is known to take.
    """

    frames: Sequence[Frame]
    values: Values
    batches: bool
    sample: Mapping[str, Array] | None = None

    def constant(self, sizes: Sizes) -> dict[str, Array]:
        """The sample, where its sizes are these; else every element is `values.fill`.

        Raises:
            ModelRefused: A tensor would be too large to try.
        """
        return {
            frame.plan.name: self._constant(frame, self._shape(frame, sizes))
            for frame in self.frames
        }

    def row(self, sizes: Sizes, number: int, *, scale: float = 1.0) -> dict[str, Array]:
        """Row `number`: always the same, unlike the others, and of one of `KINDS`.

        Among them are noise at several scales, zeros, ones, mostly zeros, and masks, since
        some models mix rows only when they see such.

        Args:
            sizes: Of the free dimensions.
            number: From 0.
            scale: Numbers that are not whole are this many times as large; NaN makes them
                NaN.

        Raises:
            ModelRefused: A tensor would be too large to try.
        """
        made: dict[str, Array] = {}
        for index, frame in enumerate(self.frames):
            rng = np.random.default_rng((number, index))
            shape = self._shape(frame, sizes)
            limit = self.values.limits.get(frame.plan.name)
            if limit is None:
                made[frame.plan.name] = self._constant(frame, shape)
            else:
                # Two inputs of one row are of different kinds.
                kind = (number + 2 * index) % KINDS
                made[frame.plan.name] = (
                    _text(shape, self.values.words, rng)
                    if frame.element.name == "BYTES"
                    else self._noise(frame, shape, kind, rng, scale)
                )
        return made

    def _constant(self, frame: Frame, shape: tuple[int, ...]) -> Array:
        given = (self.sample or {}).get(frame.plan.name)
        if given is not None and given.shape == shape:
            return given
        return filled(frame.element, shape, self.values.fill)

    def _noise(
        self,
        frame: Frame,
        shape: tuple[int, ...],
        kind: int,
        rng: np.random.Generator,
        scale: float,
    ) -> Array:
        dtype = frame.element.dtype
        if dtype.kind in "iub":
            limit = self.values.limits[frame.plan.name]
            top = min(limit, largest(frame.element))
            return np.maximum(_whole(shape, top, kind, rng), self.values.least).astype(dtype)
        with np.errstate(all="ignore"):
            return (_real(shape, kind, rng) * scale).astype(dtype)

    def _shape(self, frame: Frame, sizes: Sizes) -> tuple[int, ...]:
        shape = (*((1,) if self.batches else ()), *frame.shape(sizes))
        check_size(frame.plan.name, frame.element, shape)
        return shape


def filled(element: ElementType, shape: tuple[int, ...], fill: int) -> Array:
    """An array of which every element is `fill`."""
    if element.name == "BYTES":
        return np.full(shape, str(fill).encode(), dtype=np.object_)
    return np.full(shape, fill, dtype=element.dtype)


def largest(element: ElementType) -> int:
    """The largest whole number of an integer type; of a boolean, more than it can hold."""
    bits = 8 * element.dtype.itemsize
    return int(2 ** (bits - 1 if element.dtype.kind == "i" else bits)) - 1


def objects(elements: Sequence[bytes], shape: tuple[int, ...]) -> Array:
    """Elements of type BYTES as an array."""
    array = np.empty(len(elements), dtype=np.object_)
    array[:] = elements
    return array.reshape(shape)


def check_size(name: str, element: ElementType, shape: tuple[int, ...]) -> None:
    """Raises ModelRefused when a tensor of this shape is too large to make up."""
    if prod(shape) * element.dtype.itemsize > GENERATED_BYTES_MAX:
        raise ModelRefused(f"input {name!r}: one batch of {list(shape)} is too large to try")


def _text(shape: tuple[int, ...], words: Sequence[str], rng: np.random.Generator) -> Array:
    """Numbers, and words that the model knows."""
    known = [*(str(number) for number in range(len(words) or 100)), *words]
    return objects(
        [known[place].encode() for place in rng.integers(0, len(known), prod(shape))], shape
    )


def _whole(shape: tuple[int, ...], limit: int, kind: int, rng: np.random.Generator) -> Array:
    """Whole numbers below the limit: any, or as a mask has them."""
    match kind:
        case 3:
            return np.zeros(shape, np.int64)
        case 4:
            return np.ones(shape, np.int64)
        case 5 if shape and shape[-1] > 1:
            ones = int(rng.integers(1, shape[-1]))
            return np.broadcast_to(np.arange(shape[-1]) < ones, shape).astype(np.int64)
        case _:
            return rng.integers(0, limit, shape)


def _real(shape: tuple[int, ...], kind: int, rng: np.random.Generator) -> Doubles:
    normal = np.asarray(rng.standard_normal(shape))
    made: dict[int, Doubles] = {
        1: rng.random(shape),
        2: normal * 30,
        3: np.zeros(shape),
        4: np.ones(shape),
        5: normal * (rng.random(shape) < SPARSE_SHARE),
        6: normal * 0.01,
        7: -5 * rng.random(shape),
    }
    return np.asarray(made.get(kind, normal))
