"""Tensors between arrays, JSON and the bytes of the inference protocol."""

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from hasten.inference.v2.inference_pb2 import ModelInferRequest, ModelInferResponse
from hasten.scheduler.v1.batch_service_pb2 import BatchInput
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError

Array: TypeAlias = npt.NDArray[Any]
"""Of any kind of elements; texts as objects."""
Hints: TypeAlias = Mapping[str, BatchInput]
"""What the model takes, by input, as far as the batch says it."""

BYTES: Final = "BYTES"
BF16: Final = "BF16"
_DTYPES: Final[dict[str, Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_NAMES: Final = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH: Final = struct.Struct("<I")
_TYPED: Final = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def refuse(message: str) -> MeshError:
    """What is wrong with a line."""
    return MeshError(Refusal(Reason.INVALID_REQUEST, message))


def array_of(name: str, value: object, datatype: str) -> Array:
    """An array of JSON, nested or flat. Raises MeshError where it does not fit the datatype."""
    try:
        if datatype == BYTES:
            return _texts(value)
        array = np.asarray(value)
        if array.dtype.kind not in "biufU":
            raise TypeError("they are not numbers")  # noqa: TRY301  (told as all others)
        if datatype == BF16:
            return np.asarray(value, dtype="<f4")
        dtype = _dtype(datatype)
        if dtype.kind in "biu" and array.dtype.kind not in "biu":
            raise TypeError("they are not whole numbers")  # noqa: TRY301  (told as all others)
        # "NaN" and "Infinity" are texts in JSON.
        return np.asarray(value, dtype=dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise refuse(f"input {name!r} takes {datatype}, and its data do not fit: {error}") from None


def _dtype(datatype: str) -> "np.dtype[Any]":
    try:
        dtype: np.dtype[Any] = _DTYPES[datatype]
    except KeyError:
        known = ", ".join((*_DTYPES, BF16, BYTES))
        raise TypeError(f"there is no such datatype; there are {known}") from None
    return dtype


def _texts(value: object) -> Array:
    array = np.array(value, dtype=np.object_)
    if not all(isinstance(leaf, str) for leaf in array.ravel().tolist()):
        raise TypeError("they are not texts")
    return array


def shaped(name: str, array: Array, shape: Sequence[int]) -> Array:
    """The array in the shape that its line says. Raises MeshError."""
    if len(array.shape) != 1 and list(array.shape) != list(shape):
        raise refuse(f"input {name!r} has shape {list(shape)}, and its data {list(array.shape)}")
    if any(size < 0 for size in shape) or prod(shape) != array.size:
        raise refuse(f"input {name!r} has shape {list(shape)}, and {array.size} elements")
    return array.reshape(tuple(shape))


def with_rows(array: Array, hint: BatchInput | None) -> Array:
    """The array, with a first dimension of one where it lacks that."""
    if hint is not None and hint.shape and array.ndim == len(hint.shape) - 1:
        return array[np.newaxis]
    return array


def add_input(request: ModelInferRequest, name: str, array: Array, datatype: str) -> None:
    """Puts a tensor into a request; datatype "" is that of the array. Raises MeshError."""
    kind = datatype or (BYTES if array.dtype.kind in "OSU" else _NAMES.get(array.dtype, ""))
    if kind == BYTES:
        raw = _raw_texts(name, array)
    elif kind == BF16:
        raw = _bf16(array)
    elif kind in _DTYPES:
        dtype = _DTYPES[kind]
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise refuse(f"input {name!r} takes {kind}, and {array.dtype} does not fit")
        cast = array.astype(dtype, copy=False)
        if dtype.kind in "iu" and not np.array_equal(cast, array):
            raise refuse(f"input {name!r} takes {kind}, and its numbers are too large")
        raw = cast.tobytes()
    else:
        raise refuse(f"input {name!r}: {kind or array.dtype} is no datatype of the protocol")
    request.inputs.add(name=name, datatype=kind, shape=array.shape)
    request.raw_input_contents.append(raw)


def _raw_texts(name: str, array: Array) -> bytes:
    parts: list[bytes] = []
    for leaf in array.ravel().tolist():
        if not isinstance(leaf, str | bytes):
            raise refuse(f"input {name!r} takes texts")
        text = leaf.encode() if isinstance(leaf, str) else leaf
        parts += (_LENGTH.pack(len(text)), text)
    return b"".join(parts)


def _bf16(array: Array) -> bytes:
    """The upper halves of 32-bit floats, rounded to even."""
    bits = array.astype("<f4").view("<u4")
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    halves: bytes = (rounded >> 16).astype("<u2").tobytes()
    return halves


def outputs_of(response: ModelInferResponse) -> list[dict[str, Any]]:
    """Outputs as the protocol writes them in JSON: shape, datatype and flat data."""
    raws = iter(response.raw_output_contents)
    return [
        {
            "name": output.name,
            "datatype": output.datatype,
            "shape": list(output.shape),
            "data": _listed(output, raws),
        }
        for output in response.outputs
    ]


def _listed(output: "ModelInferResponse.InferOutputTensor", raws: Any) -> list[Any]:  # noqa: ANN401  (an iterator of protobuf's)
    if output.HasField("contents"):
        data: list[Any] = list(getattr(output.contents, _TYPED[output.datatype]))
        return [_text(leaf) for leaf in data] if output.datatype == BYTES else _finite(data)
    raw: bytes = next(raws)
    if output.datatype == BYTES:
        return [_text(leaf) for leaf in _split(raw)]
    if output.datatype == BF16:
        wide = np.frombuffer(raw, "<u2").astype("<u4") << 16
        return _finite(wide.view("<f4").tolist())
    return _finite(np.frombuffer(raw, _DTYPES[output.datatype]).tolist())


def _finite(data: list[Any]) -> list[Any]:
    """JSON has no NaN and no infinity: they are texts, as protobuf's JSON has them."""
    if all(leaf - leaf == 0 for leaf in data):
        return data
    return [leaf if leaf - leaf == 0 else _NOT_FINITE.get(leaf, "NaN") for leaf in data]


_NOT_FINITE: Final = {float("inf"): "Infinity", float("-inf"): "-Infinity"}


def _split(raw: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while at < len(raw):
        (size,) = _LENGTH.unpack_from(raw, at)
        found.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def _text(leaf: bytes) -> str:
    return leaf.decode(errors="replace")
