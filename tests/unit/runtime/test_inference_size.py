"""Rows and elements, read out of the shapes of a request's inputs."""

from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_runtime.fields import varint
from hasten_runtime.inference_head import read_head
from hasten_runtime.inference_size import ELEMENTS_MAX
from hasten_runtime.request_bounds import DEFAULT_BOUNDS, RequestBounds

shapes = st.lists(st.integers(0, 2**20), max_size=4)


def request(*inputs: list[int]) -> pb.ModelInferRequest:
    asked = pb.ModelInferRequest(model_name="m", raw_input_contents=[b"x" * 300])
    for number, shape in enumerate(inputs):
        tensor = asked.inputs.add(name=f"input {number}", datatype="FP32", shape=shape)
        tensor.parameters["binary_data_size"].int64_param = 7
    return asked


@given(st.lists(shapes, max_size=3))
def test_rows_are_the_first_dimension_and_elements_are_those_of_all_inputs(
    found: list[list[int]],
) -> None:
    head = read_head(request(*found).SerializeToString())
    assert head.elements == sum(min(prod(shape), ELEMENTS_MAX) for shape in found)
    firsts = [shape[0] if shape else 1 for shape in found]
    assert head.rows == max(1, next((first for first in firsts if first), 1))


@given(st.lists(st.integers(0, 2**20), max_size=4))
def test_a_shape_whose_numbers_are_not_packed_counts_alike(shape: list[int]) -> None:
    packed = request(shape)
    tensor = b"".join(b"\x18" + varint(dim) for dim in shape)
    loose = b"\x0a\x01m\x2a" + varint(len(tensor)) + tensor
    one, other = read_head(packed.SerializeToString()), read_head(loose)
    assert (one.rows, one.elements) == (other.rows, other.elements)


@pytest.mark.parametrize(
    "tensor",
    [b"\x18", b"\x1a\x05\x01", b"\x1a\x01\xff", b"\x0b\x0c", b"\x18" + b"\xff" * 12],
    ids=["cut", "packed past its end", "cut number", "group", "endless number"],
)
def test_a_shape_that_cannot_be_read_is_left_to_the_worker(tensor: bytes) -> None:
    head = read_head(b"\x0a\x01m\x2a" + varint(len(tensor)) + tensor)
    assert head.model_name == "m"
    assert head.rows >= 1
    assert head.elements >= 0


def test_a_negative_or_enormous_dimension_is_no_reason_to_fail() -> None:
    head = read_head(request([-1, 2**62, 2**62]).SerializeToString())
    assert (head.rows, head.elements) == (ELEMENTS_MAX, ELEMENTS_MAX)


RANK_MAX = DEFAULT_BOUNDS.rank_max


def test_as_many_dimensions_as_are_read_count() -> None:
    head = read_head(request([2] * RANK_MAX).SerializeToString())
    assert (head.rows, head.elements) == (2, ELEMENTS_MAX)


def tensor_of(fields: bytes) -> bytes:
    return b"\x0a\x01m\x2a" + varint(len(fields)) + fields


HOSTILE = {
    "request_rank_max": request([7] * (RANK_MAX + 1)).SerializeToString(),
    "request_rank_max ": request([7] * 1_000_000).SerializeToString(),
    "request_rank_max  ": tensor_of(b"\x18\x07" * (RANK_MAX + 1)),
    "request_fields_max": tensor_of(b"\x28\x07" * (DEFAULT_BOUNDS.fields_max + 1)),
    "request_fields_max ": tensor_of(b"\x28\x07" * 1000) * 9,
    "request_fields_max  ": b"\x0a\x01m" + b"\x2a\x00" * 1_000_000,
    "request_inputs_max": b"\x0a\x01m" + b"\x2a\x00" * (DEFAULT_BOUNDS.inputs_max + 1),
    "request_name_bytes_max": tensor_of(b"\x0a" + varint(13 * 2**20) + bytes(13 * 2**20)),
    "request_name_bytes_max ": tensor_of(b"\x12" + varint(2000) + bytes(2000)),
    "request_parameters_max": b"\x0a\x01m"
    + b"\x22\x03\x0a\x01p" * (DEFAULT_BOUNDS.parameters_max + 1),
}


@pytest.mark.parametrize("bound", HOSTILE)
def test_what_says_too_much_is_refused_with_limit_and_setting(bound: str) -> None:
    with pytest.raises(MeshError) as raised:
        read_head(HOSTILE[bound], replace(DEFAULT_BOUNDS, prefix="HASTEN_ROUTER_GRPC__"))
    refusal = raised.value.refusal
    setting = bound.strip()
    assert refusal.reason is Reason.INVALID_REQUEST
    assert f"grpc.{setting} (HASTEN_ROUTER_GRPC__{setting.upper()})" in refusal.message
    limit = str(getattr(DEFAULT_BOUNDS, setting.removeprefix("request_")))
    assert limit in refusal.message
    assert ("limit", limit) in refusal.metadata
    assert len(refusal.message) < 200


def test_the_bounds_of_all_inputs_together_are_those_of_one_request() -> None:
    """Reading stops at the bound, however the fields are spread."""
    bounds = RequestBounds(fields_max=100)
    assert read_head(tensor_of(b"\x28\x07" * 24) * 4, bounds).rows == 1
    with pytest.raises(MeshError, match="fields"):
        read_head(tensor_of(b"\x28\x07" * 26) * 4, bounds)


def test_a_service_that_allows_more_takes_more() -> None:
    many = b"\x0a\x01m" + b"\x2a\x00" * 5000
    assert read_head(many, RequestBounds(fields_max=20_000, inputs_max=5000)).rows == 1
