"""Lines of a batch: from JSON or arrays to requests, from answers to JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.message import DecodeError

from hasten.inference.v2.inference_pb2 import ModelInferRequest, ModelInferResponse
from hasten.scheduler.v1.batch_service_pb2 import ResultLine
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_scheduler.batches.tensors import (
    Array,
    Hints,
    add_input,
    array_of,
    outputs_of,
    refuse,
    shaped,
    with_rows,
)

ID_CHARS_MAX: Final = 256
_FIELDS: Final = frozenset({"id", "model", "version", "inputs", "outputs", "parameters"})
_TENSOR_FIELDS: Final = frozenset({"name", "shape", "datatype", "data"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a line that does not say otherwise.

    Attributes:
        model: Its model.
        version: Version of this model.
        hints: What the model takes.
    """

    model: str
    version: str
    hints: Hints


@dataclass(slots=True)
class Line:
    """A line of a batch.

    Attributes:
        number: Counted from zero.
        name: What its author calls it; "" for nothing.
        model: The model that it names.
        version: Version of this model; "" for the server's choice.
        request: A serialised ModelInferRequest; b"" when it cannot be made.
        refusal: Why it cannot.
    """

    number: int
    name: str = ""
    model: str = ""
    version: str = ""
    request: bytes = b""
    refusal: Refusal | None = None


def line_of_json(number: int, text: bytes, defaults: Defaults) -> Line:
    """A line of JSON. What is wrong with it is told in the line."""
    line = Line(number)
    try:
        said = _object(text)
        line.name = _named(said)
        line.model = _text(said, "model", defaults.model)
        line.version = _text(said, "version", "" if "model" in said else defaults.version)
        line.request = _request(line, said, defaults)
    except MeshError as error:
        line.refusal = error.refusal
    except UnicodeEncodeError:
        line.refusal = refuse("the line has text that is no Unicode").refusal
    return line


def line_of_arrays(
    number: int, arrays: Mapping[str, Array], defaults: Defaults, *, name: str = ""
) -> Line:
    """A line that is arrays. What is wrong with it is told in the line."""
    line = Line(number, name, defaults.model, defaults.version)
    try:
        request = ModelInferRequest(model_name=line.model, model_version=line.version)
        for each, array in arrays.items():
            hint = defaults.hints.get(each)
            datatype = hint.datatype if hint else ""
            add_input(request, each, with_rows(array, hint), datatype)
        line.request = request.SerializeToString()
    except MeshError as error:
        line.refusal = error.refusal
    return line


def _object(text: bytes) -> dict[str, Any]:
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refuse(f"the line is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise refuse("the line is not a JSON object")
    mapping = cast("dict[str, Any]", said)
    unknown = sorted(mapping.keys() - _FIELDS)
    if unknown:
        raise refuse(
            f"the line has the unknown field {unknown[0]!r}; there are {', '.join(sorted(_FIELDS))}"
        )
    return mapping


def _named(said: Mapping[str, Any]) -> str:
    name: object = said.get("id", "")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or len(name) > ID_CHARS_MAX:
        raise refuse(f"id must be a text of at most {ID_CHARS_MAX} characters")
    return name


def _request(line: Line, said: Mapping[str, Any], defaults: Defaults) -> bytes:
    request = ModelInferRequest(model_name=line.model, model_version=line.version)
    inputs: object = said.get("inputs")
    if isinstance(inputs, dict):
        for name, value in cast("dict[str, object]", inputs).items():
            _add_short(request, name, value, defaults.hints)
    elif isinstance(inputs, list):
        for tensor in cast("list[object]", inputs):
            _add_tensor(request, tensor)
    else:
        raise refuse("inputs must be an object of values by name, or a list of tensors")
    for output in _list(said, "outputs"):
        wanted = cast("dict[str, object]", output).get("name") if _is_map(output) else output
        if not isinstance(wanted, str):
            raise refuse("outputs must be a list of names")
        request.outputs.add(name=wanted)
    _add_parameters(request, said.get("parameters", {}))
    # The same bytes whenever the line is read: by them its task is found again.
    return request.SerializeToString(deterministic=True)


def _add_short(request: ModelInferRequest, name: str, value: object, hints: Hints) -> None:
    hint = hints.get(name)
    if hint is None:
        known = f"; it knows {', '.join(sorted(hints))}" if hints else ""
        raise refuse(
            f"input {name!r} has no datatype: the batch does not say what the model takes by this "
            f"name{known}. A tensor in a list says it itself"
        )
    array = array_of(name, value, hint.datatype)
    add_input(request, name, with_rows(array, hint), hint.datatype)


def _add_tensor(request: ModelInferRequest, said: object) -> None:
    if not isinstance(said, dict):
        raise refuse("each of inputs must be an object with name, shape, datatype and data")
    tensor = cast("dict[str, Any]", said)
    if tensor.keys() != _TENSOR_FIELDS:
        raise refuse("each of inputs must have name, shape, datatype and data, and nothing else")
    name, datatype, shape = tensor["name"], tensor["datatype"], tensor["shape"]
    sizes = isinstance(shape, list) and all(type(size) is int for size in shape)
    if not (isinstance(name, str) and isinstance(datatype, str) and sizes):
        raise refuse("name and datatype of an input must be texts, shape a list of numbers")
    array = array_of(name, tensor["data"], datatype)
    add_input(request, name, shaped(name, array, shape), datatype)


def _add_parameters(request: ModelInferRequest, said: object) -> None:
    if not isinstance(said, dict):
        raise refuse("parameters must be an object")
    for name, value in cast("dict[str, object]", said).items():
        parameter = request.parameters[name]
        if isinstance(value, bool):
            parameter.bool_param = value
        elif isinstance(value, int) and -(2**63) <= value < 2**63:
            parameter.int64_param = value
        elif isinstance(value, float):
            parameter.double_param = value
        elif isinstance(value, str):
            parameter.string_param = value
        else:
            raise refuse(f"parameter {name!r} must be a text, a number or a truth value")


def _is_map(said: object) -> bool:
    return isinstance(said, dict)


def _text(said: Mapping[str, Any], field: str, default: str) -> str:
    value: object = said.get(field, default)
    if not isinstance(value, str):
        raise refuse(f"{field} must be a text")
    return value


def _list(said: Mapping[str, Any], field: str) -> list[object]:
    value: object = said.get(field, [])
    if not isinstance(value, list):
        raise refuse(f"{field} must be a list")
    return cast("list[object]", value)


# --- results ----------------------------------------------------------------------------


def answered(line: Line, response: bytes) -> ResultLine:
    """The line of results of an answer."""
    try:
        outputs = outputs_of(ModelInferResponse.FromString(response))
    except (DecodeError, ValueError, KeyError, StopIteration):
        return refused(line, Refusal(Reason.INTERNAL, "the model's answer cannot be read"))
    return ResultLine(line=line.number, json=_json(line, {"outputs": outputs}))


def refused(line: Line, refusal: Refusal) -> ResultLine:
    """The line of results of an error."""
    error: dict[str, Any] = {
        "reason": refusal.reason.name,
        "status": refusal.reason.status,
        "message": refusal.message,
    }
    if refusal.metadata:
        error["metadata"] = dict(refusal.metadata)
    return ResultLine(line=line.number, failed=True, json=_json(line, {"error": error}))


def _json(line: Line, said: dict[str, Any]) -> bytes:
    about: dict[str, Any] = {"line": line.number}
    if line.name:
        about["id"] = line.name
    return json.dumps(about | said, separators=(",", ":")).encode()
