"""Reads JSON that strangers wrote: each fault is told with the field that has it."""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from hasten.inference.v2.inference_pb2 import InferParameter
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime.errors import MeshError

INT64_MAX: Final = 2**63 - 1
UINT64_MAX: Final = 2**64 - 1
INT64_MIN: Final = -(2**63)

NESTED_MAX: Final = 65_536
"""Lists and objects of a document: they cost the most time and memory for their bytes."""

Document = dict[str, Any]
"""A JSON object."""


def document(text: bytes) -> Document:
    """The JSON object in `text`; an empty one where there is nothing.

    Raises:
        MeshError: It is no JSON, or no object.
    """
    if not text.strip():
        return {}
    nested = text.count(b"[") + text.count(b"{")
    if nested > NESTED_MAX:
        sentence = f"must have at most {NESTED_MAX} lists and objects, not {nested}: send data flat"
        raise invalid("body", sentence)
    try:
        found = json.loads(text.decode())
    except UnicodeDecodeError as error:
        raise invalid("body", f"must be JSON in UTF-8: byte {error.start} is not") from None
    except RecursionError:
        raise invalid("body", "must be JSON: it is nested too deep") from None
    except ValueError as error:  # Not JSON; or a number of thousands of digits.
        raise invalid("body", f"must be JSON: {short(str(error))}") from None
    return an_object("body", found)


def an_object(field: str, value: object) -> Document:
    """The value, a JSON object. Raises MeshError."""
    if isinstance(value, dict):
        return value
    raise invalid(field, f"must be a JSON object, not {_kind(value)}")


def objects(field: str, value: object) -> list[Document]:
    """The value, a list of JSON objects; null is an empty one. Raises MeshError."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(field, f"must be a list, not {_kind(value)}")
    return [an_object(f"{field}[{index}]", each) for index, each in enumerate(value)]


def text(field: str, value: object) -> str:
    """The value, a string that UTF-8 can carry. Raises MeshError."""
    if not isinstance(value, str):
        raise invalid(field, f"must be a string, not {_kind(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(field, "must be text without half of a surrogate pair") from None
    return value


def flag(field: str, value: object) -> bool:
    """The value, true or false. Raises MeshError."""
    if isinstance(value, bool):
        return value
    raise invalid(field, f"must be true or false, not {_kind(value)}")


def count(field: str, value: object, most: int = INT64_MAX) -> int:
    """The value, a whole number of 0 and up. Raises MeshError."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise invalid(field, f"must be a whole number from 0 to {most}, not {_shown(value)}")


def dims(field: str, value: object) -> list[int]:
    """The value, a list of whole numbers. Raises MeshError."""
    if not isinstance(value, list) or not all(
        type(dim) is int and INT64_MIN <= dim <= INT64_MAX for dim in value
    ):
        raise invalid(field, f"must be a list of whole numbers, not {_shown(value)}")
    return value


def fill_parameters(
    target: Any,  # noqa: ANN401  (a map of protobuf)
    given: Mapping[str, object],
) -> None:
    """Sets parameters of a protobuf message from JSON's true, numbers and strings.

    Raises:
        MeshError: INVALID_PARAMETER for any other value.
    """
    for name, value in given.items():
        target[text("parameters", name)].CopyFrom(_parameter(name, value))


def _parameter(name: str, value: object) -> InferParameter:
    if isinstance(value, bool):
        return InferParameter(bool_param=value)
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return InferParameter(int64_param=value)
    if isinstance(value, int) and 0 <= value <= UINT64_MAX:
        return InferParameter(uint64_param=value)
    if isinstance(value, float):
        return InferParameter(double_param=value)
    if isinstance(value, str):
        return InferParameter(string_param=text(name, value))
    raise MeshError(
        Refusal(
            Reason.INVALID_PARAMETER,
            f"parameter {short(name)}: expected true, false, a number of 64 bits or a string, "
            f"not {_shown(value)}",
            metadata=(("parameter", name),),
        )
    )


def invalid(field: str, expectation: str, reason: Reason = Reason.INVALID_REQUEST) -> MeshError:
    """The refusal of a field, to be raised."""
    return MeshError(Refusal(reason, f"{short(field)} {expectation}", metadata=(("field", field),)))


def refuse(field: str, expectation: str, reason: Reason = Reason.INVALID_REQUEST) -> NoReturn:
    """Raises the refusal of a field."""
    raise invalid(field, expectation, reason)


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")


def _shown(value: object) -> str:
    """Numbers as they are, and what else may be long by its kind."""
    return short(str(value)) if isinstance(value, float) else _shown_kind(value)


def _shown_kind(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) <= UINT64_MAX else "one of more than 64 bits"
    return _kind(value)
