"""Values in JSON and bytes: there and back, and what is refused."""

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.reasons import Reason
from hasten_router.rest.tensors import DEPTH_MAX, packed, unpacked
from hasten_runtime.errors import MeshError

WHOLE = {f"{sign}INT{bits}": bits for sign in ("", "U") for bits in (8, 16, 32, 64)}
NUMPY = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BOOL": "?"} | {
    name: f"<{'u' if name[0] == 'U' else 'i'}{bits // 8}" for name, bits in WHOLE.items()
}


def values(datatype: str) -> st.SearchStrategy[Any]:
    if datatype == "BYTES":
        return st.text(st.characters(exclude_categories=["Cs"]))
    if datatype == "BOOL":
        return st.booleans()
    if datatype in WHOLE:
        info = np.iinfo(NUMPY[datatype])
        return st.integers(int(info.min), int(info.max))
    return st.floats(width=int(datatype[2:]), allow_nan=False)


@given(st.data(), st.sampled_from([*NUMPY, "BYTES"]))
def test_what_goes_in_comes_out(data: st.DataObject, datatype: str) -> None:
    flat = data.draw(st.lists(values(datatype), max_size=12))
    raw = packed("input X", datatype, flat)
    assert list(unpacked("output X", datatype, raw)) == flat
    if datatype in NUMPY:
        assert raw == np.array(flat, NUMPY[datatype]).tobytes()
    if len(flat) % 2 == 0:  # Nested as the shape is.
        nested = [[flat[at : at + 2]] for at in range(0, len(flat), 2)]
        assert packed("input X", datatype, nested) == raw


def test_whole_numbers_are_numbers_for_a_float() -> None:
    assert packed("x", "FP32", [1, 2.5]) == struct.pack("<2f", 1, 2.5)


def test_bf16_comes_out_exactly() -> None:
    assert list(unpacked("x", "BF16", b"\x80\x3f\x00\xc0\xc0\x7f"))[:2] == [1.0, -2.0]
    assert math.isnan(unpacked("x", "BF16", b"\xc0\x7f")[0])


@pytest.mark.parametrize(
    ("datatype", "data", "sentence"),
    [
        ("INT8", [128], "is INT8 and needs values in its range"),
        ("UINT64", [-1], "range"),
        ("INT64", [2**63], "range"),
        ("FP16", [1e6], "range"),
        ("FP32", [10**400], "range"),
        ("INT32", [1.0], "needs whole numbers"),
        ("INT32", [True], "needs whole numbers"),
        ("FP32", ["1"], "needs numbers"),
        ("FP32", [None], "needs numbers"),
        ("FP32", [1, [2]], "needs numbers"),
        ("BOOL", [1], "needs true and false"),
        ("BYTES", [1], "needs strings"),
        ("BYTES", [["a"], "b"], "needs strings"),
        ("BF16", [1], "needs binary data"),
        ("FLOAT", [1], "unknown datatype 'FLOAT'"),
        ("X" * 10**6, [1], "unknown datatype"),
    ],
)
def test_a_value_that_is_none_of_the_datatype_is_refused(
    datatype: str, data: list[Any], sentence: str
) -> None:
    with pytest.raises(MeshError) as raised:
        packed("input X", datatype, data)
    refusal = raised.value.refusal
    assert refusal.reason is Reason.DTYPE_MISMATCH
    assert refusal.message.startswith("input X")
    assert sentence in refusal.message


def test_data_that_is_no_list_or_too_deep_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(DEPTH_MAX + 2):
        deep = [deep]
    for data in (7, "abc", {"a": 1}, deep, ["\ud800"]):
        with pytest.raises(MeshError) as raised:
            packed("input X", "BYTES", data)
        assert raised.value.refusal.reason is Reason.INVALID_REQUEST


def test_bytes_that_are_no_text_cannot_be_json() -> None:
    with pytest.raises(MeshError, match="ask for it with binary_data"):
        unpacked("output X", "BYTES", b"\x01\x00\x00\x00\xff")
