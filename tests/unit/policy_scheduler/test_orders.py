"""Where new tasks stand."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.scheduler.orders import TASK_ORDERS, TaskFacts, task_place
from hasten_policy.scheduler.policy import OrderPolicy

NOW_S = 1_800_000_000.0
SLACK = st.floats(0.01, 10_000.0)
CLASS = st.integers(0, 3)


def place(order: str, at_s: float, **facts: float) -> float:
    values = {"left_s": 10.0, "priority": 1, **facts}
    factor, offset = task_place(OrderPolicy(order=order), TaskFacts(**values))  # type: ignore[arg-type]  # a test's shorthand
    return factor * (NOW_S + at_s) + offset


@given(SLACK, SLACK, CLASS)
def test_of_one_class_the_earlier_deadline_goes_first(one: float, two: float, of: int) -> None:
    if abs(one - two) > 1e-3:
        goes_first = place("edf", 0, left_s=one, priority=of) < place(
            "edf", 0, left_s=two, priority=of
        )
        assert goes_first == (one < two)


@given(SLACK, CLASS, CLASS)
def test_a_class_brings_a_task_forward_by_half_its_slack_at_most(
    left_s: float, one: int, two: int
) -> None:
    apart = place("edf", 0, left_s=left_s, priority=one) - place(
        "edf", 0, left_s=left_s, priority=two
    )
    assert abs(apart) <= 0.5 * left_s + 1e-6
    assert apart <= 0 or one >= two


def test_a_task_without_a_deadline_stands_where_its_class_says() -> None:
    policy = OrderPolicy(order_bias=(0.0,) * 4, no_deadline_order_s=(1.0, 2.0, 3.0, 4.0))
    for priority in range(4):
        assert task_place(policy, TaskFacts(inf, priority)) == (1.0, priority + 1.0)


def test_the_shortest_period_goes_first_and_the_first_of_two_alike() -> None:
    assert place("rate_monotonic", 99, period_s=1.0) < place("rate_monotonic", 0, period_s=1.1)
    assert place("rate_monotonic", 0, period_s=60.0) < place("rate_monotonic", 0.05, period_s=60.0)
    assert place("rate_monotonic", 0, left_s=3.0) < place("rate_monotonic", 0, left_s=4.0)


def test_waiting_makes_up_for_a_class() -> None:
    late_and_urgent = place("priority", 59.0, priority=0)
    assert late_and_urgent < place("priority", 0.0, priority=1)
    assert place("priority", 0.0, priority=1) < place("priority", 61.0, priority=0)


def test_first_come_first_served_looks_at_nothing_else() -> None:
    for order in ("fifo", "weighted_fair"):
        assert place(order, 1.0, priority=0, left_s=0.1) > place(order, 0.0, priority=3)
        assert TASK_ORDERS.get(order).strict == (order == "weighted_fair")


AGEING = [name for name in TASK_ORDERS.names if name != "rate_monotonic"]
"""Fixed priorities starve by design; the others do not."""


@pytest.mark.parametrize("order", AGEING)
@given(st.floats(0.001, 1e9), SLACK, CLASS)
def test_a_task_that_waits_long_enough_is_overtaken_no_more(
    order: str, later_s: float, left_s: float, priority: int
) -> None:
    bound_s = 3 * 60.0 + 10_000.0
    early, late = place(order, 0, left_s=left_s, priority=priority), place(order, bound_s + later_s)
    assert early < late
