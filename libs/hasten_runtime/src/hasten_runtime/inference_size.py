"""How much work a request brings, read from the shapes of its inputs without parsing them."""

from typing import Final

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten_runtime.fields import FIXED32, FIXED64, LENGTH_DELIMITED, VARINT
from hasten_runtime.request_bounds import DEFAULT_BOUNDS, RequestBounds

_NAME: Final = (ModelInferRequest.InferInputTensor.NAME_FIELD_NUMBER << 3) | LENGTH_DELIMITED
_DATATYPE: Final = (
    ModelInferRequest.InferInputTensor.DATATYPE_FIELD_NUMBER << 3
) | LENGTH_DELIMITED
_TEXTS: Final = frozenset({_NAME, _DATATYPE})
_SHAPE: Final = ModelInferRequest.InferInputTensor.SHAPE_FIELD_NUMBER
_SHAPE_PACKED: Final = (_SHAPE << 3) | LENGTH_DELIMITED
_SHAPE_LOOSE: Final = (_SHAPE << 3) | VARINT

ELEMENTS_MAX: Final = 1 << 40
"""A tensor of more counts as one of so many; far above any message limit."""
UNKNOWN: Final = (1, 0)
"""Of a request whose shapes cannot be read; the worker says what is wrong with it."""


def size_of(
    message: bytes, inputs: list[tuple[int, int]], bounds: RequestBounds = DEFAULT_BOUNDS
) -> tuple[int, int]:
    """(rows, elements) of a request: first dimension of its first input, elements of all.

    Args:
        message: A serialised ModelInferRequest.
        inputs: Where each of its input tensors begins and ends.
        bounds: Of fields and dimensions, for all inputs together, and of one input's dimensions.

    Raises:
        MeshError: A bound is exceeded.
    """
    rows = elements = 0
    left = bounds.fields_max
    try:
        for at, stop in inputs:
            dims, left = _dims(message, at, stop, left, bounds)
            if not rows:
                rows = dims[0] if dims else 1
            count = 1
            for dim in dims:
                count = min(count * dim, ELEMENTS_MAX)
            elements += count
    except (IndexError, ValueError):
        return UNKNOWN
    return max(1, rows), elements


def _dims(
    message: bytes, at: int, stop: int, left: int, bounds: RequestBounds
) -> tuple[list[int], int]:
    """The shape of the tensor between `at` and `stop`, and how much more may be looked at.

    Args:
        message: The request.
        at: Where the tensor begins.
        stop: Where it ends.
        left: Fields and dimensions that may be looked at.
        bounds: Of the request.
    """
    dims: list[int] = []
    while at < stop:
        left -= 1
        key = message[at]
        at += 1
        if key == _SHAPE_PACKED:
            size, at = _varint(message, at)
            end = at + size
            while at < end and len(dims) <= bounds.rank_max:
                dim, at = _varint(message, at)
                dims.append(dim)
                left -= 1
        elif key == _SHAPE_LOOSE:
            dim, at = _varint(message, at)
            dims.append(dim)
        elif key in _TEXTS:
            size, at = _varint(message, at)
            at += size
            if size > bounds.name_bytes_max:
                what = "name" if key == _NAME else "datatype"
                bounds.refuse(f"an input's {what} of {size} bytes", "name_bytes")
        elif key & 7 == LENGTH_DELIMITED and key < 0x80:
            size, at = _varint(message, at)
            at += size
        else:
            at = _skip(message, at - 1)
        if len(dims) > bounds.rank_max:
            bounds.refuse("an input with more dimensions than may be", "rank")
        if left < 0:
            bounds.refuse("a request with more fields than may be", "fields")
    return dims, left


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
