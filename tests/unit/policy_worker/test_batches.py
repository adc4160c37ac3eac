"""Which calls run together, when, and who is given up."""

from math import inf

import pytest

from hasten_policy.batching import BatchingPolicy
from hasten_policy.ordering.orders import due_s
from hasten_policy.priorities import LOWEST
from hasten_policy.reasons import Reason
from hasten_policy.timers import Woke
from hasten_policy.worker.events import (
    BatchEnded,
    CallCancelled,
    DrainBegan,
    ModelClosed,
    ModelOpened,
)
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import call, model, profile, refusals, starts, worker

QUANTILE = 0.75
PATIENT = WorkerPolicy(refuse_hopeless=False, batching=BatchingPolicy(start_quantile=QUANTILE))
"""Lets calls wait that the plan would refuse, to see what the batcher does with them."""


def test_a_call_starts_at_once_on_an_idle_worker() -> None:
    pretended = worker()
    [batch] = starts(pretended.send(call(1, 0.1)))
    assert (batch.call_ids, batch.rows, batch.padded_rows) == ((1,), 1, 1)
    assert batch.expected_s == pytest.approx(0.011)


def test_what_gathers_during_a_run_goes_together_earliest_deadline_first() -> None:
    pretended = worker()
    pretended.send(call(1, 1.0))
    for call_id, left_s in ((2, 0.9), (3, 0.5), (4, 0.7), (5, inf)):
        assert not starts(pretended.send(call(call_id, left_s)))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert batch.call_ids == (3, 4, 2, 5)


def test_shapes_and_models_do_not_mix() -> None:
    pretended = worker(model("m"), model("n"))
    pretended.send(call(1, 1.0))
    pretended.send(call(2, 1.0, shape_key=7))
    pretended.send(call(3, 1.0, shape_key=8))
    pretended.send(call(4, 1.0, shape_key=7, model_key="n/1"))
    pretended.send(call(5, 1.0, shape_key=7))
    pretended.run()
    together = [batch.call_ids for _, batch in pretended.batches]
    assert sorted(together) == [(1,), (2, 5), (3,), (4,)]


def test_a_batch_is_no_larger_than_lets_its_head_finish() -> None:
    pretended = worker(policy=PATIENT)
    pretended.send(call(1, 1.0))
    pretended.send(call(2, 0.0296))
    for call_id in range(3, 20):
        pretended.send(call(call_id, 5.0))
    pretended.now_s = 0.011
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    # 17.5 ms are left at the margin: ten milliseconds and five rows, with a sixth on top.
    assert batch.call_ids[0] == 2
    assert batch.rows == 5


def test_rows_count_not_calls() -> None:
    pretended = worker(model(batch_max=8))
    pretended.send(call(1, 1.0))
    for call_id, rows in ((2, 5), (3, 5), (4, 2), (5, 1)):
        pretended.send(call(call_id, 1.0, rows=rows))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert batch.call_ids == (2, 4, 5)
    assert batch.rows == 8


def test_batches_are_padded_up_to_the_sizes_that_the_model_has() -> None:
    pretended = worker(
        model(
            batch_max=8,
            batch_sizes=(1, 4, 8),
            profile=((1, 1, 0.011), (4, 4, 0.014), (8, 8, 0.018)) * 3,
        )
    )
    assert starts(pretended.send(call(1, 1.0)))[0].padded_rows == 1
    pretended.send(call(2, 1.0))
    pretended.send(call(3, 1.0))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert (batch.rows, batch.padded_rows) == (2, 4)
    assert batch.expected_s == pytest.approx(0.014)


def test_a_call_whose_last_moment_passes_while_the_lane_is_busy_is_shed_by_the_timer() -> None:
    pretended = worker(run_s=lambda _key, _rows: 5.0)
    pretended.send(call(1, 60.0))
    pretended.send(call(2, 0.100))
    pretended.run(until_s=1.0)
    assert pretended.ended[2].reason is Reason.SHED_BEFORE_START
    # 11 ms to run and 1 ms of margin before the deadline.
    assert pretended.ended[2].at_s == pytest.approx(0.088, abs=0.001)
    assert [batch.call_ids for _, batch in pretended.batches] == [(1,)]


def test_a_call_without_deadline_is_never_shed() -> None:
    pretended = worker(model(run_s_max=200.0), run_s=lambda _key, _rows: 50.0)
    pretended.send(call(1, 60.0))
    pretended.send(call(2))
    pretended.run()
    assert pretended.ended[2].reason is None


def test_a_call_without_deadline_is_passed_by_hurried_ones_but_not_for_ever() -> None:
    spec = model(batch_max=1, profile=((1, 1, 0.1),) * 3)
    policy = WorkerPolicy(batching=BatchingPolicy(no_deadline_age_s=2.0))
    pretended = worker(spec, policy=policy, run_s=lambda _key, _rows: 0.1)
    pretended.send(call(1, 1.0))
    pretended.send(call(2))
    for index in range(100):
        pretended.at(0.1 * index, call(3 + index, 0.5))
    pretended.run()
    order = [batch.call_ids[0] for _, batch in pretended.batches]
    waited_s = next(at_s for at_s, batch in pretended.batches if batch.call_ids == (2,))
    assert order.index(2) > 10
    assert 1.4 < waited_s < 2.1


def test_a_call_that_only_just_fits_runs_when_nothing_surer_waits() -> None:
    pretended = worker(model(batch_max=1, profile=((1, 1, 0.1),) * 3))
    predictor = pretended.machine.predictor("m/1")
    assert predictor.predict_s(1, 1.0, 0.5) < 0.109 < predictor.predict_s(1, 1.0, 0.75)
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 0.21))
    pretended.now_s = 0.1
    [batch] = starts(pretended.send(BatchEnded(1, 0.1)))
    assert batch.call_ids == (2,)


def test_a_call_that_only_just_fits_lets_a_surer_one_go_first() -> None:
    spec = model(batch_max=1, profile=((1, 1, 0.08), (1, 1, 0.1), (1, 1, 0.12)))
    pretended = worker(spec, policy=PATIENT)
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 0.21))
    pretended.send(call(3, 3.0))
    pretended.now_s = 0.1
    [batch] = starts(pretended.send(BatchEnded(1, 0.1)))
    assert batch.call_ids == (3,)


def test_under_overload_a_head_that_would_shrink_the_batch_is_given_up() -> None:
    pretended = worker(policy=PATIENT)
    pretended.send(call(1, 1.0))
    pretended.send(call(2, 0.1))
    pretended.send(call(3, 0.1))
    pretended.now_s = 0.075
    for call_id in range(4, 60):
        pretended.send(call(call_id, 0.1))
    # The two have 24 ms left, enough for a batch of fourteen; the others fill one of 32.
    effects = pretended.send(BatchEnded(1, 0.075))
    assert refusals(effects) == {2: Reason.SHED_BEFORE_START, 3: Reason.SHED_BEFORE_START}
    assert starts(effects)[0].rows == 32


def test_without_overload_a_hurried_head_runs_in_the_batch_it_can_carry() -> None:
    pretended = worker(policy=PATIENT)
    pretended.send(call(1, 1.0))
    pretended.send(call(2, 0.030))
    for call_id in range(3, 40):
        pretended.send(call(call_id, 5.0))
    pretended.now_s = 0.014
    effects = pretended.send(BatchEnded(1, 0.011))
    assert not refusals(effects)
    assert starts(effects)[0].call_ids[0] == 2


def test_a_model_runs_no_more_batches_at_once_than_it_has_instances() -> None:
    pretended = worker(model(instances=1), model("n"), policy=WorkerPolicy(lanes=3))
    pretended.send(call(1, 5.0))
    assert not starts(pretended.send(call(2, 5.0)))
    assert starts(pretended.send(call(3, 5.0, model_key="n/1")))
    assert starts(pretended.send(BatchEnded(1, 0.011)))


# --- priority -----------------------------------------------------------------------------


@pytest.mark.parametrize("priority", [1, 2, 3])
def test_a_less_urgent_class_stands_back_by_at_most_half_its_slack(priority: int) -> None:
    share = BatchingPolicy().priority_bias_fraction * priority / LOWEST
    assert due_s(11.0, share, now_s=10.0) == pytest.approx(11.0 + priority / 6)
    near_s = due_s(11.0, share, now_s=10.0, usual_slack_s=0.3)
    assert near_s == pytest.approx(11.0 + 0.3 * priority / 6)
    assert due_s(11.0, -share, now_s=10.0) == pytest.approx(11.0 - priority / 6), "one sign"


def test_of_two_calls_with_one_deadline_the_more_urgent_class_goes_first() -> None:
    pretended = worker(model(batch_max=1))
    pretended.send(call(1, 1.0))
    pretended.send(call(2, 1.0, priority=3))
    pretended.send(call(3, 1.0, priority=0))
    assert starts(pretended.send(BatchEnded(1, 0.011)))[0].call_ids == (3,)


def test_a_much_earlier_deadline_beats_a_more_urgent_class() -> None:
    pretended = worker(model(batch_max=1))
    pretended.send(call(1, 1.0))
    pretended.send(call(2, 0.2, priority=3))
    pretended.send(call(3, 1.0, priority=0))
    assert starts(pretended.send(BatchEnded(1, 0.011)))[0].call_ids == (2,)


def test_a_call_due_before_a_more_urgent_head_joins_only_if_it_shrinks_nothing() -> None:
    pretended = worker(policy=PATIENT)
    pretended.send(call(1, 1.0))
    for call_id in range(2, 22):
        pretended.send(call(call_id, 0.080))
    pretended.send(call(22, 0.070, priority=3))
    pretended.send(call(23, 0.060, priority=3))
    pretended.now_s = 0.030
    effects = pretended.send(BatchEnded(1, 0.030))
    # 22 rows take 32 ms: one of the two has 39 ms left, the other 29 ms.
    assert set(starts(effects)[0].call_ids) == {*range(2, 22), 22}
    assert pretended.machine.waiting == 1


@pytest.mark.parametrize(
    ("hurried", "joining"),
    [
        # Time enough for three rows (0.0464), six (0.050), seven (0.051), eight (0.0522).
        ({7: 0.0500, 8: 0.0464}, {7}),
        ({7: 0.0500, 8: 0.0501}, {7}),
        ({7: 0.0500, 8: 0.0510, 9: 0.0464}, {7}),
        ({7: 0.0510, 8: 0.0511, 9: 0.0464}, {7, 8}),
        ({7: 0.0522, 8: 0.0523, 9: 0.0524}, {7, 8, 9}),
    ],
)
def test_a_call_passed_over_for_a_larger_batch_joins_the_one_that_came_of_it(
    hurried: dict[int, float], joining: set[int]
) -> None:
    pretended = worker(policy=PATIENT)
    pretended.send(call(1, 1.0))
    for call_id in range(2, 7):
        pretended.send(call(call_id, 0.060))
    for call_id, time_left_s in hurried.items():
        pretended.send(call(call_id, time_left_s, priority=3))
    pretended.now_s = 0.030
    [batch] = starts(pretended.send(BatchEnded(1, 0.030)))
    assert set(batch.call_ids) == {*range(2, 7), *joining}
    run_s = pretended.machine.predictor("m/1").predict_s(batch.rows, 1.0, QUANTILE)
    assert 0.030 + run_s <= min(hurried[call_id] for call_id in joining)


@pytest.mark.parametrize(("quantile", "joins"), [(0.5, True), (0.75, True), (0.95, False)])
def test_whether_a_call_due_before_the_head_fits_is_judged_at_the_start_quantile(
    quantile: float, joins: bool
) -> None:
    # Of eight calls that came first the sixth is due long before the head.
    batching = BatchingPolicy(order="fifo", start_quantile=quantile)
    pretended = worker(policy=WorkerPolicy(refuse_hopeless=False, batching=batching))
    pretended.send(call(1, 1.0))
    for call_id in range(2, 10):
        pretended.send(call(call_id, 0.031 if call_id == 7 else 0.25))
    pretended.now_s = 0.0075
    [batch] = starts(pretended.send(BatchEnded(1, 0.0075)))
    assert batch.call_ids == tuple(i for i in range(2, 10) if joins or i != 7)
    # Eight rows at the quantile take 18, 21 and 23.4 ms; 22.5 ms are left.
    left_s = 0.031 - 0.0075 - pretended.machine._batcher.margin.seconds
    run_s = pretended.machine.predictor("m/1").predict_s(8, 1.0, quantile)
    assert (run_s <= left_s) is joins


# --- preferred sizes ----------------------------------------------------------------------

WAITS = {"preferred_sizes": (4, 8), "queue_delay_max_s": 0.05}


def test_an_idle_lane_waits_for_a_preferred_size_and_no_longer_than_allowed() -> None:
    pretended = worker(model(**WAITS))
    pretended.at(0.0, call(1, 1.0))
    pretended.at(0.02, call(2, 1.0))
    pretended.run()
    [(at_s, batch)] = pretended.batches
    assert batch.call_ids == (1, 2)
    assert at_s == pytest.approx(0.05)


def test_a_preferred_size_starts_as_soon_as_it_is_reached() -> None:
    pretended = worker(model(**WAITS))
    for call_id in range(1, 5):
        pretended.at(0.01 * call_id, call(call_id, 1.0))
    pretended.run()
    [(at_s, batch)] = pretended.batches
    assert batch.rows == 4
    assert at_s == pytest.approx(0.04)


def test_more_than_a_preferred_size_is_cut_down_to_it() -> None:
    pretended = worker(model(**WAITS))
    pretended.send(call(1, 1.0, rows=8))
    for call_id in range(2, 8):
        pretended.send(call(call_id, 1.0))
    [batch] = starts(pretended.send(BatchEnded(1, 0.018)))
    assert batch.rows == 4


def test_no_wait_takes_a_call_past_its_last_moment() -> None:
    pretended = worker(model(**WAITS))
    pretended.at(0.0, call(1, 0.030))
    pretended.run()
    [(at_s, _)] = pretended.batches
    # The full preferred size, four rows, could still run in time.
    assert at_s <= 0.030 - 0.014
    assert pretended.on_time() == [1]


def test_without_preferred_sizes_the_delay_is_spent_on_a_full_batch() -> None:
    pretended = worker(model(batch_max=2, queue_delay_max_s=0.05))
    assert not starts(pretended.send(call(1, 1.0)))
    assert starts(pretended.send(call(2, 1.0)))[0].rows == 2


def test_a_draining_worker_waits_for_no_size() -> None:
    pretended = worker(model(**WAITS))
    pretended.send(call(1, 1.0))
    assert starts(pretended.send(DrainBegan()))


# --- leaving the queue --------------------------------------------------------------------


def test_a_cancelled_call_leaves_the_queue_at_once() -> None:
    pretended = worker()
    pretended.send(call(1, 1.0))
    pretended.send(call(2, 1.0, payload_bytes=5))
    assert pretended.machine.waiting == 1
    assert pretended.send(CallCancelled(2)) == []
    assert pretended.machine.waiting == 0
    assert not starts(pretended.send(BatchEnded(1, 0.011)))


def test_the_timers_of_cancelled_calls_do_not_pile_up() -> None:
    pretended = worker()
    pretended.send(call(1, 100.0))
    for call_id in range(2, 3000):
        pretended.send(call(call_id, 50.0))
        pretended.send(CallCancelled(call_id))
    assert len(pretended.machine._book.expiry) <= 66


def test_shapes_seen_once_do_not_pile_up() -> None:
    pretended = worker()
    for call_id in range(1, 200):
        pretended.send(call(call_id, 1.0, shape_key=call_id))
        pretended.run()
    assert len(pretended.machine._batcher._queues) <= 65


def test_a_version_that_was_unloaded_and_came_back_starts_with_fresh_queues() -> None:
    pretended = worker()
    pretended.send(call(1, 1.0))
    pretended.run()
    pretended.send(ModelClosed("m/1"))
    pretended.send(ModelOpened(model(batch_max=2)))
    for call_id in range(2, 6):
        pretended.send(call(call_id, 1.0))
    pretended.run()
    assert [batch.rows for _, batch in pretended.batches] == [1, 1, 2, 1]


def test_a_wake_that_comes_early_asks_to_be_woken_again() -> None:
    pretended = worker(run_s=lambda _key, _rows: 5.0)
    pretended.send(call(1, 60.0))
    pretended.send(call(2, 0.1))
    [again] = pretended.send(Woke())
    assert 0.088 < again.at_s < 0.089  # type: ignore[union-attr]  # a WakeAt


def test_a_worse_profile_found_on_reopening_is_used_at_once() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(ModelOpened(model(profile=profile(lambda rows: 0.1 * rows, 32))))
    assert refusals(pretended.send(call(2, 0.05))) == {2: Reason.DEADLINE_INFEASIBLE}


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_quantile": 1.0},
        {"chance_quantile": 0.99},
        {"priority_bias_fraction": 0.6},
        {"over_fraction": 0.0},
        {"no_deadline_age_s": inf},
        {"laxity_tick_s": float("nan")},
        {"look_ahead_max": -1},
        {"slack_window": 0},
    ],
)
def test_a_parameter_that_makes_no_sense_stops_the_start(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BatchingPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose
