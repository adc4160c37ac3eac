"""One inference between a body of HTTP and the bytes that the router knows.

A body is JSON, behind which the bytes of tensors may stand: Triton's extension for binary data.
What comes out for the router has every tensor raw, whichever way it came.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_router.rest import reading, tensors
from hasten_router.rest.reading import Document, invalid
from hasten_runtime import fields
from hasten_runtime.errors import MeshError
from hasten_runtime.protocol_names import (
    BINARY_SIZE,
    BINARY_WISH,
    BINARY_WISH_ALL,
    JSON_LENGTH_HEADER,
    REGION,
)

_RAW_KEY: Final = fields.key(pb.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER)
_UNREADABLE: Final = Refusal(Reason.INTERNAL, "a worker's answer cannot be read", started=True)
VALUES_A_PIECE: Final = 2048
JSON_SETTING: Final = "http.json_bytes_max"
JSON_VARIABLE: Final = "HASTEN_ROUTER_HTTP__JSON_BYTES_MAX"


class Target(NamedTuple):
    """What the path and the headers of a request say.

    Attributes:
        model: Its name.
        version: "" for the server's choice.
        parameters: Used where the body has none of the name.
        json_bytes: Bytes of JSON at the begin of the body; None when it has nothing else.
    """

    model: str
    version: str
    parameters: Mapping[str, object]
    json_bytes: int | None


class Wishes(NamedTuple):
    """How the client wants the outputs.

    Attributes:
        binary: Behind the JSON, unless it says otherwise of one.
        named: The outputs of which it says so.
    """

    binary: bool = False
    named: Mapping[str, bool] = {}

    def behind(self, output: str) -> bool:
        """This one is wanted behind the JSON."""
        return self.named.get(output, self.binary)


class Answer(NamedTuple):
    """The body of a response.

    Attributes:
        json: Pieces of JSON, made one by one: a large output takes a millisecond or two a piece.
        raws: Binary data behind it.
    """

    json: Iterator[bytes]
    raws: list[bytes]


def request_bytes(body: bytes, target: Target, json_bytes_max: int) -> tuple[bytes, Wishes]:
    """A serialised ModelInferRequest, and how its outputs are wanted.

    Raises:
        MeshError: The body is not what it should be.
    """
    length = len(body) if target.json_bytes is None else target.json_bytes
    if length > len(body):
        raise invalid(JSON_LENGTH_HEADER, f"is {length}, and the whole body has {len(body)} bytes")
    check_json_bytes("the JSON of a request", length, json_bytes_max)
    said = reading.document(body[:length])
    message = pb.ModelInferRequest(model_name=target.model, model_version=target.version)
    if "id" in said:
        message.id = reading.text("id", said["id"])
    parameters = {
        **target.parameters,
        **reading.an_object("parameters", said.get("parameters", {})),
    }
    binary = reading.flag(BINARY_WISH_ALL, parameters.pop(BINARY_WISH_ALL, False))
    reading.fill_parameters(message.parameters, parameters)
    named: dict[str, bool] = {}
    for index, output in enumerate(reading.objects("outputs", said.get("outputs"))):
        _add_output(message, f"outputs[{index}]", output, named)
    raws: list[bytes | memoryview] = []
    behind = _Behind(memoryview(body), length)
    for index, given in enumerate(reading.objects("inputs", said.get("inputs"))):
        raw = _add_input(message, f"inputs[{index}]", given, behind)
        if raw is not None:
            raws += (_RAW_KEY, fields.varint(len(raw)), raw)
    behind.finish()
    return b"".join((message.SerializeToString(), *raws)), Wishes(binary, named)


def check_json_bytes(what: str, size: int, most: int) -> None:
    """Raises MeshError MESSAGE_TOO_LARGE for more JSON than the router takes or makes."""
    if size > most:
        raise MeshError(
            Refusal(
                Reason.MESSAGE_TOO_LARGE,
                f"{what} may have {most} bytes, not {size}: send and ask for tensors as binary "
                f"data, or raise the setting {JSON_SETTING} ({JSON_VARIABLE})",
                metadata=(("size_bytes", str(size)), ("limit_bytes", str(most))),
            )
        )


class _Behind:
    """The binary data of a body, taken from its begin to its end."""

    def __init__(self, body: memoryview, at: int) -> None:
        self._body = body
        self._at = at

    def take(self, field: str, size: int) -> memoryview:
        left = len(self._body) - self._at
        if size > left:
            raise invalid(
                field,
                f"has {BINARY_SIZE} {size}, and {left} bytes of the body are left",
                Reason.BYTE_LENGTH_MISMATCH,
            )
        self._at += size
        return self._body[self._at - size : self._at]

    def finish(self) -> None:
        left = len(self._body) - self._at
        if left:
            raise invalid(
                "body",
                f"has {left} bytes more than its inputs: each that is behind the JSON needs "
                f"{BINARY_SIZE}, and the JSON's length the header {JSON_LENGTH_HEADER}",
                Reason.BYTE_LENGTH_MISMATCH,
            )


def _add_input(
    message: pb.ModelInferRequest, field: str, given: Document, behind: _Behind
) -> bytes | memoryview | None:
    """Adds an input; its bytes, or None where these lie in shared memory."""
    tensor = message.inputs.add(
        name=reading.text(f"{field}.name", given.get("name")),
        datatype=reading.text(f"{field}.datatype", given.get("datatype")),
        shape=reading.dims(f"{field}.shape", given.get("shape")),
    )
    parameters = dict(reading.an_object(f"{field}.parameters", given.get("parameters", {})))
    size = parameters.pop(BINARY_SIZE, None)
    reading.fill_parameters(tensor.parameters, parameters)
    label = f"input {tensor.name}"
    elsewhere = size is not None or REGION in parameters
    if elsewhere and "data" in given:
        raise invalid(label, "has data and lies elsewhere too", Reason.RAW_AND_TYPED)
    if size is not None:
        return behind.take(label, reading.count(f"{field}.parameters.{BINARY_SIZE}", size))
    if elsewhere:
        return None
    if "data" not in given:
        raise invalid(label, f"needs data, {BINARY_SIZE} or {REGION}")
    return tensors.packed(label, tensor.datatype, given["data"])


def _add_output(
    message: pb.ModelInferRequest, field: str, given: Document, named: dict[str, bool]
) -> None:
    name = reading.text(f"{field}.name", given.get("name"))
    parameters = dict(reading.an_object(f"{field}.parameters", given.get("parameters", {})))
    if BINARY_WISH in parameters:
        named[name] = reading.flag(f"{field}.parameters.{BINARY_WISH}", parameters.pop(BINARY_WISH))
    output = message.outputs.add(name=name)
    reading.fill_parameters(output.parameters, parameters)


def answer_body(answer: bytes, wishes: Wishes, json_bytes_max: int) -> Answer:
    """The body that says what a worker answered.

    Args:
        answer: A serialised ModelInferResponse, all outputs raw.
        wishes: How the client wants them.
        json_bytes_max: Outputs of more bytes are not turned into JSON.

    Raises:
        MeshError: JSON cannot carry an output.
    """
    try:
        message = pb.ModelInferResponse.FromString(answer)
    except DecodeError:
        raise MeshError(_UNREADABLE) from None
    if len(message.raw_output_contents) != len(message.outputs):
        raise MeshError(_UNREADABLE)
    said: Document = {"model_name": message.model_name, "model_version": message.model_version}
    if message.id:
        said["id"] = message.id
    if message.parameters:
        said["parameters"] = _parameters(message.parameters)
    raws: list[bytes] = []
    outputs: list[tuple[Document, Sequence[Any] | None]] = []
    for tensor, raw in zip(message.outputs, message.raw_output_contents, strict=True):
        output: Document = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
        }
        parameters = _parameters(tensor.parameters)
        data: Sequence[Any] | None = None
        if REGION not in parameters:
            if wishes.behind(tensor.name):
                parameters[BINARY_SIZE] = len(raw)
                raws.append(raw)
            else:
                check_json_bytes(f"output {tensor.name} for JSON", len(raw), json_bytes_max)
                data = tensors.unpacked(f"output {tensor.name}", tensor.datatype, raw)
        if parameters:
            output["parameters"] = parameters
        outputs.append((output, data))
    return Answer(_written(said, outputs), raws)


def _written(
    said: Document, outputs: Sequence[tuple[Document, Sequence[Any] | None]]
) -> Iterator[bytes]:
    """The JSON, in pieces that each take little time."""
    yield _text(said)[:-1] + b',"outputs":['
    comma = b""
    for output, data in outputs:
        text = comma + _text(output)
        comma = b","
        if data is None:
            yield text
            continue
        text = text[:-1] + b',"data":['
        for at in range(0, len(data), VALUES_A_PIECE):
            yield text + _text(data[at : at + VALUES_A_PIECE])[1:-1]
            text = b","
        yield b"]}" if data else text + b"]}"
    yield b"]}"


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _parameters(given: Mapping[str, pb.InferParameter]) -> Document:
    found: Document = {}
    for name, parameter in given.items():
        kind = parameter.WhichOneof("parameter_choice")
        value: Any = getattr(parameter, kind) if kind else None
        found[name] = value
    return found
