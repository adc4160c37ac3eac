"""What the head of an inference request asks for: the meaning of its parameters.

Router and worker read the same request, so they must read it alike; this is the one place
that knows the reserved parameters of the inference protocol and our own.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from hasten.inference.v2.inference_pb2 import InferParameter
from hasten_policy.priorities import LOWEST, NORMAL
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime import protocol_names
from hasten_runtime.errors import MeshError

TEXT_CHARS_MAX: Final = 128
"""Characters of a tenant or a sequence id."""

RESERVED_PREFIX: Final = "triton_"


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The parameters of one request, understood.

    Attributes:
        priority_class: 0 (most urgent) to 3.
        timeout_s: Longest stay that the `timeout` parameter grants; None when it is absent
            or 0, which both mean "no wish of its own".
        sequence_id: Requests with the same non-empty id belong together.
        want_timing: The caller asks to see where the time went.
        tenant: Who pays; "" for the default tenant.
        want_empty_final: On a stream, the caller wants an empty last response.
    """

    priority_class: int = NORMAL
    timeout_s: float | None = None
    sequence_id: str = ""
    want_timing: bool = False
    tenant: str = ""
    want_empty_final: bool = False


PLAIN_HEAD: Final = RequestHead()
"""Head of a request without parameters."""


def parse_parameters(parameters: Mapping[str, InferParameter]) -> RequestHead:
    """Reads the reserved parameters and ours; parameters nobody knows are left alone.

    Raises:
        MeshError: INVALID_PARAMETER for a wrong kind or value or an unknown reserved name,
            INVALID_DEADLINE for a negative timeout.
    """
    if not parameters:
        return PLAIN_HEAD
    wishes: dict[str, Any] = {}
    for name, parameter in parameters.items():
        reader = _READERS.get(name)
        if reader is not None:
            field, read = reader
            wishes[field] = read(name, parameter)
        elif name in _FLAGS_OF_NO_MEANING_HERE:
            _flag(name, parameter)
        elif name.startswith(RESERVED_PREFIX):
            _refuse(name, f"no name that begins with {RESERVED_PREFIX}: they are reserved")
    return RequestHead(**wishes)


def time_left_s(timeout_s: float | None, rpc_left_s: float | None) -> float:
    """Seconds until the caller's deadline: the smaller of the RPC's and the `timeout`.

    Args:
        timeout_s: The `timeout` parameter; None when it is absent.
        rpc_left_s: What is left of the RPC's own deadline; None when it has none.

    Returns:
        Seconds, not positive when the deadline has passed; math.inf when there is none.

    Raises:
        MeshError: INVALID_DEADLINE when the RPC's deadline is not a number.
    """
    left_s = math.inf if timeout_s is None else timeout_s
    if rpc_left_s is None:
        return left_s
    if math.isnan(rpc_left_s):
        raise MeshError(
            Refusal(Reason.INVALID_DEADLINE, "the deadline must be a number of seconds, not NaN")
        )
    return min(left_s, rpc_left_s)


def _priority_class(name: str, parameter: InferParameter) -> int:
    kind = parameter.WhichOneof("parameter_choice")
    if kind == "uint64_param":
        number = parameter.uint64_param
    elif kind == "int64_param" and parameter.int64_param >= 0:
        number = parameter.int64_param
    else:
        _refuse(name, "a whole number, 0 for normal or 1 (first) and up")
    if number == 0:
        return NORMAL
    return min(number - 1, LOWEST)


def _timeout_s(name: str, parameter: InferParameter) -> float | None:
    if parameter.WhichOneof("parameter_choice") != "int64_param":
        _refuse(name, "an int64 in microseconds")
    timeout_us = parameter.int64_param
    if timeout_us < 0:
        raise MeshError(
            Refusal(
                Reason.INVALID_DEADLINE,
                f"parameter {name} must be positive microseconds, or 0 for none: {timeout_us}",
                metadata=(("parameter", name),),
            )
        )
    return timeout_us / 1e6 if timeout_us else None


def _sequence_id(name: str, parameter: InferParameter) -> str:
    if parameter.WhichOneof("parameter_choice") == "int64_param":
        return str(parameter.int64_param) if parameter.int64_param else ""
    return _text(name, parameter, expected="an int64 or a string")


def _text(name: str, parameter: InferParameter, expected: str = "a string") -> str:
    if parameter.WhichOneof("parameter_choice") != "string_param":
        _refuse(name, expected)
    if len(parameter.string_param) > TEXT_CHARS_MAX:
        _refuse(name, f"at most {TEXT_CHARS_MAX} characters, not {len(parameter.string_param)}")
    return parameter.string_param


def _flag(name: str, parameter: InferParameter) -> bool:
    if parameter.WhichOneof("parameter_choice") != "bool_param":
        _refuse(name, "a bool")
    return parameter.bool_param


def _refuse(name: str, expected: str) -> NoReturn:
    raise MeshError(
        Refusal(
            Reason.INVALID_PARAMETER,
            f"parameter {short(name)}: expected {expected}",
            metadata=(("parameter", name),),
        )
    )


_READERS: Final[dict[str, tuple[str, Callable[[str, InferParameter], object]]]] = {
    protocol_names.PRIORITY: ("priority_class", _priority_class),
    protocol_names.TIMEOUT: ("timeout_s", _timeout_s),
    protocol_names.SEQUENCE_ID: ("sequence_id", _sequence_id),
    protocol_names.TENANT: ("tenant", _text),
    protocol_names.TIMING: ("want_timing", _flag),
    protocol_names.EMPTY_FINAL: ("want_empty_final", _flag),
}
# Workers keep no state between the members of a sequence, so where it starts and ends is
# checked for form only.
_FLAGS_OF_NO_MEANING_HERE: Final = frozenset({"sequence_start", "sequence_end"})
