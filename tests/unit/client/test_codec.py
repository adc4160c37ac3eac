"""Tensors between numpy and the wire."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hasten_client import InvalidArgument, InvalidResponse
from hasten_client.codec import Tensor, decode, encode
from hasten_client.datatypes import NUMPY_OF

FIXED = sorted(set(NUMPY_OF) - {"BF16"})
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TEXT = st.one_of(st.text(max_size=8), st.binary(max_size=8))


@given(data=st.data(), datatype=st.sampled_from(FIXED))
def test_every_array_of_a_fixed_size_datatype_comes_back_as_it_went(
    data: st.DataObject, datatype: str
) -> None:
    array = data.draw(hnp.arrays(NUMPY_OF[datatype], SHAPES))
    tensor = encode("x", array)
    assert tensor.datatype == datatype
    back = decode("x", tensor)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


@given(hnp.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False)))
def test_bf16_comes_back_as_it_went(array: np.ndarray) -> None:
    sent = array.astype(ml_dtypes.bfloat16)
    back = decode("x", encode("x", sent))
    assert back.dtype == ml_dtypes.bfloat16
    assert back.tobytes() == sent.tobytes()


@given(hnp.arrays(np.object_, SHAPES, elements=TEXT, fill=st.nothing()))
def test_text_of_any_length_comes_back_as_bytes(array: np.ndarray) -> None:
    back = decode("x", encode("x", array))
    wanted = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
    assert back.shape == array.shape
    assert back.ravel().tolist() == wanted


@given(st.binary(max_size=40), st.lists(st.integers(-1, 4), max_size=3))
def test_bytes_that_contradict_their_shape_are_refused_and_never_crash(
    raw: bytes, shape: list[int]
) -> None:
    for datatype in ["FP32", "BOOL", "BYTES", "NONSENSE"]:
        try:
            array = decode("x", Tensor(datatype, tuple(shape), raw))
        except InvalidResponse:
            continue
        assert array.shape == tuple(shape)


def test_the_wire_form_is_that_of_the_protocol() -> None:
    assert encode("x", np.array([True, False, True])).raw.hex() == "010001"
    assert encode("x", ["ab", "xyz"]).raw.hex() == "0200000061620300000078797a"
    assert encode("x", np.array([1, 2], dtype=ml_dtypes.bfloat16)).raw.hex() == "803f0040"


@pytest.mark.parametrize(
    ("value", "datatype", "shape"),
    [
        ([1.5, 2.5], "FP32", (2,)),
        ([[1, 2], [3, 4]], "INT64", (2, 2)),
        ([True, False], "BOOL", (2,)),
        ([["a"], [b"b"]], "BYTES", (2, 1)),
        ("text", "BYTES", (1,)),
        (b"\x00", "BYTES", (1,)),
        (3, "INT64", (1,)),
        ((1.0, 2.0), "FP32", (2,)),
        ([], "FP32", (0,)),
        ([2**63], "UINT64", (1,)),
    ],
)
def test_lists_and_single_values_get_the_datatype_that_most_models_take(
    value: object, datatype: str, shape: tuple[int, ...]
) -> None:
    tensor = encode("x", value)  # type: ignore[arg-type]
    assert (tensor.datatype, tensor.shape) == (datatype, shape)


def test_zero_bytes_at_the_end_of_a_text_survive() -> None:
    assert decode("x", encode("x", [b"a\x00", b"\x00"])).tolist() == [b"a\x00", b"\x00"]


def test_arrays_that_are_transposed_or_big_endian_travel_row_major_and_little_endian() -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3)
    tensor = encode("x", array.T)
    assert tensor.datatype == "INT32"
    assert decode("x", tensor).tolist() == array.T.tolist()


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ([[1, 2], [3]], "ragged"),
        ([["a"], ["b", "c"]], "ragged"),
        (["a", ["b"]], "ragged"),
        (["a", 1], "BYTES takes str or bytes, not int"),
        ([1, "a"], "mixes numbers with text"),
        ([None], "mixes numbers with text"),
        ([object()], "mixes numbers with text"),
        ([2**64], "mixes numbers with text"),
        (np.array([1j]), "complex128 has no counterpart"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "no counterpart"),
        (np.array([{}], dtype=object), "not dict"),
    ],
)
def test_what_no_server_could_accept_is_refused_with_the_name_of_the_input(
    value: object, part: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        encode("pixels", value)  # type: ignore[arg-type]
    assert "'pixels'" in caught.value.message
    assert part in caught.value.message
    assert isinstance(caught.value, ValueError)


def test_an_answer_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        decode("x", encode("x", np.zeros(2)))[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        decode("x", encode("x", ["a"]))[0] = b"b"
