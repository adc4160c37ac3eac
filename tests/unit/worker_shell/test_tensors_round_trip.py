"""Good requests: what goes in comes out, for every datatype and both forms."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hasten.inference.v2.inference_pb2 import ModelInferRequest
from hasten_worker.model import Array, TensorSpec
from hasten_worker.tensors import NoRegions, RequestDecoder, ResponseEncoder
from hasten_worker.tensors.datatypes import DATATYPES
from tests.unit.worker_shell.fakes import EchoModel, echo_of, floats, raw_of, request_of

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)
Draw = Callable[[st.SearchStrategy[Array]], Array]


def arrays_of(datatype: str) -> st.SearchStrategy[Array]:
    if datatype == "BYTES":
        return hnp.arrays(np.object_, SHAPES, elements=st.binary(max_size=12), fill=st.nothing())
    if datatype == "BF16":
        return hnp.arrays(np.uint16, SHAPES).map(lambda bits: bits.view(ml_dtypes.bfloat16))
    return hnp.arrays(DATATYPES[datatype].dtype, SHAPES)


def same(left: Array, right: Array) -> bool:
    if left.dtype == np.object_:
        return left.shape == right.shape and list(left.flat) == list(right.flat)
    return left.shape == right.shape and left.tobytes() == right.tobytes()


def typed_request(datatype: str, array: Array) -> ModelInferRequest:
    request = ModelInferRequest(model_name="echo")
    tensor = request.inputs.add(name="IN0", datatype=datatype, shape=array.shape)
    field = getattr(tensor.contents, DATATYPES[datatype].typed_field)
    field.extend(array.flatten().tolist())
    return request


@pytest.mark.parametrize("datatype", sorted(DATATYPES))
@given(data=st.data())
def test_raw_inputs_come_back_bit_for_bit(datatype: str, data: st.DataObject) -> None:
    array = data.draw(arrays_of(datatype))
    model = echo_of(datatype, (-1,) * array.ndim)
    decoded = RequestDecoder(model).decode(request_of({"IN0": (datatype, array)}), NoRegions())
    assert decoded.rows == 1
    assert decoded.inputs["IN0"].dtype == DATATYPES[datatype].dtype
    assert same(decoded.inputs["IN0"], array)

    encoder = ResponseEncoder(model)
    response = encoder.encode(
        "r1",
        {"OUT0": decoded.inputs["IN0"]},
        encoder.wanted(ModelInferRequest(), NoRegions()),
        NoRegions(),
    )
    assert (response.id, response.model_version) == ("r1", "1")
    assert list(response.outputs[0].shape) == list(array.shape)
    assert list(response.raw_output_contents) == [raw_of(array, datatype)]


@pytest.mark.parametrize(
    "datatype", sorted(name for name, kind in DATATYPES.items() if kind.typed_field)
)
@given(data=st.data())
def test_typed_inputs_give_the_same_array_as_raw_ones(datatype: str, data: st.DataObject) -> None:
    array = data.draw(arrays_of(datatype))
    model = echo_of(datatype, (-1,) * array.ndim)
    decoded = RequestDecoder(model).decode(typed_request(datatype, array), NoRegions())
    assert decoded.inputs["IN0"].dtype == DATATYPES[datatype].dtype
    if np.issubdtype(array.dtype, np.floating):
        assert np.array_equal(decoded.inputs["IN0"], array, equal_nan=True)
    else:
        assert same(decoded.inputs["IN0"], array)


def test_strings_travel_as_length_and_bytes() -> None:
    array = np.array([b"ab", b"xyz"], dtype=np.object_)
    assert raw_of(array, "BYTES") == bytes.fromhex("02000000 6162 03000000 78797a")


def test_text_that_a_model_returns_is_sent_as_utf_8() -> None:
    model = echo_of("BYTES", (-1,))
    encoder = ResponseEncoder(model)
    wanted = encoder.wanted(ModelInferRequest(), NoRegions())
    outputs = {"OUT0": np.array(["ä"], dtype=np.object_)}
    response = encoder.encode("", outputs, wanted, NoRegions())
    assert response.raw_output_contents[0] == bytes.fromhex("02000000 c3a4")


def test_bytes_other_than_zero_and_one_are_true() -> None:
    request = ModelInferRequest(raw_input_contents=[b"\x00\x01\x02"])
    request.inputs.add(name="IN0", datatype="BOOL", shape=[3])
    decoded = RequestDecoder(echo_of("BOOL", (-1,))).decode(request, NoRegions())
    assert decoded.inputs["IN0"].tolist() == [False, True, True]


def test_numbers_sent_raw_are_not_copied_and_cannot_be_changed() -> None:
    decoded = RequestDecoder(EchoModel()).decode(floats(), NoRegions())
    assert not decoded.inputs["IN0"].flags.owndata
    assert not decoded.inputs["IN0"].flags.writeable


def test_rows_are_those_of_the_batch_dimension() -> None:
    assert RequestDecoder(EchoModel()).decode(floats(rows=5), NoRegions()).rows == 5


def test_requests_that_differ_in_the_batch_dimension_alone_may_run_together() -> None:
    model = echo_of("INT32", (-1, -1), batch_max=8)
    decoder = RequestDecoder(model)

    def key(*shape: int) -> int:
        array = np.zeros(shape, np.int32)
        return decoder.decode(request_of({"IN0": ("INT32", array)}), NoRegions()).shape_key

    assert key(1, 4) == key(3, 4)
    assert key(1, 4) != key(1, 5)
    assert key(1, 0) != key(1, 1)


def test_the_order_of_inputs_does_not_decide_what_runs_together() -> None:
    model = EchoModel(
        inputs=(TensorSpec("A", "INT32", (-1, -1)), TensorSpec("B", "INT32", (-1, -1)))
    )
    decoder = RequestDecoder(model)
    two, three = np.zeros((1, 2), np.int32), np.zeros((1, 3), np.int32)
    one_way = request_of({"A": ("INT32", two), "B": ("INT32", three)})
    other_way = request_of({"B": ("INT32", three), "A": ("INT32", two)})
    crossed = request_of({"A": ("INT32", three), "B": ("INT32", two)})
    first = decoder.decode(one_way, NoRegions()).shape_key
    assert decoder.decode(other_way, NoRegions()).shape_key == first
    assert decoder.decode(crossed, NoRegions()).shape_key != first


def test_an_optional_input_may_be_left_out_and_then_runs_apart() -> None:
    model = EchoModel(
        inputs=(
            TensorSpec("IN0", "FP32", (-1, 4)),
            TensorSpec("EXTRA", "FP32", (-1, 4), optional=True),
        )
    )
    decoder = RequestDecoder(model)
    values = np.zeros((1, 4), np.float32)
    both = request_of({"IN0": ("FP32", values), "EXTRA": ("FP32", values)})
    alone = decoder.decode(floats(), NoRegions())
    assert set(alone.inputs) == {"IN0"}
    assert alone.shape_key != decoder.decode(both, NoRegions()).shape_key


def test_an_empty_contents_message_beside_raw_contents_is_no_content() -> None:
    request = floats()
    request.inputs[0].contents.SetInParent()
    assert RequestDecoder(EchoModel()).decode(request, NoRegions()).rows == 1


def test_outputs_come_in_the_order_asked_for() -> None:
    specs = tuple(TensorSpec(f"OUT{i}", "FP32", (-1, 4)) for i in range(3))
    encoder = ResponseEncoder(EchoModel(outputs=specs))
    request = ModelInferRequest()
    request.outputs.add(name="OUT2")
    request.outputs.add(name="OUT0")
    outputs = {spec.name: np.full((1, 4), i, np.float32) for i, spec in enumerate(specs)}
    response = encoder.encode("", outputs, encoder.wanted(request, NoRegions()), NoRegions())
    assert [output.name for output in response.outputs] == ["OUT2", "OUT0"]
    assert np.frombuffer(response.raw_output_contents[0], np.float32).tolist() == [2.0] * 4


def classified(scores: Array, count: int, *, labels: tuple[str, ...] = ()) -> list[bytes]:
    model = EchoModel(outputs=(TensorSpec("OUT0", "FP32", (-1, -1), labels=labels),))
    encoder = ResponseEncoder(model)
    request = ModelInferRequest()
    output = request.outputs.add(name="OUT0")
    output.parameters["classification"].int64_param = count
    wanted = encoder.wanted(request, NoRegions())
    response = encoder.encode("", {"OUT0": scores}, wanted, NoRegions())
    assert response.outputs[0].datatype == "BYTES"
    decoder = RequestDecoder(echo_of("BYTES", (-1, -1)))
    back = ModelInferRequest(raw_input_contents=response.raw_output_contents)
    back.inputs.add(name="IN0", datatype="BYTES", shape=response.outputs[0].shape)
    elements: list[bytes] = decoder.decode(back, NoRegions()).inputs["IN0"].tolist()
    return elements


def test_classification_gives_the_highest_scores_of_each_row_with_labels() -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]], np.float32)
    assert classified(scores, 2, labels=("cat", "dog")) == [
        [b"0.700000:1:dog", b"0.200000:2"],
        [b"0.500000:0:cat", b"0.500000:1:dog"],
    ]


def test_classification_gives_no_more_classes_than_there_are() -> None:
    assert classified(np.array([[1.0]], np.float32), 5) == [[b"1.000000:0"]]
