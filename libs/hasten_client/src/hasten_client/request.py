"""Builds inference requests, and refuses what no server could accept before it is sent."""

import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hasten.inference.v2 import inference_pb2 as pb
from hasten_client.errors import InvalidArgument

if TYPE_CHECKING:
    from hasten_client.codec import TensorLike

ParameterValue = bool | int | float | str
"""What a request parameter may be."""

Metadata = Mapping[str, str | bytes] | Sequence[tuple[str, str | bytes]]
"""Extra gRPC metadata; the names of binary values end in "-bin"."""

PRIORITIES: Final = {"high": 1, "normal": 0, "low": 3, "batch": 4}
"""Named priorities as the protocol's levels: 1 is the highest, 0 the model's default."""

TENANT: Final = "tenant"
"""Request parameter that says who pays."""

TIMING: Final = "hasten_timing"
"""Request parameter that asks for the timing of this request."""

_RESERVED: Final = {
    "priority": "priority",
    TENANT: "tenant",
    TIMING: "timing",
    "timeout": "deadline_s",
}
_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)
_UINT64_MAX: Final = 2**64 - 1
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One inference request.

    Attributes:
        model: Model name.
        inputs: Value of each input by name; see `codec.encode` for what a value may be.
        version: Model version, an integer in text; "" for the server's choice.
        outputs: Names of the outputs wanted; None for all.
        priority: "high", "normal", "low" or "batch", or the protocol's level: 1 is the
            highest, 0 the model's default.
        tenant: Who pays; "" for the default tenant.
        request_id: Comes back with the answer; None for a fresh one.
        timing: Ask where the time went.
        parameters: Further request parameters.
    """

    model: str
    inputs: "Mapping[str, TensorLike]"
    version: str = ""
    outputs: Sequence[str] | None = None
    priority: str | int = "normal"
    tenant: str = ""
    request_id: str | None = None
    timing: bool = False
    parameters: Mapping[str, ParameterValue] | None = None


def message(request: InferRequest) -> pb.ModelInferRequest:
    """The request as it travels; inputs are raw.

    Raises:
        InvalidArgument: Something in it cannot be sent; names the field.
    """
    # numpy takes a quarter of a second to load, and most calls of operators need none of it.
    from hasten_client.codec import encode

    if not request.model:
        raise InvalidArgument("model: a name is needed")
    wire = pb.ModelInferRequest(
        model_name=request.model,
        model_version=request.version,
        id=uuid.uuid4().hex if request.request_id is None else request.request_id,
    )
    for name, value in request.inputs.items():
        tensor = encode(name, value)
        wire.inputs.add(name=name, datatype=tensor.datatype, shape=tensor.shape)
        wire.raw_input_contents.append(tensor.raw)
    for name in _output_names(request.outputs):
        wire.outputs.add(name=name)
    for key, value in (request.parameters or {}).items():
        if key in _RESERVED:
            raise InvalidArgument(f"parameter {key!r}: use the argument {_RESERVED[key]}= instead")
        _set(wire.parameters[key], key, value)
    level = priority_level(request.priority)
    if level:
        wire.parameters["priority"].int64_param = level
    if request.tenant:
        wire.parameters[TENANT].string_param = request.tenant
    if request.timing:
        wire.parameters[TIMING].bool_param = True
    return wire


def priority_level(priority: str | int) -> int:
    """The protocol's level of a named or numeric priority. Raises InvalidArgument."""
    if isinstance(priority, str):
        if priority not in PRIORITIES:
            raise InvalidArgument(
                f"priority: {priority!r} is not one of {', '.join(PRIORITIES)}, nor a level"
            )
        return PRIORITIES[priority]
    if isinstance(priority, bool) or not 0 <= priority <= _INT64_MAX:
        raise InvalidArgument(
            f"priority: a level is 0 (the model's default) or more, 1 the highest; got {priority}"
        )
    return priority


def check_deadline(deadline_s: float | None) -> float | None:
    """The deadline unchanged. Raises InvalidArgument unless it is None or positive, finite."""
    if deadline_s is None or (math.isfinite(deadline_s) and deadline_s > 0):
        return deadline_s
    raise InvalidArgument(
        f"deadline_s: needs a positive, finite number of seconds, got {deadline_s}; "
        "leave it out for no deadline",
        reason="INVALID_DEADLINE",
    )


def call_metadata(
    metadata: Metadata | None, traceparent: str | None
) -> tuple[tuple[str, str | bytes], ...]:
    """Extra metadata of a call, for gRPC. Raises InvalidArgument for a malformed trace context."""
    pairs: Iterable[tuple[str, str | bytes]] = (
        metadata.items() if isinstance(metadata, Mapping) else metadata or ()
    )
    if traceparent is None:
        return tuple(pairs)
    if not _TRACEPARENT.fullmatch(traceparent):
        raise InvalidArgument(
            f"traceparent: {traceparent!r} is not a W3C trace context "
            "(version-traceid-parentid-flags in lower-case hexadecimal)"
        )
    return (*pairs, ("traceparent", traceparent))


def _output_names(outputs: Sequence[str] | None) -> Sequence[str]:
    if isinstance(outputs, str):
        raise InvalidArgument(f"outputs: needs a list of names, got the text {outputs!r}")
    return outputs or ()


def _set(parameter: pb.InferParameter, key: str, value: ParameterValue) -> None:
    match value:
        case bool():
            parameter.bool_param = value
        case int() if _INT64_MIN <= value <= _INT64_MAX:
            parameter.int64_param = value
        case int() if 0 <= value <= _UINT64_MAX:
            parameter.uint64_param = value
        case float():
            parameter.double_param = value
        case str():
            parameter.string_param = value
        case _:
            raise InvalidArgument(
                f"parameter {key!r}: needs bool, int of 64 bits, float or str, got {value!r}"
            )
