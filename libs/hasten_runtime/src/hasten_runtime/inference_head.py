"""Reads the head of a serialised inference request without parsing its tensors.

A request is mostly tensor bytes that a service in front of workers only passes on. Walking over
the top-level fields costs a few hundred nanoseconds each, whatever their size; parsing would copy
them all.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from hasten.inference.v2.inference_pb2 import InferParameter, ModelInferRequest
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime.errors import MeshError
from hasten_runtime.fields import (
    FIXED32,
    FIXED64,
    GROUP_END,
    GROUP_START,
    LENGTH_DELIMITED,
    VARINT,
)
from hasten_runtime.inference_size import size_of
from hasten_runtime.message_limit import too_large
from hasten_runtime.request_bounds import DEFAULT_BOUNDS, RequestBounds
from hasten_runtime.request_head import RequestHead, parse_parameters

# Keys of the fields read here: number and wire type.
_MODEL_NAME: Final = (ModelInferRequest.MODEL_NAME_FIELD_NUMBER << 3) | LENGTH_DELIMITED
_MODEL_VERSION: Final = (ModelInferRequest.MODEL_VERSION_FIELD_NUMBER << 3) | LENGTH_DELIMITED
_ID: Final = (ModelInferRequest.ID_FIELD_NUMBER << 3) | LENGTH_DELIMITED
_PARAMETERS: Final = (ModelInferRequest.PARAMETERS_FIELD_NUMBER << 3) | LENGTH_DELIMITED
_INPUTS: Final = (ModelInferRequest.INPUTS_FIELD_NUMBER << 3) | LENGTH_DELIMITED

GROUP_DEPTH_MAX: Final = 32
"""Unknown groups nested deeper than this are refused; no sender of ours makes even one."""
VARINT_BYTES_MAX: Final = 10
KEY_MAX: Final = (1 << 32) - 1

NO_PARAMETERS: Final[Mapping[str, InferParameter]] = {}


class Head(NamedTuple):
    """What is read of a request in front of the workers.

    Attributes:
        model_name: As sent; never empty.
        model_version: "" for the server's choice.
        request_id: To be echoed in stream errors.
        parameters: Of the request (not of its tensors).
        rows: First dimension of the first input.
        elements: Of all inputs together, by their shapes; 0 when these cannot be read.
    """

    model_name: str
    model_version: str
    request_id: str
    parameters: Mapping[str, InferParameter]
    rows: int = 1
    elements: int = 0


def read_head(message: bytes, bounds: RequestBounds = DEFAULT_BOUNDS) -> Head:  # noqa: C901, PLR0912  (one loop: a call a field doubles its cost)
    """Reads model, version, id, parameters and size of a serialised ModelInferRequest.

    Fields are taken as a protobuf parser takes them; of the tensors only the shapes are looked at.

    Raises:
        MeshError: INVALID_REQUEST when the bytes are no protobuf message, a name is not
            UTF-8, the model name is missing, or a bound is exceeded: reading ends there.
    """
    name = version = request_id = b""
    entries: list[bytes] = []
    inputs: list[tuple[int, int]] = []
    at = 0
    end = len(message)
    try:
        for _ in range(bounds.fields_max):
            if at >= end:
                break
            start = at
            key = message[at]
            at += 1
            if key > 0x7F:
                key, at = _varint(message, start)
            if key & 7 != LENGTH_DELIMITED:
                at = _skip(message, at, key, 0)
                continue
            size = message[at]
            at += 1
            if size > 0x7F:
                size, at = _varint(message, at - 1)
            stop = at + size
            if key == _INPUTS:
                inputs.append((at, stop))
            elif key == _MODEL_NAME:
                name = message[at:stop]
            elif key == _MODEL_VERSION:
                version = message[at:stop]
            elif key == _ID:
                request_id = message[at:stop]
            elif key == _PARAMETERS:
                entries.append(message[start:stop])
            elif not 8 <= key <= KEY_MAX:
                raise _malformed(f"field key {key} at byte {start} is out of range")
            at = stop
    except IndexError:
        raise _malformed("it ends in the middle of a field") from None
    if at != end:
        if at < end:
            bounds.refuse("a request with more fields than may be", "fields")
        raise _malformed("its last field is longer than the message")
    if not name:
        raise _refused("model_name", "must not be empty")
    bounds.check_counts(inputs=len(inputs), parameters=len(entries))
    return Head(
        _text("model_name", name, bounds),
        _text("model_version", version, bounds) if version else "",
        _text("id", request_id, bounds) if request_id else "",
        _parameters(entries) if entries else NO_PARAMETERS,
        *size_of(message, inputs, bounds),
    )


def read_request(
    message: bytes, *, bytes_max: int, variable: str, bounds: RequestBounds = DEFAULT_BOUNDS
) -> tuple[Head, RequestHead]:
    """Head of a request, and what its parameters wish for.

    Args:
        message: A serialised ModelInferRequest.
        bytes_max: Its longest.
        variable: The environment's variable that sets the longest.
        bounds: Of what it may say.

    Raises:
        MeshError: It is too large, or not a request that can be understood.
    """
    if len(message) > bytes_max:
        raise MeshError(too_large("a request", len(message), bytes_max, variable))
    head = read_head(message, bounds)
    version = head.model_version
    if version and not (version.isascii() and version.isdigit()):
        raise _refused("model_version", f"must be a whole number or empty, not {short(version)!r}")
    return head, parse_parameters(head.parameters)


def fields_of(message: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and end of the value of each length-delimited field, in order.

    Args:
        message: One that `read_head` has read.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == LENGTH_DELIMITED:
            size, at = _varint(message, at)
            yield key >> 3, at, at + size
            at += size
        else:
            at = _skip(message, at, key, 0)


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The varint that begins at `at`, and where the next byte is."""
    value = 0
    for index in range(VARINT_BYTES_MAX):
        byte = message[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise _malformed(f"the number at byte {at} is longer than {VARINT_BYTES_MAX} bytes")


def _skip(message: bytes, at: int, key: int, depth: int) -> int:
    """Where the value ends that begins at `at`; for any wire type but a stray group end."""
    if not 8 <= key <= KEY_MAX:
        raise _malformed(f"field key {key} before byte {at} is out of range")
    wire_type = key & 7
    if wire_type == VARINT:
        return _varint(message, at)[1]
    if wire_type == FIXED64:
        return at + 8
    if wire_type == FIXED32:
        return at + 4
    if wire_type == LENGTH_DELIMITED:
        size, at = _varint(message, at)
        return at + size
    if wire_type != GROUP_START or depth == GROUP_DEPTH_MAX:
        raise _malformed(f"unexpected wire type {wire_type} before byte {at}")
    while True:
        inner, at = _varint(message, at)
        if inner == key - GROUP_START + GROUP_END:
            return at
        at = _skip(message, at, inner, depth + 1)


def _parameters(entries: list[bytes]) -> Mapping[str, InferParameter]:
    try:
        return ModelInferRequest.FromString(b"".join(entries)).parameters
    except Exception as error:  # noqa: BLE001  (protobuf back ends raise different classes)
        raise _malformed(f"parameters cannot be read ({type(error).__name__})") from None


def _text(field: str, value: bytes, bounds: RequestBounds) -> str:
    if len(value) > bounds.name_bytes_max:
        bounds.refuse(f"{field} of {len(value)} bytes", "name_bytes", field=field)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _refused(field, "must be UTF-8") from None


def _refused(field: str, expectation: str) -> MeshError:
    return MeshError(
        Refusal(Reason.INVALID_REQUEST, f"{field} {expectation}", metadata=(("field", field),))
    )


def _malformed(fault: str) -> MeshError:
    return MeshError(
        Refusal(Reason.INVALID_REQUEST, f"the request is no ModelInferRequest: {fault}")
    )
