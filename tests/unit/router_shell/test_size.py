"""Rows and elements, read out of the shapes of a request's inputs."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2 as pb
from hasten_router.head import read_head
from hasten_router.size import ELEMENTS_MAX

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
    tensor = b"".join(b"\x18" + _varint(dim) for dim in shape)
    loose = b"\x0a\x01m\x2a" + _varint(len(tensor)) + tensor
    one, other = read_head(packed.SerializeToString()), read_head(loose)
    assert (one.rows, one.elements) == (other.rows, other.elements)


@pytest.mark.parametrize(
    "tensor",
    [b"\x18", b"\x1a\x05\x01", b"\x1a\x01\xff", b"\x0b\x0c", b"\x18" + b"\xff" * 12],
    ids=["cut", "packed past its end", "cut number", "group", "endless number"],
)
def test_a_shape_that_cannot_be_read_is_left_to_the_worker(tensor: bytes) -> None:
    head = read_head(b"\x0a\x01m\x2a" + _varint(len(tensor)) + tensor)
    assert head.model_name == "m"
    assert head.rows >= 1
    assert head.elements >= 0


def test_a_negative_or_enormous_dimension_is_no_reason_to_fail() -> None:
    head = read_head(request([-1, 2**62, 2**62]).SerializeToString())
    assert (head.rows, head.elements) == (ELEMENTS_MAX, ELEMENTS_MAX)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
