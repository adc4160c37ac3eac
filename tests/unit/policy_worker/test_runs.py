"""Batches that fail, overstay, or have lost everybody who waited."""

from math import inf

import pytest

from hasten_policy.batching.edf_queue import EdfQueue, WaitingCall
from hasten_policy.batching.margin import Margin
from hasten_policy.batching.model_state import ModelState
from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.reasons import Reason
from hasten_policy.timers import WakeAt, Woke
from hasten_policy.worker.events import (
    BatchEnded,
    CallCancelled,
    Deliver,
    LinkClosed,
    LinkOpened,
    ModelOpened,
    StopBatch,
)
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import (
    PretendedWorker,
    call,
    delivered,
    model,
    refusals,
    starts,
    worker,
)


def waiting(model_state: ModelState, call_id: int, *, rows: int) -> WaitingCall:
    return WaitingCall(
        call_id=call_id,
        link_id=0,
        model=model_state,
        rows=rows,
        size=1.0,
        shape_key=0,
        deadline_s=inf,
        slack_s=inf,
        arrived_s=0.0,
        order_s=inf,
        latest_start_s=inf,
        payload_bytes=1,
        priority=1,
    )


FAILED = {"failed": True}
STOPPED = {"failed": True, "terminated": True}


def with_batch_of(count: int, left_s: float = 5.0, **how: object) -> PretendedWorker:
    """A worker that runs, as batch 2, the calls 2 to `count` + 1."""
    pretended = worker(**how)  # type: ignore[arg-type]  # a test's shorthand
    pretended.send(call(1, 5.0))
    for call_id in range(2, count + 2):
        pretended.send(call(call_id, left_s))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert len(batch.call_ids) == count
    return pretended


def test_each_call_is_charged_its_share_of_the_batch_by_rows() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 5.0, rows=3))
    pretended.send(call(3, 5.0, rows=1))
    pretended.send(BatchEnded(1, 0.011))
    effects = pretended.send(BatchEnded(2, 0.016))
    shares = {e.call_id: e.service_s for e in effects if isinstance(e, Deliver)}
    assert shares == {2: pytest.approx(0.012), 3: pytest.approx(0.004)}


def test_a_call_that_fails_alone_is_told_the_models_error() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    assert pretended.send(BatchEnded(1, 0.01, **FAILED)) == [Deliver(1, 0.01, failed=True)]


def test_of_a_failed_batch_only_the_poisoned_call_fails() -> None:
    pretended = worker(fails=lambda ids: 4 in ids)
    for call_id in range(1, 7):
        pretended.send(call(call_id, 5.0))
    pretended.run()
    assert [call_id for call_id, end in pretended.ended.items() if end.failed] == [4]
    assert sorted(pretended.on_time()) == [1, 2, 3, 5, 6]
    alone = [batch.call_ids for _, batch in pretended.batches[2:]]
    assert sorted(alone) == [(2,), (3,), (4,), (5,), (6,)]


def test_a_call_that_ran_while_its_model_was_loaded_anew_with_smaller_batches_is_refused() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 5.0, rows=3))
    pretended.send(call(3, 5.0, rows=1))
    pretended.send(BatchEnded(1, 0.011))
    pretended.send(ModelOpened(model(batch_max=1)))
    effects = pretended.send(BatchEnded(2, 0.016, **FAILED))
    assert refusals(effects) == {2: Reason.BATCH_TOO_LARGE}
    assert [batch.call_ids for batch in starts(effects)] == [(3,)]


def test_the_backlog_of_calls_that_run_alone_counts_them_and_not_their_rows_only() -> None:
    spec = model()
    state = ModelState(spec, PredictionPolicy(), BatchingPolicy(), lanes=1, margin=Margin())
    queue = EdfQueue(state, 1, solo=True)
    two = [waiting(state, call_id, rows=1) for call_id in (1, 2)]
    for one in two:
        queue.push(one)
    apart_s = queue.clear_s()
    for one in two:
        queue.remove(one)
    queue.push(waiting(state, 3, rows=2))
    assert queue.clear_s() < apart_s


def test_a_call_of_a_failed_batch_without_time_to_run_again_hears_that_it_was_begun() -> None:
    pretended = with_batch_of(3, left_s=0.05)
    pretended.now_s = 0.045
    effects = pretended.send(BatchEnded(2, 0.03, **FAILED))
    assert refusals(effects) == dict.fromkeys((2, 3, 4), Reason.DEADLINE_PASSED)
    assert all(effect.refusal.started for effect in effects)  # type: ignore[union-attr]  # all Refuse


def test_a_batch_must_begin_before_the_first_deadline_of_its_calls() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 0.5))
    pretended.send(call(3, 0.3))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert sorted(batch.call_ids) == [2, 3]
    assert batch.begin_by_s == pytest.approx(0.3)
    assert starts(worker().send(call(1)))[0].begin_by_s == inf


def test_of_a_batch_that_no_lane_came_to_in_time_those_run_that_still_can() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    for call_id, left_s in ((2, 0.5), (3, 0.3), (4, 5.0)):
        pretended.send(call(call_id, left_s))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    pretended.now_s = 0.31
    effects = pretended.send(BatchEnded(batch.batch_id, 0.0, begun=False))
    assert refusals(effects) == {3: Reason.SHED_BEFORE_START}
    [again] = starts(effects)
    assert sorted(again.call_ids) == [2, 4]
    assert sorted(delivered(pretended.send(BatchEnded(again.batch_id, 0.012)))) == [2, 4]


def test_a_call_that_was_run_once_hears_so_although_its_second_batch_was_not_begun() -> None:
    pretended = with_batch_of(2, left_s=0.5)
    effects = pretended.send(BatchEnded(2, 0.011, **FAILED))
    [alone] = starts(effects)
    [call_id] = alone.call_ids
    pretended.now_s = 0.6
    effects = pretended.send(BatchEnded(alone.batch_id, 0.0, begun=False))
    assert refusals(effects)[call_id] is Reason.DEADLINE_PASSED


def test_a_batch_that_was_not_begun_says_nothing_of_how_long_a_run_takes() -> None:
    pretended = worker()
    before_s = pretended.machine.predictor("m/1").typical_s(1, 1.0)
    pretended.send(call(1, 0.1))
    pretended.now_s = 0.2
    pretended.send(BatchEnded(1, 0.0, begun=False))
    assert pretended.machine.predictor("m/1").typical_s(1, 1.0) == before_s


def test_a_run_that_overstays_is_stopped_and_its_only_call_refused() -> None:
    pretended = worker(model(run_s_max=0.5), run_s=lambda _key, _rows: 60.0)
    pretended.send(call(1))
    pretended.run()
    assert pretended.ended[1].reason is Reason.RUN_OVERSTAYED
    assert pretended.ended[1].at_s == pytest.approx(0.5)


def test_the_calls_of_a_batch_that_overstayed_are_tried_alone_once() -> None:
    spec = model(run_s_max=0.5)
    pretended = worker(spec, run_s=lambda _key, rows: 60.0 if rows > 1 else 0.01)
    for call_id in (1, 2, 3):
        pretended.send(call(call_id))
    pretended.run()
    assert pretended.on_time() == [1, 2, 3]
    assert [batch.rows for _, batch in pretended.batches] == [1, 2, 1, 1]


def test_calls_that_overstay_again_alone_are_refused() -> None:
    pretended = worker(model(run_s_max=0.5), run_s=lambda _key, _rows: 60.0)
    for call_id in (1, 2, 3):
        pretended.send(call(call_id))
    pretended.run()
    assert {end.reason for end in pretended.ended.values()} == {Reason.RUN_OVERSTAYED}
    assert len(pretended.batches) == 4


def test_a_model_without_limit_of_its_own_is_watched_by_what_it_usually_takes() -> None:
    policy = WorkerPolicy(watchdog_factor=20.0, watchdog_min_s=0.1)
    pretended = worker(model(run_s_max=inf), policy=policy, run_s=lambda _key, _rows: 60.0)
    pretended.send(call(1))
    pretended.run()
    assert 0.2 < pretended.ended[1].at_s < 0.3


def test_a_run_is_stopped_soon_after_all_its_deadlines_have_passed() -> None:
    pretended = worker(run_s=lambda _key, _rows: 60.0)
    pretended.send(call(1, 0.2))
    pretended.run()
    assert pretended.ended[1].reason is Reason.DEADLINE_PASSED
    assert pretended.ended[1].at_s == pytest.approx(0.3)


def test_a_run_goes_on_while_one_of_its_calls_has_time() -> None:
    pretended = worker(run_s=lambda _key, _rows: 2.0)
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 3.0))
    pretended.send(call(3, 9.0))
    pretended.run()
    assert sorted(pretended.on_time()) == [1, 3]
    # The late answer is sent all the same: whoever still waits may use it.
    assert pretended.ended[2].reason is None


def test_a_stopped_run_teaches_that_the_model_has_become_slow() -> None:
    spec = model(batch_max=1, profile=((1, 1, 0.01),) * 5)
    pretended = worker(spec, run_s=lambda _key, _rows: 60.0)
    for index in range(300):
        pretended.at(0.2 * index, call(index + 1, 0.05))
    pretended.run(until_s=60.0)
    reasons = [end.reason for end in pretended.ended.values()]
    assert Reason.DEADLINE_INFEASIBLE in reasons
    # From then on one spell of silence after another lets a few calls find out anew.
    assert len(pretended.batches) < 60


def test_a_stopped_run_that_succeeded_all_the_same_is_delivered() -> None:
    pretended = worker()
    pretended.send(call(1, 0.2))
    pretended.now_s = 0.31
    assert StopBatch(1) in pretended.send(Woke())
    assert delivered(pretended.send(BatchEnded(1, 0.31, terminated=True))) == [1]


def test_a_run_for_which_nobody_waits_is_stopped_at_once_and_only_once() -> None:
    pretended = with_batch_of(2)
    assert StopBatch(2) not in pretended.send(CallCancelled(2))
    assert pretended.send(CallCancelled(3)) == [StopBatch(2)]
    assert not pretended.send(CallCancelled(3))
    assert not delivered(pretended.send(BatchEnded(2, 0.02, **STOPPED)))
    assert pretended.machine.running == 0


def test_a_cancelled_member_of_a_batch_is_not_delivered() -> None:
    pretended = with_batch_of(3)
    pretended.send(CallCancelled(3))
    assert delivered(pretended.send(BatchEnded(2, 0.02))) == [2, 4]


def test_a_survivor_of_a_failed_batch_is_not_blamed_for_those_who_left() -> None:
    pretended = with_batch_of(2)
    pretended.send(CallCancelled(2))
    effects = pretended.send(BatchEnded(2, 0.02, **FAILED))
    assert starts(effects)[0].call_ids == (3,)


def test_a_run_that_ignores_its_stop_holds_its_lane_but_not_its_calls() -> None:
    pretended = worker(model(run_s_max=0.5), run_s=lambda _key, _rows: 60.0, obeys_stop=False)
    pretended.send(call(1))
    pretended.send(call(2))
    pretended.run(until_s=10.0)
    assert pretended.ended[1].reason is Reason.RUN_OVERSTAYED
    assert pretended.ended[1].at_s == pytest.approx(1.5)
    assert pretended.machine.running == 1
    assert len(pretended.batches) == 1
    pretended.run(until_s=61.0)
    assert len(pretended.batches) == 2


def test_a_closed_link_takes_its_calls_along() -> None:
    pretended = worker()
    pretended.send(LinkOpened(1))
    pretended.send(LinkOpened(2))
    pretended.send(call(1, 5.0, link_id=1))
    pretended.send(call(2, 5.0, link_id=1))
    pretended.send(call(3, 5.0, link_id=2))
    assert pretended.send(LinkClosed(1)) == [StopBatch(1)]
    assert pretended.machine.waiting == 1
    assert starts(pretended.send(BatchEnded(1, 0.005, **STOPPED)))[0].call_ids == (3,)


def test_the_end_of_an_unknown_batch_is_ignored() -> None:
    assert worker().send(BatchEnded(77, 1.0)) == []


def test_answers_heard_late_make_the_margin_grow() -> None:
    pretended = worker()
    for index in range(400):
        pretended.now_s = float(index)
        pretended.send(call(index + 1, 5.0))
        pretended.now_s += 0.016
        pretended.send(BatchEnded(index + 1, 0.011))
    assert pretended.machine._batcher.margin.seconds == pytest.approx(0.006, abs=0.0005)


def test_a_timer_is_asked_for_only_when_it_must_ring_earlier() -> None:
    pretended = worker()
    pretended.send(call(1, 50.0))
    first = [e for e in pretended.send(call(2, 2.0)) if isinstance(e, WakeAt)]
    later = [e for e in pretended.send(call(3, 3.0)) if isinstance(e, WakeAt)]
    assert len(first) == 1
    assert not later
