"""Tensors between numpy and the bytes of the inference protocol.

Row-major and little-endian; BOOL is one byte; an element of BYTES is its length in four
bytes, then itself.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from hasten.inference.v2 import inference_pb2 as pb
from hasten_client.datatypes import BYTES, CONTENTS_OF, NAME_OF, NUMPY_OF, Array
from hasten_client.errors import InvalidArgument, InvalidResponse

_LENGTH: Final = struct.Struct("<I")
_ELEMENT_SIZE_BYTES_MAX: Final = 2**32 - 1

TensorLike = Array | Sequence[Any] | str | bytes | bool | int | float
"""What an input may be: an array, nested lists, or one value."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as it travels.

    Attributes:
        datatype: Name in the protocol.
        shape: Sizes, outermost first.
        raw: The elements.
    """

    datatype: str
    shape: tuple[int, ...]
    raw: bytes


def encode(name: str, value: TensorLike) -> Tensor:
    """Turns a value into a tensor.

    An array keeps its dtype. In lists, text becomes BYTES, bool BOOL, int INT64 and float
    FP32, which is what most models take; pass an array for any other datatype. A single
    text, number or truth value is a tensor of shape [1].

    Raises:
        InvalidArgument: No datatype of the protocol fits, or the lists are ragged.
    """
    array = value if isinstance(value, np.ndarray) else _array(name, value)
    if array.dtype.kind in "OSUT":
        return Tensor(BYTES, array.shape, _encode_text(name, array))
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    datatype = NAME_OF.get(array.dtype)
    if datatype is None:
        raise InvalidArgument(
            f"input {name!r}: dtype {array.dtype} has no counterpart in the inference protocol; "
            f"use one of {', '.join(sorted(NUMPY_OF))}, or text for BYTES"
        )
    return Tensor(datatype, array.shape, array.tobytes())


def decode(name: str, tensor: Tensor) -> Array:
    """Turns a tensor into a read-only array; BYTES into an object array of bytes.

    Raises:
        InvalidResponse: Datatype, shape and bytes do not agree.
    """
    if any(size < 0 for size in tensor.shape):
        raise InvalidResponse(f"output {name!r} has the impossible shape {list(tensor.shape)}")
    count = prod(tensor.shape)
    if tensor.datatype == BYTES:
        return _decode_text(name, tensor, count)
    dtype = NUMPY_OF.get(tensor.datatype)
    if dtype is None:
        raise InvalidResponse(f"output {name!r} has the unknown datatype {tensor.datatype!r}")
    if len(tensor.raw) != count * dtype.itemsize:
        raise InvalidResponse(
            f"output {name!r}: {tensor.datatype} of shape {list(tensor.shape)} needs "
            f"{count * dtype.itemsize} bytes, {len(tensor.raw)} came"
        )
    return np.frombuffer(tensor.raw, dtype=dtype).reshape(tensor.shape)


def decode_typed(output: pb.ModelInferResponse.InferOutputTensor) -> Array:
    """Turns an output whose elements travel in a typed field into a read-only array.

    Raises:
        InvalidResponse: Datatype, shape and elements do not agree.
    """
    field = CONTENTS_OF.get(output.datatype)
    if field is None:
        raise InvalidResponse(f"output {output.name!r}: {output.datatype} cannot travel typed")
    elements: Any = getattr(output.contents, field)
    if output.datatype == BYTES:
        array: Array = np.empty(len(elements), dtype=np.object_)
        array[:] = list(elements)
    else:
        array = np.array(elements, dtype=NUMPY_OF[output.datatype])
    try:
        array = array.reshape(tuple(output.shape))
    except ValueError:
        raise InvalidResponse(
            f"output {output.name!r}: shape {list(output.shape)} came with {array.size} elements"
        ) from None
    array.flags.writeable = False
    return array


def _array(name: str, value: TensorLike) -> Array:
    """An array of a value that is not one yet."""
    if not isinstance(value, list | tuple):
        value = [value]
    leaf = _first_leaf(value)
    if isinstance(leaf, str | bytes):
        return _text_array(name, value)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgument(
            f"input {name!r}: the list is ragged or mixed: all rows must have one length "
            f"and all elements one kind ({error})"
        ) from error
    if array.dtype.kind in "OSU":
        raise InvalidArgument(
            f"input {name!r}: the list mixes numbers with text or holds values "
            "that are neither; all elements must be of one kind"
        )
    if array.dtype == np.float64:
        return array.astype(np.float32)
    return array


def _first_leaf(value: object) -> object:
    while isinstance(value, list | tuple):
        if not value:
            return None
        value = value[0]
    return value


def _text_array(name: str, value: Sequence[Any]) -> Array:
    """Text lists element by element: numpy's own conversion would cut trailing zero bytes."""
    leaves: list[object] = []
    shape = _shape(name, value, leaves)
    array = np.empty(len(leaves), dtype=np.object_)
    array[:] = leaves
    return array.reshape(shape)


def _shape(name: str, value: Sequence[Any], leaves: list[object]) -> tuple[int, ...]:
    """Sizes of nested lists; appends their leaves in row-major order."""
    if not any(isinstance(item, list | tuple) for item in value):
        leaves.extend(value)
        return (len(value),)
    inner = {
        _shape(name, item, leaves) if isinstance(item, list | tuple) else None for item in value
    }
    (first, *others) = inner
    if others or first is None:
        raise InvalidArgument(f"input {name!r}: the list is ragged: all rows must have one length")
    return (len(value), *first)


def _encode_text(name: str, array: Array) -> bytes:
    parts: list[bytes] = []
    for item in array.ravel(order="C").tolist():
        if isinstance(item, str):
            element = item.encode()
        elif isinstance(item, bytes):
            element = item
        else:
            raise InvalidArgument(
                f"input {name!r}: BYTES takes str or bytes, not {type(item).__name__}"
            )
        if len(element) > _ELEMENT_SIZE_BYTES_MAX:
            raise InvalidArgument(f"input {name!r}: an element is longer than 4 GiB")
        parts.append(_LENGTH.pack(len(element)))
        parts.append(element)
    return b"".join(parts)


def _decode_text(name: str, tensor: Tensor, count: int) -> Array:
    elements = list(_elements(name, tensor.raw))
    if len(elements) != count:
        raise InvalidResponse(
            f"output {name!r}: BYTES of shape {list(tensor.shape)} needs {count} elements, "
            f"{len(elements)} came"
        )
    array = np.empty(count, dtype=np.object_)
    array[:] = elements
    array.flags.writeable = False
    return array.reshape(tensor.shape)


def _elements(name: str, raw: bytes) -> Iterable[bytes]:
    start = 0
    while start < len(raw):
        end = start + _LENGTH.size
        if end <= len(raw):
            end += _LENGTH.unpack_from(raw, start)[0]
        else:
            end = len(raw) + 1
        if end > len(raw):
            raise InvalidResponse(f"output {name!r}: an element of BYTES is cut short")
        yield raw[start + _LENGTH.size : end]
        start = end
