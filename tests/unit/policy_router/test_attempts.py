"""What becomes of a call whose attempt fails, is lost or is slow."""

import pytest

from hasten_policy.fleet.events import WorkerLost
from hasten_policy.fleet.retry_budget import RetryBudget
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import AttemptRefused, Send
from tests.unit.policy_router.harness import (
    Router,
    delivers,
    model,
    names,
    refusals,
    revokes,
    router,
    sends,
    standings,
)


def other_than(worker_id: str) -> str:
    return "b" if worker_id == "a" else "a"


@pytest.mark.parametrize("reason", [Reason.DRAINING, Reason.QUEUE_FULL, Reason.OVERLOADED])
def test_a_refusal_that_another_worker_may_not_repeat_is_tried_elsewhere_once(
    reason: Reason,
) -> None:
    made = router("a", "b", "c")
    ((_, first),) = sends(made.call(1, 1.0))
    retry = made.turn_down(1, first, reason)
    ((_, second),) = sends(retry)
    assert second != first
    assert [e.attempt for e in retry if isinstance(e, Send)] == [2]
    assert delivers(made.turn_down(1, second, reason)) == [1]


@pytest.mark.parametrize("reason", [Reason.INVALID_REQUEST, Reason.SHAPE_MISMATCH])
def test_a_refusal_of_what_was_sent_is_handed_on_unchanged(reason: Reason) -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1, 1.0))
    assert delivers(made.turn_down(1, first, reason)) == [1]


def test_retries_keep_to_their_budget() -> None:
    made = router(*names(3), retry_per_s=0.0, retry_share=0.2)
    retried = 0
    for call_id in range(100):
        ((_, worker),) = sends(made.call(call_id, 1.0))
        again = sends(made.turn_down(call_id, worker, Reason.QUEUE_FULL))
        retried += len(again)
        for _, second in again:
            made.answer(call_id, second)
    assert 18 <= retried <= 20
    assert len(made.ended) == 100


def test_what_was_earned_for_retries_expires() -> None:
    budget = RetryBudget(1.0, 0.0, life_s=10.0)
    budget.earn(5.0)
    budget.earn(5.0)
    assert budget.try_spend(12.0)
    assert not budget.try_spend(16.1)


def test_a_call_that_was_begun_and_may_not_run_twice_is_not_retried() -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1, 1.0, idempotent=False))
    assert delivers(made.turn_down(1, first, Reason.WORKER_LOST, started=True)) == [1]


def test_calls_of_a_lost_worker_go_elsewhere_and_its_late_answers_are_ignored() -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1, 1.0))
    effects = made.tell(WorkerLost(first))
    assert sends(effects) == [(1, other_than(first))]
    assert standings(effects) == [(first, "gone")]
    assert made.answer(1, first) == []
    assert delivers(made.answer(1, other_than(first))) == [1]
    assert made.answer(1, other_than(first)) == []


def test_calls_of_the_last_worker_are_refused_when_it_is_lost() -> None:
    made = router("a")
    made.call(1, 1.0)
    made.call(2, 1.0, idempotent=False)
    lost = refusals(made.tell(WorkerLost("a")))
    assert lost == {1: Reason.WORKER_LOST, 2: Reason.WORKER_LOST}


def test_a_worker_that_joins_again_was_lost_before() -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1, 1.0))
    assert sends(made.join(first)) == [(1, other_than(first))]


def test_calls_of_a_process_that_was_replaced_go_elsewhere() -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1))
    made.report(first, depth=7, received=1)
    effects = made.report(first, incarnation="b", seq=1, received=0)
    assert sends(effects) == [(1, other_than(first))]
    assert made.answer(1, first) == []
    view = next(v for v in made.machine.views(now_s=made.now_s) if v.worker_id == first)
    assert view.report is not None
    assert (view.in_flight, view.report.load.depth) == (0, 0)
    assert sends(made.call(2)) == [(2, first)], "the new process is the less loaded"


def keep_alive(made: Router, *worker_ids: str, seconds: float) -> list[object]:
    """Lets time pass while only these workers report."""
    effects: list[object] = []
    for _ in range(int(seconds / 0.1)):
        effects += made.pass_time(0.1)
        for worker_id in worker_ids:
            effects += made.report(worker_id)
    return effects


def test_a_silent_worker_is_suspected_and_its_calls_are_rescued() -> None:
    made = router("a", "b", "c")
    ((_, silent),) = sends(made.call(1, 10.0))
    rest = [w for w in ("a", "b", "c") if w != silent]
    effects = keep_alive(made, *rest, seconds=1.5)
    assert made.standing(silent) == "suspect"
    assert (1, silent) in revokes(effects)  # type: ignore[arg-type]  # effects of all kinds
    ((_, second),) = sends(effects)  # type: ignore[arg-type]  # as above
    assert second in rest
    late = made.answer(1, silent)
    assert delivers(late) == []
    assert made.standing(silent) == "ready"
    assert delivers(made.answer(1, second)) == [1]


def test_a_call_taken_from_a_silent_worker_is_refused_when_there_is_no_place_to_wait() -> None:
    made = router("a", "b", "c", hold_calls_max=1)
    ((_, silent),) = sends(made.call(1))
    rest = [w for w in ("a", "b", "c") if w != silent]
    for _ in range(15):
        made.pass_time(0.1)
        for worker_id in rest:
            made.report(worker_id, window=0)
        if made.machine.held == 0 and made.now_s < 100.9:
            made.report(silent, window=0)
            made.call(2)
    made.pass_time(1.0)
    assert made.standing(silent) == "suspect"
    state = made.machine._state
    assert all(call.held or call.first is not None for call in state.calls.values())


def test_when_most_workers_seem_silent_nobody_is_suspected() -> None:
    made = router("a", "b", "c")
    made.call(1, 10.0)
    effects = made.pass_time(3.0)
    assert standings(effects) == []
    assert len(sends(made.call(2))) == 1


def test_a_call_never_comes_to_the_same_worker_twice() -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1, 60.0))
    second = other_than(first)
    made.report(second, window=0)
    made.turn_down(1, first, Reason.QUEUE_FULL)
    assert made.machine.held == 1
    assert sends(made.report(first)) == [], "it has been there"
    assert sends(made.report(second)) == [(1, second)]


# --- ejection -------------------------------------------------------------------------


def fail(made: Router, worker_id: str, count: int, first_id: int) -> list[object]:
    """Lets calls fail on one worker, whatever the others do."""
    effects: list[object] = []
    call_id = first_id
    failed = 0
    while failed < count and call_id < first_id + 400:
        for _, worker in sends(made.call(call_id, 5.0)):
            if worker == worker_id:
                failed += 1
                effects += made.turn_down(call_id, worker, Reason.INTERNAL)
            else:
                made.answer(call_id, worker)
        call_id += 1
    return effects


def test_five_failures_in_a_row_eject_a_worker_for_a_while() -> None:
    made = router(*names(4), slow_start_s=0.0)
    effects = fail(made, "w001", 5, 0)
    assert standings(effects) == [("w001", "ejected")]  # type: ignore[arg-type]  # effects of all kinds
    keep_alive(made, *names(4), seconds=11.0)
    assert made.standing("w001") == "ready"


def test_the_last_open_worker_of_a_version_is_never_ejected() -> None:
    made = Router()
    first = model(version="1", serves_unversioned=True)
    made.join("a", first, model(version="2", serves_unversioned=False))
    made.join("b", first)
    made.join("c", first)
    fail(made, "a", 9, 0)
    assert made.standing("a") == "ready"
    fail(made, "b", 9, 1000)
    assert made.standing("b") == "ejected"


def test_no_more_than_a_share_of_the_pool_is_ejected() -> None:
    made = router(*names(4))
    fail(made, "w000", 6, 0)
    fail(made, "w001", 6, 1000)
    assert sorted(made.standing(w) for w in names(4)) == ["ejected", "ready", "ready", "ready"]


# --- hedging --------------------------------------------------------------------------


def test_a_slow_call_is_sent_twice_the_first_answer_wins_and_the_loser_is_revoked() -> None:
    made = router("a", "b", hedge_share=1.0)
    ((_, first),) = sends(made.call(1, 1.0))
    assert sends(made.pass_time(0.01)) == [(1, other_than(first))]
    effects = made.answer(1, other_than(first))
    assert delivers(effects) == [1]
    assert revokes(effects) == [(1, first)]
    assert made.answer(1, first) == []
    assert made.machine.in_flight == 0


def test_a_hedge_that_fails_leaves_the_first_attempt_alone() -> None:
    made = router("a", "b", hedge_share=1.0)
    ((_, first),) = sends(made.call(1, 1.0))
    made.pass_time(0.01)
    assert made.turn_down(1, other_than(first), Reason.QUEUE_FULL) == []
    assert delivers(made.answer(1, first)) == [1]


def test_hedges_keep_to_their_budget_and_stop_while_calls_are_refused() -> None:
    made = router(*names(4), hedge_share=0.1)
    hedged = 0
    for call_id in range(50):
        ((_, worker),) = sends(made.call(call_id, 1.0))
        hedged += len(sends(made.pass_time(0.01)))
        made.answer(call_id, worker)
    assert 1 <= hedged <= 5
    for worker_id in names(4):
        made.report(worker_id, depth=4, backlog_s=0.4)
    assert refusals(made.call(100, 0.2)) == {100: Reason.OVERLOADED}
    made.tell(WorkerLost("w003"))
    for call_id in range(101, 120):
        made.call(call_id, 5.0)
    assert sends(made.pass_time(0.02)) == []


def test_hedging_is_off_unless_asked_for() -> None:
    made = router("a", "b")
    made.call(1, 1.0)
    assert sends(made.pass_time(0.5)) == []


def test_an_attempt_that_nobody_knows_changes_nothing() -> None:
    made = router("a")
    assert made.answer(77, "a") == []
    assert made.answer(77, "nobody") == []
    refusal = Refusal(Reason.INTERNAL, "?")
    assert made.tell(AttemptRefused(77, "nobody", None, refusal)) == []
    assert made.tell(WorkerLost("nobody")) == []


def test_a_call_that_waits_for_the_one_worker_it_has_not_been_to_does_not_wait_for_ever() -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1))
    second = other_than(first)
    made.report(second, window=0)
    made.turn_down(1, first, Reason.QUEUE_FULL)
    assert made.machine.held == 1
    assert refusals(made.tell(WorkerLost(second))) == {1: Reason.NO_WORKER}
