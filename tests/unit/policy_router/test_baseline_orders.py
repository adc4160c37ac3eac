"""Routers with another order, without late binding, without deadlines."""

from math import inf

import pytest

from hasten_policy.ordering.hold_queue import AdaptiveLifoQueue
from hasten_policy.router.events import Send
from tests.unit.policy_router.harness import Router, router, sends


class Waiting:
    """What the queue needs of a call."""

    def __init__(self, call_id: int) -> None:
        self.call_id = call_id
        self.order_s = float(call_id)
        self.cost_s = 1.0


def test_adaptive_lifo_turns_round_while_many_wait() -> None:
    queue: AdaptiveLifoQueue[Waiting] = AdaptiveLifoQueue(above=3)
    calls = [Waiting(call_id) for call_id in range(5)]
    for call in calls:
        queue.push(call)
    assert [call.call_id for call in queue.first(2)] == [4, 3]
    assert [call.call_id for call in queue.first(9)] == [4, 3, 2, 1, 0]
    queue.remove(calls[4])
    queue.remove(calls[3])
    assert [call.call_id for call in queue.first(2)] == [0, 1]


def test_a_plain_proxy_sends_at_once_whatever_the_worker_grants() -> None:
    made = router("a", late_binding=False, admission="open")
    made.report("a", window=0)
    for call_id in range(1, 50):
        assert sends(made.call(call_id)) == [(call_id, "a")]
    assert made.machine.held == 0


def test_a_plain_proxy_still_gives_a_draining_worker_nothing() -> None:
    made = router("a", "b", late_binding=False, admission="open")
    made.report("a", draining=True)
    assert {sends(made.call(call_id))[0][1] for call_id in range(1, 20)} == {"b"}


def blind(**policy: object) -> Router:
    made = router("a", keeps_deadlines=False, admission="open", **policy)
    made.report("a", window=0)
    return made


def test_a_router_without_deadlines_sheds_nothing_and_passes_none_on() -> None:
    made = blind(order="fifo")
    for call_id, left_s in enumerate((0.001, -1.0, 0.2), start=1):
        made.call(call_id, left_s)
    made.pass_time(5.0)
    assert made.machine.held == 3
    assert not made.ended
    sent = [effect for effect in made.report("a", window=3) if isinstance(effect, Send)]
    assert [(effect.call_id, effect.deadline_s) for effect in sent] == [
        (1, inf),
        (2, inf),
        (3, inf),
    ]


def test_the_order_may_still_go_by_deadline() -> None:
    made = blind(order="edf")
    for call_id, left_s in enumerate((3.0, 1.0, 2.0), start=1):
        made.call(call_id, left_s)
    made.pass_time(10.0)
    assert [call_id for call_id, _ in sends(made.report("a", window=3))] == [2, 3, 1]


@pytest.mark.parametrize("admission", ["plan", "open"])
def test_the_plan_has_nothing_to_plan_by(admission: str) -> None:
    made = router("a", keeps_deadlines=False, admission=admission)
    made.report("a", window=0, backlog_s=100.0)
    made.call(1, 0.01)
    assert made.machine.held == 1
