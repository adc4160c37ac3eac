"""What the load test says of a set of outcomes."""

import pytest

from loadtest.call import Outcome
from loadtest.summary import normal_after_s, summarise


def ended(due_s: float, status: str = "OK", reason: str = "", took_s: float = 0.01) -> Outcome:
    return Outcome(due_s, 0.001, took_s, status, reason)


def test_a_miss_of_an_admitted_call_is_no_refusal() -> None:
    summary = summarise(
        [
            *[ended(0.0)] * 97,
            ended(0.0, "RESOURCE_EXHAUSTED", "OVERLOADED", took_s=0.002),
            ended(0.0, "DEADLINE_EXCEEDED", "SHED_BEFORE_START", took_s=0.05),
            ended(0.0, "DEADLINE_EXCEEDED", "DEADLINE_PASSED", took_s=0.05),
            ended(0.0, "DEADLINE_EXCEEDED", took_s=0.05),  # by this side's own clock
            ended(0.0, "DEADLINE_EXCEEDED", "DEADLINE_INFEASIBLE", took_s=0.002),
        ]
    )
    assert summary.refused == {"DEADLINE_INFEASIBLE": 1, "OVERLOADED": 1}
    assert summary.missed == {
        "DEADLINE_EXCEEDED": 1,
        "DEADLINE_PASSED": 1,
        "SHED_BEFORE_START": 1,
    }
    assert summary.missed_share == pytest.approx(0.03)
    assert summary.refusal_ms[1] == pytest.approx(2.0)
    assert summary.sent_late_ms == pytest.approx((1.0, 1.0))


def test_nothing_offered_is_no_division_by_zero() -> None:
    assert summarise([]).missed_share == 0.0
    assert normal_after_s([]) == 0.0


def test_all_is_normal_again_after_the_last_window_with_more_than_a_few_failures() -> None:
    outcomes = [
        ended(number / 100, "OK" if number >= 60 or number == 30 else "RESOURCE_EXHAUSTED")
        for number in range(400)
    ]
    assert normal_after_s(outcomes) == 1.0
    outcomes[300] = ended(3.0, "RESOURCE_EXHAUSTED")  # one of fifty is 2 %
    assert normal_after_s(outcomes) == 1.0
    assert normal_after_s(outcomes[60:240]) == 0.0
