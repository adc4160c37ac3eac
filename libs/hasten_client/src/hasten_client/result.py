"""The answer to an inference request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hasten.inference.v2 import inference_pb2 as pb
from hasten_client.errors import InvalidResponse
from hasten_client.timing import TimingBreakdown

if TYPE_CHECKING:
    from hasten_client.datatypes import Array

ResponseParameter = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Result:
    """One answer. `result["name"]` is an output as a read-only numpy array.

    Attributes:
        model_name: Model that answered.
        model_version: Its version.
        id: The request's id.
        outputs: Array of each output by name; BYTES are object arrays of bytes.
        parameters: Response parameters.
        timing: Where the time went, if asked for and known.
    """

    model_name: str
    model_version: str
    id: str
    outputs: "Mapping[str, Array]"
    parameters: Mapping[str, ResponseParameter]
    timing: TimingBreakdown | None = None

    def __getitem__(self, name: str) -> "Array":
        try:
            return self.outputs[name]
        except KeyError:
            raise KeyError(f"no output {name!r}; there are {', '.join(self.outputs)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self.outputs


def result(wire: pb.ModelInferResponse, timing: TimingBreakdown | None = None) -> Result:
    """Decodes an answer, raw or typed.

    Raises:
        InvalidResponse: The answer contradicts the protocol.
    """
    # numpy takes a quarter of a second to load, and most calls of operators need none of it.
    from hasten_client.codec import Tensor, decode, decode_typed

    if wire.raw_output_contents and len(wire.raw_output_contents) != len(wire.outputs):
        raise InvalidResponse(
            f"{len(wire.outputs)} outputs came with {len(wire.raw_output_contents)} raw contents"
        )
    outputs = {}
    for position, output in enumerate(wire.outputs):
        if wire.raw_output_contents:
            raw = wire.raw_output_contents[position]
            outputs[output.name] = decode(
                output.name, Tensor(output.datatype, tuple(output.shape), raw)
            )
        else:
            outputs[output.name] = decode_typed(output)
    return Result(
        model_name=wire.model_name,
        model_version=wire.model_version,
        id=wire.id,
        outputs=outputs,
        parameters={key: _parameter(value) for key, value in wire.parameters.items()},
        timing=timing,
    )


def _parameter(value: pb.InferParameter) -> ResponseParameter:
    choice = value.WhichOneof("parameter_choice")
    if choice is None:
        return ""
    found: ResponseParameter = getattr(value, choice)
    return found
