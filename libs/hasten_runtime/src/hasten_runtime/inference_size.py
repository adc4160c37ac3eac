"""How much work a request brings, read from the shapes of its inputs without parsing them."""

from typing import Final

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten_runtime.fields import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT

_SHAPE: Final = ModelInferRequest.InferInputTensor.SHAPE_FIELD_NUMBER
_SHAPE_PACKED: Final = (_SHAPE << 3) | LENGTH_DELIMITED
_SHAPE_LOOSE: Final = (_SHAPE << 3) | VARINT

ELEMENTS_MAX: Final = 1 << 40
"""A tensor of more counts as one of so many; far above any message limit."""
DIMS_MAX: Final = 64
"""Dimensions of a tensor that are read; no model has so many."""
FIELDS_MAX: Final = 1024
"""Fields of a tensor that are read. What a stranger sends must not keep a service busy."""
UNKNOWN: Final = (1, 0)
"""Of a request whose shapes cannot be read; the worker says what is wrong with it."""


def size_of(message: bytes, inputs: list[tuple[int, int]]) -> tuple[int, int]:
    """(rows, elements) of a request: first dimension of its first input, elements of all.

    Args:
        message: A serialised ModelInferRequest.
        inputs: Where each of its input tensors begins and ends.
    """
    rows = elements = 0
    try:
        for at, stop in inputs:
            dims = _dims(message, at, stop)
            if not rows:
                rows = dims[0] if dims else 1
            count = 1
            for dim in dims:
                count = min(count * dim, ELEMENTS_MAX)
            elements += count
    except (IndexError, ValueError):
        return UNKNOWN
    return max(1, rows), elements


def _dims(message: bytes, at: int, stop: int) -> list[int]:
    """The shape of the tensor between `at` and `stop`. Raises ValueError where it has no end."""
    dims: list[int] = []
    for _ in range(FIELDS_MAX):
        if at >= stop:
            return dims
        key = message[at]
        at += 1
        if key == _SHAPE_PACKED:
            size, at = _varint(message, at)
            end = at + size
            while at < end and len(dims) <= DIMS_MAX:
                dim, at = _varint(message, at)
                dims.append(dim)
        elif key == _SHAPE_LOOSE:
            dim, at = _varint(message, at)
            dims.append(dim)
        elif key & 7 == LENGTH_DELIMITED and key < 0x80:
            size, at = _varint(message, at)
            at += size
        else:
            at = _skip(message, at - 1)
        if len(dims) > DIMS_MAX:
            break
    raise ValueError("more than any model has")


def _skip(message: bytes, at: int) -> int:
    """Where the field ends that begins at `at`. Raises ValueError for one of no known kind."""
    key, at = _varint(message, at)
    kind = key & 7
    if kind == VARINT:
        return _varint(message, at)[1]
    if kind == LENGTH_DELIMITED:
        size, at = _varint(message, at)
        return at + size
    if kind in {FIXED64, FIXED32}:
        return at + (8 if kind == FIXED64 else 4)
    raise ValueError("a group")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    byte = message[at]
    if byte < 0x80:
        return byte, at + 1
    value = byte & 0x7F
    for shift in range(7, 70, 7):
        at += 1
        byte = message[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            # A negative number has its highest bit set: no such dimension is served.
            return (min(ELEMENTS_MAX, value)), at + 1
    raise ValueError("a number of more than ten bytes")
