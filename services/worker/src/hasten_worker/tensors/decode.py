"""A request's tensors against the model's inputs."""

from collections.abc import Mapping
from dataclasses import dataclass

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten_policy.reasons import Reason
from hasten_worker.model import Array, Model, TensorSpec
from hasten_worker.tensors.contents import from_raw, from_typed
from hasten_worker.tensors.datatypes import DATATYPES, Datatype
from hasten_worker.tensors.refusals import refuse
from hasten_worker.tensors.regions import Regions, region_ref
from hasten_worker.tensors.shapes import ShapeRule

InputTensor = ModelInferRequest.InferInputTensor


@dataclass(frozen=True, slots=True)
class DecodedRequest:
    """Inputs that the model can take as they are.

    Attributes:
        inputs: Arrays by name; numbers sent raw are read-only views of the request.
        rows: Size of the batch dimension; 1 when the model does not batch.
        shape_key: Requests of one model batch together only if it is equal.
        elements: Of all inputs together.
    """

    inputs: Mapping[str, Array]
    rows: int
    shape_key: int
    elements: int


@dataclass(frozen=True, slots=True)
class _Input:
    """What is checked of one input."""

    spec: TensorSpec
    datatype: Datatype
    shapes: ShapeRule


class _Raw:
    """The raw contents of one request, given out in order.

    Reading an entry copies its bytes, so each is read once.
    """

    __slots__ = ("_contents", "_given", "given_max")

    def __init__(self, request: ModelInferRequest) -> None:
        self._contents = request.raw_input_contents
        self._given = 0
        self.given_max = len(self._contents)

    def take(self, inputs: int) -> bytes:
        if self._given >= self.given_max:
            self._refuse_count(inputs)
        self._given += 1
        return self._contents[self._given - 1]

    def close(self, inputs: int) -> None:
        if self._given != self.given_max:
            self._refuse_count(inputs)

    def _refuse_count(self, inputs: int) -> None:
        refuse(
            Reason.INVALID_REQUEST,
            f"raw_input_contents: {self.given_max} entries for {inputs} inputs, expected one for "
            "each input that is not in shared memory",
            got=self.given_max,
        )


class RequestDecoder:
    """Decodes the requests of one model. Used from any thread."""

    def __init__(self, model: Model) -> None:
        batch_max = model.spec.batch_max if model.batches else 0
        self._batches = model.batches
        self._inputs = {
            spec.name: _Input(spec, DATATYPES[spec.datatype], ShapeRule(spec, batch_max))
            for spec in model.inputs
        }
        self._required = frozenset(spec.name for spec in model.inputs if not spec.optional)
        self._one_shape = all(
            rule.shapes.fixed and not rule.spec.optional for rule in self._inputs.values()
        )

    def decode(self, request: ModelInferRequest, regions: Regions) -> DecodedRequest:
        """Checks and decodes all inputs.

        Raises:
            MeshError: Whatever is wrong with the request; nothing larger than the request
                itself is allocated before it is known to be right.
        """
        raw = _Raw(request)
        tensors = request.inputs
        arrays: dict[str, Array] = {}
        for tensor in tensors:
            name = tensor.name
            rule = self._inputs.get(name)
            if rule is None:
                self._refuse_unknown(name)
                continue
            if name in arrays:
                refuse(Reason.INVALID_REQUEST, f"input {name}: sent twice", input=name)
            arrays[name] = _array(rule, tensor, raw, len(tensors), regions)
        raw.close(len(tensors))
        if len(arrays) != len(self._inputs):
            self._check_missing(arrays)
        rows = self._rows(arrays) if self._batches else 1
        shape_key = 0 if self._one_shape else self._shape_key(arrays)
        elements = sum([array.size for array in arrays.values()])
        return DecodedRequest(arrays, rows, shape_key, elements)

    def _rows(self, arrays: Mapping[str, Array]) -> int:
        rows = 0
        for name, array in arrays.items():
            if rows == 0:
                rows = array.shape[0]
            elif array.shape[0] != rows:
                refuse(
                    Reason.SHAPE_MISMATCH,
                    f"input {name}: {array.shape[0]} rows, expected {rows} as in the inputs "
                    "before it",
                    input=name,
                )
        return rows or 1

    def _shape_key(self, arrays: Mapping[str, Array]) -> int:
        # Two shapes with equal hash would fail together and then be run one by one, so a
        # collision costs time and never correctness.
        first = 1 if self._batches else 0
        return hash(
            tuple(arrays[name].shape[first:] if name in arrays else None for name in self._inputs)
        )

    def _check_missing(self, arrays: Mapping[str, Array]) -> None:
        missing = sorted(self._required - arrays.keys())
        if missing:
            refuse(
                Reason.INPUT_MISSING,
                f"input {missing[0]}: missing; the model needs {', '.join(sorted(self._required))}",
                input=missing[0],
            )

    def _refuse_unknown(self, name: str) -> None:
        refuse(
            Reason.INPUT_UNKNOWN,
            f"input {name!r}: unknown; the model has {', '.join(self._inputs) or 'no inputs'}",
            input=name,
        )


def _array(rule: _Input, tensor: InputTensor, raw: _Raw, inputs: int, regions: Regions) -> Array:
    name = rule.spec.name
    datatype = rule.datatype
    if tensor.datatype != datatype.name:
        refuse(
            Reason.DTYPE_MISMATCH,
            f"input {name}: datatype {tensor.datatype!r}, expected {datatype.name}",
            input=name,
            expected=datatype.name,
            got=tensor.datatype,
        )
    shape = tuple(tensor.shape)
    count = rule.shapes.elements(shape)
    typed = tensor.HasField("contents") and tensor.contents.ByteSize() > 0
    piece = region_ref(name, tensor.parameters) if tensor.parameters else None
    if typed and (raw.given_max or piece is not None):
        refuse(
            Reason.RAW_AND_TYPED,
            f"input {name}: has typed contents, and the request has "
            f"{'raw contents' if raw.given_max else 'shared memory for it'} too: send one form",
            input=name,
        )
    if piece is not None:
        return from_raw(name, datatype, shape, count, regions.read(piece))
    if raw.given_max:
        return from_raw(name, datatype, shape, count, raw.take(inputs))
    return from_typed(name, datatype, shape, count, tensor.contents)
