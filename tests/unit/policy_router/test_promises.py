"""A call that is let in does not cost another its promise."""

from hasten_policy.reasons import Reason
from hasten_policy.router.events import Send
from tests.unit.policy_router.harness import Router, model

SLOW = model("slow", alpha_s=0.306, beta_s=0.0, best_s=0.3, batch_max=1, service_s=0.3)


def one_slow_worker() -> Router:
    made = Router()
    made.join("w", SLOW, window=2)
    return made


def test_of_twenty_calls_with_room_for_three_three_are_admitted_and_the_rest_refused_at_once() -> (
    None
):
    made = one_slow_worker()
    for call_id in range(20):
        made.call(call_id, 1.0, model="slow")
    assert made.machine.in_flight == 2
    assert made.machine.held == 1
    assert [made.reason(call_id) for call_id in range(3, 20)] == [Reason.OVERLOADED] * 17


def test_a_slightly_earlier_deadline_does_not_push_out_a_call_that_was_admitted() -> None:
    made = one_slow_worker()
    for call_id in range(3):
        made.call(call_id, 1.0, model="slow")
    made.call(3, 0.9999, model="slow")
    assert made.reason(3) is Reason.OVERLOADED
    assert made.machine.held == 1


def test_a_more_urgent_call_may_go_before_a_less_urgent_one() -> None:
    made = one_slow_worker()
    for call_id in range(3):
        made.call(call_id, 1.0, model="slow")
    made.call(3, 0.99, model="slow", priority=0)
    assert made.reason(3) is None
    assert made.machine.held == 2


def test_the_worker_is_told_to_be_done_before_the_way_back() -> None:
    made = one_slow_worker()
    sent = [effect for effect in made.call(0, 1.0, model="slow") if isinstance(effect, Send)]
    assert made.now_s + 0.9 <= sent[0].deadline_s < made.now_s + 1.0
