"""Calls that wait in the router."""

from math import inf

from hasten_policy.reasons import Reason
from hasten_policy.router.events import CallAbandoned
from hasten_policy.timers import COMPACT_ABOVE, Timers
from tests.unit.policy_router.harness import Router, model, refusals, revokes, router, sends


def full(**policy: object) -> Router:
    """A router whose only worker grants nothing."""
    made = router("w", **policy)
    made.report("w", window=0)
    return made


def test_the_earliest_deadline_goes_first() -> None:
    made = full()
    for call_id, left_s in enumerate([9.0, 3.0, inf, 5.0, 3.0]):
        made.call(call_id, left_s)
    assert [call for call, _ in sends(made.report("w", window=5))] == [1, 4, 3, 0, 2]


def test_urgency_puts_a_call_forward_by_a_share_of_its_slack_only() -> None:
    made = full()
    made.call(1, 1.0, priority=3)
    made.call(2, 1.5, priority=0)
    made.call(3, 3.0, priority=0)
    assert [call for call, _ in sends(made.report("w", window=5))] == [2, 1, 3]


def test_a_held_call_is_shed_at_its_latest_start_without_a_word_from_any_worker() -> None:
    made = full()
    made.call(1, 0.5)
    assert refusals(made.pass_time(0.488)) == {}
    assert refusals(made.pass_time(0.002)) == {1: Reason.SHED_BEFORE_START}
    assert made.machine.held == 0


def test_a_call_that_is_sent_is_refused_and_revoked_at_its_deadline() -> None:
    made = router("w")
    made.call(1, 0.5)
    assert refusals(made.pass_time(0.499)) == {}
    effects = made.pass_time(0.001)
    assert refusals(effects) == {1: Reason.DEADLINE_PASSED}
    assert revokes(effects) == [(1, "w")]


def test_a_caller_that_leaves_frees_its_credit_for_the_next() -> None:
    made = router("w")
    made.report("w", window=1)
    made.call(1)
    made.call(2)
    effects = made.tell(CallAbandoned(1))
    assert (revokes(effects), sends(effects)) == ([(1, "w")], [(2, "w")])
    assert made.tell(CallAbandoned(1)) == []
    made.tell(CallAbandoned(2))
    assert (made.machine.held, made.machine.in_flight) == (0, 0)


def test_a_call_is_not_given_to_a_worker_too_slow_for_it_but_others_behind_it_are() -> None:
    made = Router()
    made.join("fast", model(best_s=0.01), window=0)
    made.join("slow", model(best_s=0.4), window=0)
    made.call(1, 0.3, priority=0)
    made.call(2, 9.0)
    assert sends(made.report("slow", model(best_s=0.4), window=1)) == [(2, "slow")]
    assert sends(made.report("fast", model(best_s=0.01), window=1)) == [(1, "fast")]


def test_calls_held_for_a_model_that_nobody_has_any_more_are_refused_and_forgotten() -> None:
    made = full()
    made.call(1)
    assert refusals(made.report("w", model("other"))) == {1: Reason.NO_WORKER}
    assert refusals(made.call(2)) == {2: Reason.MODEL_NOT_FOUND}
    assert not made.machine.knows("m", "")


def test_timers_of_calls_that_have_ended_do_not_pile_up() -> None:
    made = router("w")
    for call_id in range(3 * COMPACT_ABOVE):
        made.call(call_id, 3600.0)
        made.answer(call_id, "w")
        if call_id % 512 == 0:
            made.report("w")
            made.pass_time(0.2)
    assert len(made.machine._state.timers) <= COMPACT_ABOVE + 1024


def test_timers_come_due_in_order_and_drop_the_dead_only_when_there_are_many() -> None:
    timers: Timers[int] = Timers()
    for number in range(COMPACT_ABOVE + 11):
        timers.push(float(-number), 0, number)
    timers.compact(0, lambda _kind, subject: subject < 10)
    assert len(timers) == 10
    assert timers.next_s() == -9.0
    assert timers.pop_due(-10.0) is None
    assert [timers.pop_due(0.0) for _ in range(3)] == [(0, 9), (0, 8), (0, 7)]
