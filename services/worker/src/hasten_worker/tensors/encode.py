"""A model's outputs as a response."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from hasten.inference.v2.inference_pb2 import InferParameter, ModelInferRequest, ModelInferResponse
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime.message_limit import too_large
from hasten_runtime.protocol_names import REGION
from hasten_worker.model import Array, Model, TensorSpec
from hasten_worker.tensors.classification import top_classes
from hasten_worker.tensors.datatypes import BYTES, DATATYPES, Datatype
from hasten_worker.tensors.refusals import refuse
from hasten_worker.tensors.regions import RegionRef, Regions, region_ref
from hasten_worker.tensors.strings import raw_from_elements

MESSAGE_VARIABLE: Final = "HASTEN_WORKER_GRPC__MESSAGE_BYTES_MAX"
"""Sets how large a message may be, with a request or a response."""

OutputTensor = ModelInferResponse.InferOutputTensor
RequestedOutput = ModelInferRequest.InferRequestedOutputTensor


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """One output of the response, as the request asks for it.

    Attributes:
        spec: The output.
        datatype: Its datatype.
        classes: Highest classes wanted as text; 0 for the tensor itself.
        piece: Where in shared memory to put it; None for the response.
    """

    spec: TensorSpec
    datatype: Datatype
    classes: int = 0
    piece: RegionRef | None = None


class ResponseEncoder:
    """Encodes the responses of one model. Used from any thread."""

    def __init__(self, model: Model) -> None:
        self._name = model.spec.name
        self._version = model.spec.version
        self._batches = model.batches
        self._outputs = {
            spec.name: WantedOutput(spec, DATATYPES[spec.datatype]) for spec in model.outputs
        }
        self._all = tuple(self._outputs.values())

    def wanted(self, request: ModelInferRequest, regions: Regions) -> tuple[WantedOutput, ...]:
        """The outputs asked for, in the request's order; all when it names none.

        Raises:
            MeshError: OUTPUT_UNKNOWN, INVALID_PARAMETER, SHARED_MEMORY_INVALID or, for an
                output named twice, INVALID_REQUEST.
        """
        if not request.outputs:
            return self._all
        wanted: dict[str, WantedOutput] = {}
        for output in request.outputs:
            plain = self._outputs.get(output.name)
            if plain is None:
                refuse(
                    Reason.OUTPUT_UNKNOWN,
                    f"output {short(output.name)!r}: unknown; "
                    f"the model has {', '.join(self._outputs)}",
                    output=output.name,
                )
            if output.name in wanted:
                refuse(
                    Reason.INVALID_REQUEST,
                    f"output {output.name}: asked for twice",
                    output=output.name,
                )
            wanted[output.name] = (
                _with_parameters(plain, output, regions) if output.parameters else plain
            )
        return tuple(wanted.values())

    def encode(
        self,
        request_id: str,
        outputs: Mapping[str, Array],
        wanted: tuple[WantedOutput, ...],
        regions: Regions,
    ) -> ModelInferResponse:
        """The response, with one raw entry for each output.

        Raises:
            MeshError: MODEL_FAILED when the model's outputs are not as it says,
                SHARED_MEMORY_INVALID when an output does not fit where it should go.
        """
        tensors: list[OutputTensor] = []
        raws: list[bytes] = []
        for want in wanted:
            tensor, raw = self._tensor(want, outputs, regions)
            tensors.append(tensor)
            raws.append(raw)
        return ModelInferResponse(
            model_name=self._name,
            model_version=self._version,
            id=request_id,
            outputs=tensors,
            raw_output_contents=raws,
        )

    def _tensor(
        self, want: WantedOutput, outputs: Mapping[str, Array], regions: Regions
    ) -> tuple[OutputTensor, bytes]:
        name = want.spec.name
        array = outputs.get(name)
        if array is None:
            refuse(Reason.MODEL_FAILED, f"output {name}: the model did not give it", output=name)
        datatype = want.datatype
        if array.dtype != datatype.dtype:
            refuse(
                Reason.MODEL_FAILED,
                f"output {name}: the model gave {array.dtype}, its configuration says "
                f"{datatype.name}",
                output=name,
            )
        if want.classes:
            array = top_classes(array, want.classes, want.spec.labels, batches=self._batches)
            datatype = BYTES
        tensor = OutputTensor(name=name, datatype=datatype.name, shape=array.shape)
        raw = raw_from_elements(array.flat) if datatype is BYTES else array.tobytes()
        if want.piece is not None:
            _to_shared_memory(tensor, want.piece, raw, regions)
            raw = b""
        return tensor, raw


def response_too_large(size_bytes: int, bytes_max: int) -> Refusal:
    """What is sent instead of a response that does not fit in a message."""
    refusal = too_large("one message with a response", size_bytes, bytes_max, MESSAGE_VARIABLE)
    return replace(refusal, started=True)


def _with_parameters(
    plain: WantedOutput, output: RequestedOutput, regions: Regions
) -> WantedOutput:
    classes = 0
    parameter = output.parameters.get("classification")
    if parameter is not None:
        classes = _class_count(plain, parameter)
    piece = region_ref(output.name, output.parameters)
    if piece is not None:
        if classes:
            refuse(
                Reason.INVALID_PARAMETER,
                f"output {output.name}: classification and shared memory exclude each other",
                output=output.name,
            )
        regions.check(piece)
    return WantedOutput(plain.spec, plain.datatype, classes, piece)


def _class_count(plain: WantedOutput, parameter: InferParameter) -> int:
    count = parameter.int64_param
    if parameter.WhichOneof("parameter_choice") != "int64_param" or count < 1:
        refuse(
            Reason.INVALID_PARAMETER,
            f"output {plain.spec.name}, parameter classification: expected an int64 of 1 or more",
            output=plain.spec.name,
        )
    if plain.datatype is BYTES:
        refuse(
            Reason.INVALID_PARAMETER,
            f"output {plain.spec.name}, parameter classification: BYTES has no scores",
            output=plain.spec.name,
        )
    return count


def _to_shared_memory(tensor: OutputTensor, piece: RegionRef, raw: bytes, regions: Regions) -> None:
    if len(raw) > piece.size_bytes:
        refuse(
            Reason.SHARED_MEMORY_INVALID,
            f"output {tensor.name}: takes {len(raw)} bytes, its place in shared memory region "
            f"{short(piece.name)} has {piece.size_bytes}",
            output=tensor.name,
        )
    regions.write(piece, raw)
    tensor.parameters[REGION].string_param = piece.name
    tensor.parameters["shared_memory_byte_size"].int64_param = len(raw)
    if piece.offset:
        tensor.parameters["shared_memory_offset"].int64_param = piece.offset
