"""The parameters of a request."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2.inference_pb2 import InferParameter
from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_runtime.request_head import (
    PLAIN_HEAD,
    RequestHead,
    parse_parameters,
    time_left_s,
)


def refused(**parameters: InferParameter) -> Reason:
    with pytest.raises(MeshError) as caught:
        parse_parameters(parameters)
    return caught.value.refusal.reason


def test_no_parameters_mean_the_plain_head() -> None:
    assert parse_parameters({}) == PLAIN_HEAD == RequestHead()
    assert PLAIN_HEAD.priority_class == 1


@pytest.mark.parametrize(
    ("number", "expected"), [(0, 1), (1, 0), (2, 1), (3, 2), (4, 3), (5, 3), (2**63 - 1, 3)]
)
def test_priority_one_is_the_most_urgent_class_and_zero_is_normal(
    number: int, expected: int
) -> None:
    assert parse_parameters({"priority": InferParameter(uint64_param=number)}) == RequestHead(
        expected
    )
    assert parse_parameters({"priority": InferParameter(int64_param=number)}) == RequestHead(
        expected
    )


@pytest.mark.parametrize(
    "parameter",
    [
        InferParameter(int64_param=-1),
        InferParameter(string_param="1"),
        InferParameter(double_param=1.0),
        InferParameter(),
    ],
)
def test_a_priority_that_is_no_whole_number_is_refused(parameter: InferParameter) -> None:
    assert refused(priority=parameter) is Reason.INVALID_PARAMETER


def test_the_timeout_is_microseconds_and_zero_is_no_wish() -> None:
    assert parse_parameters({"timeout": InferParameter(int64_param=1500)}).timeout_s == 0.0015
    assert parse_parameters({"timeout": InferParameter(int64_param=0)}).timeout_s is None


def test_a_negative_timeout_is_an_invalid_deadline() -> None:
    assert refused(timeout=InferParameter(int64_param=-1)) is Reason.INVALID_DEADLINE


@pytest.mark.parametrize(
    "parameter",
    [
        InferParameter(uint64_param=5),
        InferParameter(string_param="5"),
        InferParameter(double_param=math.nan),
        InferParameter(bool_param=True),
        InferParameter(),
    ],
)
def test_a_timeout_of_another_kind_is_refused(parameter: InferParameter) -> None:
    assert refused(timeout=parameter) is Reason.INVALID_PARAMETER


def test_sequences_come_as_number_or_text_and_zero_or_empty_is_none() -> None:
    assert parse_parameters({"sequence_id": InferParameter(int64_param=7)}).sequence_id == "7"
    assert parse_parameters({"sequence_id": InferParameter(string_param="s")}).sequence_id == "s"
    assert parse_parameters({"sequence_id": InferParameter(int64_param=0)}).sequence_id == ""
    assert parse_parameters({"sequence_start": InferParameter(bool_param=True)}) == PLAIN_HEAD
    assert refused(sequence_start=InferParameter(int64_param=1)) is Reason.INVALID_PARAMETER
    assert refused(sequence_id=InferParameter(bool_param=True)) is Reason.INVALID_PARAMETER


def test_our_own_parameters_are_read() -> None:
    head = parse_parameters(
        {
            "tenant": InferParameter(string_param="blue"),
            "hasten_timing": InferParameter(bool_param=True),
            "triton_enable_empty_final_response": InferParameter(bool_param=True),
            "anything_else": InferParameter(double_param=1.0),
        }
    )
    assert (head.tenant, head.want_timing, head.want_empty_final) == ("blue", True, True)


def test_reserved_names_we_do_not_know_are_refused() -> None:
    assert refused(triton_other=InferParameter(bool_param=True)) is Reason.INVALID_PARAMETER


def test_names_in_parameters_are_bounded() -> None:
    assert refused(tenant=InferParameter(string_param="x" * 1000)) is Reason.INVALID_PARAMETER


def test_the_smaller_deadline_wins() -> None:
    assert time_left_s(2.0, None) == 2.0
    assert time_left_s(2.0, 1.0) == 1.0
    assert time_left_s(2.0, 3.0) == 2.0
    assert time_left_s(None, None) == math.inf
    assert time_left_s(None, 0.0) == 0.0


def test_a_deadline_that_is_no_number_is_refused() -> None:
    with pytest.raises(MeshError) as caught:
        time_left_s(None, math.nan)
    assert caught.value.refusal.reason is Reason.INVALID_DEADLINE


KINDS = st.one_of(
    st.builds(InferParameter),
    st.builds(InferParameter, bool_param=st.booleans()),
    st.builds(InferParameter, int64_param=st.integers(-(2**63), 2**63 - 1)),
    st.builds(InferParameter, uint64_param=st.integers(0, 2**64 - 1)),
    st.builds(InferParameter, double_param=st.floats()),
    st.builds(InferParameter, string_param=st.text(max_size=200)),
)
NAMES = st.sampled_from(
    ["priority", "timeout", "tenant", "sequence_id", "sequence_end", "hasten_timing", "triton_x"]
)


@given(st.dictionaries(st.one_of(NAMES, st.text(max_size=5)), KINDS, max_size=5))
def test_whatever_is_sent_is_a_head_or_a_refusal(parameters: dict[str, InferParameter]) -> None:
    try:
        head = parse_parameters(parameters)
    except MeshError:
        return
    assert 0 <= head.priority_class <= 3
    assert head.timeout_s is None or head.timeout_s > 0
