"""What is refused before it is read, and what never is."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.admission.front_gate import (
    ANSWERS_MAX,
    SPREAD_MAX,
    FrontGate,
    FrontPolicy,
)
from hasten_policy.reasons import Reason

BUSY_S = 1.0
LEFT_S = st.none() | st.floats(0.0, 10.0) | st.just(inf)


def taught(*took_s: float, now_s: float = 100.0) -> FrontGate:
    gate = FrontGate(FrontPolicy())
    for each_s in took_s:
        gate.answered(each_s, now_s=now_s)
    return gate


def refused(gate: FrontGate, left_s: float | None, *, busy_s: float = BUSY_S, at_s: float) -> bool:
    return gate.refuses(left_s, busy_s=busy_s, now_s=at_s) is not None


@given(st.lists(st.floats(0.0, 10.0)), LEFT_S, st.floats(0.0, 0.0099))
def test_a_server_with_idle_moments_refuses_nothing(
    took_s: list[float], left_s: float | None, busy_s: float
) -> None:
    assert not refused(taught(*took_s), left_s, busy_s=busy_s, at_s=100.0)


@given(st.lists(st.floats(0.0, 10.0)), st.sampled_from([None, inf, nan]))
def test_a_call_without_a_deadline_always_passes(took_s: list[float], left_s: float | None) -> None:
    assert not refused(taught(*took_s), left_s, at_s=100.0)


@given(st.lists(st.floats(0.0, 1.0), min_size=1), st.floats(0.0, 2.0), st.floats(0.0, 3.0))
def test_what_is_refused_had_less_time_than_the_slowest_answer_of_late(
    took_s: list[float], left_s: float, later_s: float
) -> None:
    if refused(taught(*took_s), left_s, at_s=100.0 + later_s):
        assert left_s < max(took_s)
        assert left_s < SPREAD_MAX * min(took_s[-ANSWERS_MAX:])
        assert later_s < 2 * FrontPolicy().evidence_s


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 0.3)), max_size=30), LEFT_S)
def test_without_an_answer_for_a_second_all_pass(
    answers: list[tuple[float, float]], left_s: float | None
) -> None:
    gate, now_s = FrontGate(FrontPolicy()), 100.0
    for took_s, passed_s in answers:
        now_s += passed_s
        gate.answered(took_s, now_s=now_s)
    assert not refused(gate, left_s, at_s=now_s + 1.0)


def test_a_busy_server_refuses_what_most_answers_could_not_have_made() -> None:
    gate = taught(*[0.004] * 9, 0.03, 0.03)
    refusal = gate.refuses(0.0021, busy_s=BUSY_S, now_s=100.1)
    assert refusal is not None
    assert refusal.reason is Reason.OVERLOADED
    assert dict(refusal.metadata) == {"left_ms": "2", "usual_ms": "30"}
    assert not refusal.started
    assert refusal.retry_after_s is None
    assert not refused(gate, 0.031, at_s=100.1)


def test_slow_answers_of_another_model_refuse_no_quick_one() -> None:
    gate = taught(0.001, *[2.0] * 30)
    assert not refused(gate, 0.04, at_s=100.1)
    assert refused(gate, 0.03, at_s=100.1)


@given(st.floats(0.001, 0.2))
def test_refusals_alone_keep_nothing_known(every_s: float) -> None:
    gate, now_s, last = taught(0.004), 100.0, True
    while now_s < 101.01:
        now_s += every_s
        last = refused(gate, 0.001, at_s=now_s)
    assert not last


def test_refusals_that_differ_by_little_are_one() -> None:
    gate = taught(0.0041)
    first = gate.refuses(0.0011, busy_s=BUSY_S, now_s=100.1)
    assert first == gate.refuses(0.0013, busy_s=BUSY_S, now_s=100.1)
    assert first is not None


def test_a_server_that_has_become_fast_is_believed_soon() -> None:
    gate = taught(*[0.2] * 64)
    assert refused(gate, 0.05, at_s=100.1)
    for _ in range(60):
        gate.answered(0.01, now_s=100.1)
    assert not refused(gate, 0.05, at_s=100.2)


def test_a_server_that_has_become_slow_is_believed_within_a_second() -> None:
    gate = taught(0.001)
    for tenth in range(1, 12):
        gate.answered(0.2, now_s=100.0 + tenth / 10)
    assert refused(gate, 0.05, at_s=101.1)


@pytest.mark.parametrize("field", ["patience_s", "evidence_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, inf, nan])
def test_a_parameter_out_of_range_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        FrontPolicy(**{field: value})


@given(
    st.lists(st.floats(0.0, 10.0)), st.floats(0.0, 20.0), st.floats(0.0, 1.0), st.floats(0.0, 3.0)
)
def test_the_bar_keeps_out_what_would_be_refused(
    took_s: list[float], left_s: float, busy_s: float, later_s: float
) -> None:
    gate, now_s = taught(*took_s), 100.0 + later_s
    bar = gate.bar(busy_s=busy_s, now_s=now_s)
    kept_out = bar is not None and left_s < bar[0]
    assert kept_out == refused(gate, left_s, busy_s=busy_s, at_s=now_s)
    assert bar is None or bar[1].reason is Reason.OVERLOADED
