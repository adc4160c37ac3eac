"""Bad requests: each is refused with the reason and the sentence that helps."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2.inference_pb2 import InferParameter, InferTensorContents, ModelInferRequest
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_worker.model import TensorSpec
from hasten_worker.tensors import NoRegions, RequestDecoder, ResponseEncoder
from hasten_worker.tensors.datatypes import DATATYPES
from tests.unit.worker_shell.fakes import EchoModel, echo_of, floats, request_of


def refusal_of(request: ModelInferRequest, model: EchoModel | None = None) -> Refusal:
    with pytest.raises(MeshError) as caught:
        RequestDecoder(model or EchoModel()).decode(request, NoRegions())
    return caught.value.refusal


def changed(change: Callable[[ModelInferRequest], object]) -> ModelInferRequest:
    request = floats()
    change(request)
    return request


def set_shape(request: ModelInferRequest, *shape: int) -> None:
    request.inputs[0].shape[:] = shape


BAD: dict[str, tuple[Callable[[ModelInferRequest], object], Reason, str]] = {
    "an unknown input": (
        lambda r: setattr(r.inputs[0], "name", "X"),
        Reason.INPUT_UNKNOWN,
        "'X'",
    ),
    "no inputs": (
        lambda r: (r.ClearField("inputs"), r.ClearField("raw_input_contents")),
        Reason.INPUT_MISSING,
        "IN0",
    ),
    "an input twice": (
        lambda r: (r.inputs.append(r.inputs[0]), r.raw_input_contents.append(b"")),
        Reason.INVALID_REQUEST,
        "twice",
    ),
    "another datatype": (
        lambda r: setattr(r.inputs[0], "datatype", "FP64"),
        Reason.DTYPE_MISMATCH,
        "expected FP32",
    ),
    "no datatype": (
        lambda r: setattr(r.inputs[0], "datatype", ""),
        Reason.DTYPE_MISMATCH,
        "expected FP32",
    ),
    "another rank": (lambda r: set_shape(r, 4), Reason.SHAPE_MISMATCH, "[-1, 4]"),
    "another size": (lambda r: set_shape(r, 1, 5), Reason.SHAPE_MISMATCH, "[-1, 4]"),
    "a negative size": (lambda r: set_shape(r, -1, 4), Reason.SHAPE_MISMATCH, "negative"),
    "no rows": (lambda r: set_shape(r, 0, 4), Reason.SHAPE_MISMATCH, "at least one row"),
    "an absurd size": (lambda r: set_shape(r, 2**62, 4), Reason.SHAPE_MISMATCH, "at most"),
    "too many rows": (lambda r: set_shape(r, 9, 4), Reason.BATCH_TOO_LARGE, "at most 8"),
    "too few bytes": (
        lambda r: r.raw_input_contents.__setitem__(0, b"123"),
        Reason.BYTE_LENGTH_MISMATCH,
        "takes 16 bytes, got 3",
    ),
    "too many raw entries": (
        lambda r: r.raw_input_contents.append(b""),
        Reason.INVALID_REQUEST,
        "2 entries for 1 inputs",
    ),
    "no content at all": (
        lambda r: r.ClearField("raw_input_contents"),
        Reason.BYTE_LENGTH_MISMATCH,
        "takes 4 elements, got 0",
    ),
    "raw and typed content": (
        lambda r: r.inputs[0].contents.fp32_contents.append(1.0),
        Reason.RAW_AND_TYPED,
        "IN0",
    ),
    "shared memory that is switched off": (
        lambda r: (
            r.ClearField("raw_input_contents"),
            r.inputs[0]
            .parameters["shared_memory_region"]
            .MergeFrom(InferParameter(string_param="region")),
            r.inputs[0]
            .parameters["shared_memory_byte_size"]
            .MergeFrom(InferParameter(int64_param=16)),
        ),
        Reason.SHARED_MEMORY_INVALID,
        "switched off",
    ),
    "shared memory without a size": (
        lambda r: (
            r.inputs[0]
            .parameters["shared_memory_region"]
            .MergeFrom(InferParameter(string_param="region"))
        ),
        Reason.INVALID_PARAMETER,
        "shared_memory_byte_size",
    ),
    "a size of shared memory of the wrong kind": (
        lambda r: (
            r.inputs[0]
            .parameters["shared_memory_region"]
            .MergeFrom(InferParameter(string_param="region")),
            r.inputs[0]
            .parameters["shared_memory_byte_size"]
            .MergeFrom(InferParameter(string_param="16")),
        ),
        Reason.INVALID_PARAMETER,
        "shared_memory_byte_size",
    ),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_a_bad_request_is_refused_with_its_reason(case: str) -> None:
    change, reason, words = BAD[case]
    refusal = refusal_of(changed(change))
    assert refusal.reason is reason
    assert words in refusal.message


def test_a_missing_raw_entry_is_a_count_error() -> None:
    specs = (TensorSpec("A", "FP32", (-1,)), TensorSpec("B", "FP32", (-1,)))
    values = np.zeros(1, np.float32)
    request = request_of({"A": ("FP32", values), "B": ("FP32", values)})
    del request.raw_input_contents[1]
    refusal = refusal_of(request, EchoModel(inputs=specs, batches=False))
    assert refusal.reason is Reason.INVALID_REQUEST
    assert "1 entries for 2 inputs" in refusal.message


def test_inputs_with_unequal_rows_are_refused() -> None:
    specs = (TensorSpec("A", "FP32", (-1, 1)), TensorSpec("B", "FP32", (-1, 1)))
    two, three = np.zeros((2, 1), np.float32), np.zeros((3, 1), np.float32)
    request = request_of({"A": ("FP32", two), "B": ("FP32", three)})
    assert refusal_of(request, EchoModel(inputs=specs)).reason is Reason.SHAPE_MISMATCH


def test_an_absurd_size_beside_a_zero_is_refused_before_numpy_sees_it() -> None:
    request = ModelInferRequest()
    request.inputs.add(name="IN0", datatype="FP32", shape=[2**40, 2**40, 0])
    assert refusal_of(request, echo_of("FP32", (-1, -1, -1))).reason is Reason.SHAPE_MISMATCH


@pytest.mark.parametrize(
    ("datatype", "contents"),
    [
        ("INT8", InferTensorContents(int_contents=[128])),
        ("INT16", InferTensorContents(int_contents=[-32769])),
        ("UINT8", InferTensorContents(uint_contents=[256])),
        ("UINT16", InferTensorContents(uint_contents=[65536])),
        ("INT32", InferTensorContents(int64_contents=[1])),
        ("FP16", InferTensorContents(fp32_contents=[1.0])),
        ("BF16", InferTensorContents(fp32_contents=[1.0])),
        ("FP32", InferTensorContents(fp32_contents=[1.0], int_contents=[1])),
    ],
)
def test_typed_values_that_do_not_fit_the_datatype_are_refused(
    datatype: str, contents: InferTensorContents
) -> None:
    request = ModelInferRequest()
    request.inputs.add(name="IN0", datatype=datatype, shape=[1], contents=contents)
    assert refusal_of(request, echo_of(datatype, (-1,))).reason is Reason.DTYPE_MISMATCH


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        (b"", 1),
        (b"\x01\x00\x00\x00", 1),
        (b"\xff\xff\xff\xffa", 1),
        (b"\x01\x00\x00\x00ab", 1),
        (b"\x01\x00\x00\x00a", 2),
        (b"\x01\x00\x00\x00a\x00\x00\x00", 2),
        (b"a", 0),
        (b"", 2**39),
    ],
)
def test_strings_that_do_not_fill_their_bytes_exactly_are_refused(raw: bytes, count: int) -> None:
    request = ModelInferRequest(raw_input_contents=[raw])
    request.inputs.add(name="IN0", datatype="BYTES", shape=[count])
    refusal = refusal_of(request, echo_of("BYTES", (-1,)))
    assert refusal.reason is Reason.BYTE_LENGTH_MISMATCH
    assert "IN0" in refusal.message


def wanted_refusal(change: Callable[[ModelInferRequest], object], datatype: str = "FP32") -> Reason:
    request = ModelInferRequest()
    request.outputs.add(name="OUT0")
    change(request)
    with pytest.raises(MeshError) as caught:
        ResponseEncoder(echo_of(datatype, (-1,))).wanted(request, NoRegions())
    return caught.value.refusal.reason


def set_classes(request: ModelInferRequest, parameter: InferParameter) -> None:
    request.outputs[0].parameters["classification"].CopyFrom(parameter)


def test_outputs_that_cannot_be_given_are_refused() -> None:
    assert wanted_refusal(lambda r: r.outputs.add(name="X")) is Reason.OUTPUT_UNKNOWN
    assert wanted_refusal(lambda r: r.outputs.add(name="OUT0")) is Reason.INVALID_REQUEST


def test_classification_needs_a_positive_count_and_numbers() -> None:
    zero, text = InferParameter(int64_param=0), InferParameter(string_param="1")
    one = InferParameter(int64_param=1)
    assert wanted_refusal(lambda r: set_classes(r, zero)) is Reason.INVALID_PARAMETER
    assert wanted_refusal(lambda r: set_classes(r, text)) is Reason.INVALID_PARAMETER
    assert wanted_refusal(lambda r: set_classes(r, one), "BYTES") is Reason.INVALID_PARAMETER


@pytest.mark.parametrize("outputs", [{}, {"OUT0": np.zeros(3, np.float64)}])
def test_a_model_that_breaks_its_word_is_blamed(outputs: dict[str, object]) -> None:
    encoder = ResponseEncoder(echo_of("FP32", (-1,)))
    wanted = encoder.wanted(ModelInferRequest(), NoRegions())
    with pytest.raises(MeshError) as caught:
        encoder.encode("", outputs, wanted, NoRegions())  # type: ignore[arg-type]  # on purpose
    assert caught.value.refusal.reason is Reason.MODEL_FAILED


NUMBERS = st.one_of(st.integers(-2, 9), st.integers(-(2**63), 2**63 - 1))
CONTENTS = st.builds(
    InferTensorContents,
    bool_contents=st.lists(st.booleans(), max_size=2),
    int_contents=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    fp32_contents=st.lists(st.floats(width=32), max_size=3),
    bytes_contents=st.lists(st.binary(max_size=4), max_size=3),
)
INPUTS = st.builds(
    ModelInferRequest.InferInputTensor,
    name=st.sampled_from(["IN0", "IN1", ""]),
    datatype=st.sampled_from([*sorted(DATATYPES), "", "FP8"]),
    shape=st.lists(NUMBERS, max_size=4),
    contents=st.one_of(st.none(), CONTENTS),
)
REQUESTS = st.builds(
    ModelInferRequest,
    inputs=st.lists(INPUTS, max_size=3),
    raw_input_contents=st.lists(st.binary(max_size=40), max_size=3),
)


@given(
    request=REQUESTS,
    datatypes=st.tuples(*[st.sampled_from(sorted(DATATYPES))] * 2),
    rank=st.integers(1, 3),
    batches=st.booleans(),
)
def test_whatever_is_sent_is_decoded_or_refused(
    request: ModelInferRequest, datatypes: tuple[str, str], rank: int, *, batches: bool
) -> None:
    specs = tuple(
        TensorSpec(f"IN{i}", datatype, (-1,) * rank) for i, datatype in enumerate(datatypes)
    )
    decoder = RequestDecoder(EchoModel(inputs=specs, batches=batches))
    try:
        decoded = decoder.decode(request, NoRegions())
    except MeshError:
        return
    assert set(decoded.inputs) == {"IN0", "IN1"}
    assert 1 <= decoded.rows <= 8
