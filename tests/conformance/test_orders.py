"""What every order of held calls promises, whatever it goes by."""

from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hasten_policy.ordering.hold_queue import HoldQueue
from hasten_policy.ordering.orders import LIFO_ABOVE, ORDERS
from hasten_policy.registry import names
from tests.unit.policy_router.harness import router, sends

every_order = pytest.mark.parametrize("name", names("order"))


@dataclass
class Held:
    """What a queue needs of a call."""

    order_s: float
    call_id: int
    cost_s: float


held_calls = st.lists(
    st.tuples(st.floats(-100.0, 100.0), st.floats(0.0, 1.0)), min_size=1, max_size=40
).flatmap(lambda few: st.sampled_from([few, few * (1 + 2 * LIFO_ABOVE // len(few))]))
"""A few, or so many that adaptive LIFO turns round."""


def filled(name: str, values: list[tuple[float, float]]) -> tuple["HoldQueue[Held]", list[Held]]:
    queue: HoldQueue[Held] = ORDERS.get(name).queue()
    calls = [Held(order_s, at, cost_s) for at, (order_s, cost_s) in enumerate(values)]
    for call in calls:
        queue.push(call)
    return queue, calls


@every_order
@given(values=held_calls)
def test_what_comes_out_is_what_went_in(name: str, values: list[tuple[float, float]]) -> None:
    queue, calls = filled(name, values)
    assert len(queue) == len(calls)
    out = []
    while queue:
        (call,) = queue.first(1)
        queue.remove(call)
        out.append(call.call_id)
    assert sorted(out) == [call.call_id for call in calls]
    assert queue.cost_s == 0.0


@every_order
@given(values=held_calls, count=st.integers(1, 20))
def test_the_first_are_distinct_and_begin_with_the_first(
    name: str, values: list[tuple[float, float]], count: int
) -> None:
    queue, calls = filled(name, values)
    first = [call.call_id for call in queue.first(count)]
    assert len(set(first)) == len(first) == min(count, len(calls))
    assert first[:1] == [call.call_id for call in queue.first(1)]


@every_order
@given(values=held_calls)
def test_who_goes_before_a_newcomer_and_who_behind_are_all_there_are(
    name: str, values: list[tuple[float, float]]
) -> None:
    queue, calls = filled(name, values)
    behind = queue.following(0.0, len(calls))
    ahead_s = queue.ahead_s(0.0)
    assert {call.call_id for call in behind} == {c.call_id for c in calls if c.order_s > 0.0}
    assert 0.0 <= ahead_s <= queue.cost_s + 1e-9


@every_order
def test_held_calls_all_get_their_turn(name: str) -> None:
    made = router("a", order=name, admission="open")
    made.report("a", window=0)
    slacks_s = [30.0, 10.0, 20.0, 5.0]
    for call_id, slack_s in enumerate(slacks_s, start=1):
        made.call(call_id, slack_s)
        made.pass_time(0.001)
    order = []
    for _ in slacks_s:
        ((call_id, _),) = sends(made.report("a", window=1))
        made.answer(call_id, "a", window=0)
        order.append(call_id)
    assert sorted(order) == [1, 2, 3, 4]
    assert order == {
        "edf": [4, 2, 3, 1],
        "fifo": [1, 2, 3, 4],
        "lifo": [4, 3, 2, 1],
        "adaptive_lifo": [1, 2, 3, 4],
    }.get(name, order)
