"""Rows and elements, read out of the shapes of a request's inputs."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2 as pb
from hasten_runtime.inference_head import read_head
from hasten_runtime.inference_size import DIMS_MAX, ELEMENTS_MAX, FIELDS_MAX

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


@pytest.mark.parametrize("shape", [[7] * (DIMS_MAX + 1), [7] * 1_000_000])
def test_a_shape_of_more_dimensions_than_any_model_has_is_not_read_to_its_end(
    shape: list[int],
) -> None:
    head = read_head(request(shape).SerializeToString())
    assert (head.rows, head.elements) == (1, 0)


def test_as_many_dimensions_as_are_read_count() -> None:
    head = read_head(request([2] * DIMS_MAX).SerializeToString())
    assert (head.rows, head.elements) == (2, ELEMENTS_MAX)


def test_a_tensor_of_very_many_fields_is_not_read_to_its_end() -> None:
    tensor = b"\x28\x07" * (FIELDS_MAX + 1)
    message = request().SerializeToString() + b"\x2a" + bytes([len(tensor) & 0x7F | 0x80])
    message += bytes([len(tensor) >> 7]) + tensor
    assert read_head(message)[-2:] == (1, 0)
