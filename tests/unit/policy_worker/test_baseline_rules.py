"""The rules of batching to compare with do what those do whose names they bear."""

from math import inf

import pytest

from hasten_policy.batching import BatchingPolicy
from hasten_policy.batching.rules import CONTROL_S
from hasten_policy.reasons import Reason
from hasten_policy.worker.events import BatchEnded, DrainBegan, StartBatch
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import PretendedWorker, call, model, refusals, starts, worker

QUANTILE = 0.75


def by(rule: str, *, keeps_deadlines: bool = True, order: str = "edf") -> PretendedWorker:
    """An overloaded worker: 40 calls gather behind a run that ends at 30 ms; one is in a hurry."""
    policy = WorkerPolicy(
        keeps_deadlines=keeps_deadlines,
        refuse_hopeless=False,
        finish_margin_s=0.0,
        batching=BatchingPolicy(rule=rule, order=order, start_quantile=QUANTILE),
    )
    pretended = worker(policy=policy)
    pretended.send(call(1, 1.0))
    return pretended


def after_the_first(pretended: PretendedWorker) -> StartBatch:
    pretended.now_s = 0.011
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    return batch


def hurried(pretended: PretendedWorker) -> PretendedWorker:
    """One call with time for a batch of 3 at most, and 40 that have 60 ms."""
    pretended.send(call(2, 0.011 + 0.0155))
    for call_id in range(3, 43):
        pretended.send(call(call_id, 0.060))
    return pretended


@pytest.mark.parametrize(("rule", "sheds"), [("shrink", False), ("window", True)])
def test_window_sheds_a_head_that_makes_its_batch_small_and_shrink_does_not(
    rule: str, sheds: bool
) -> None:
    pretended = hurried(by(rule))
    batch = after_the_first(pretended)
    assert (2 in batch.call_ids) is not sheds
    assert (refusals(pretended.effects).get(2) is Reason.SHED_BEFORE_START) is sheds
    assert (batch.rows > 10) is sheds


def test_window_does_so_without_overload_as_well_and_hybrid_does_not() -> None:
    for rule, sheds in (("window", True), ("hybrid", False)):
        pretended = by(rule)
        for call_id, left_s in ((2, 0.011 + 0.0131), (3, 0.1), (4, 0.1)):
            pretended.send(call(call_id, left_s))
        batch = after_the_first(pretended)
        assert (2 in refusals(pretended.effects)) is sheds, rule
        assert (2 in batch.call_ids) is not sheds, rule


def test_eager_takes_whatever_waits_whoever_is_in_a_hurry() -> None:
    batch = after_the_first(hurried(by("eager")))
    assert batch.call_ids == tuple(range(2, 34))


def test_deferral_waits_until_one_more_would_not_fit() -> None:
    batching = BatchingPolicy(rule="deferral", start_quantile=QUANTILE)
    pretended = worker(policy=WorkerPolicy(finish_margin_s=0.0, batching=batching))
    factor = pretended.machine.predictor("m/1").factor(QUANTILE)
    assert not starts(pretended.send(call(1, 0.1)))
    pretended.now_s = 0.02
    assert not starts(pretended.send(call(2, 0.2)))
    pretended.run()
    ((at_s, batch),) = pretended.batches
    assert batch.call_ids == (1, 2)
    assert at_s == pytest.approx(0.1 - CONTROL_S - 0.013 * factor, abs=1e-4)
    assert sorted(pretended.on_time()) == [1, 2]


def test_deferral_sends_a_full_batch_at_once_and_the_rest_when_it_drains() -> None:
    policy = WorkerPolicy(lanes=2, batching=BatchingPolicy(rule="deferral"))
    pretended = worker(policy=policy)
    for call_id in range(1, 33):
        pretended.send(call(call_id, 1.0))
    assert [batch.rows for _, batch in pretended.batches] == [32]
    pretended.send(call(33, 1.0))
    assert [batch.rows for batch in starts(pretended.send(DrainBegan()))] == [1]


def test_a_call_without_a_deadline_is_not_deferred() -> None:
    pretended = worker(policy=WorkerPolicy(batching=BatchingPolicy(rule="deferral")))
    assert starts(pretended.send(call(1, inf)))


def test_first_come_first_served_looks_at_no_deadline_and_no_class() -> None:
    pretended = by("hybrid", order="fifo")
    for call_id, left_s, priority in ((2, 0.9, 3), (3, 0.5, 0), (4, 0.7, 1)):
        pretended.now_s += 0.001
        pretended.send(call(call_id, left_s, priority=priority))
    assert after_the_first(pretended).call_ids == (2, 3, 4)


def test_a_worker_that_knows_no_deadlines_answers_late_and_refuses_nothing() -> None:
    pretended = by("eager", keeps_deadlines=False, order="fifo")
    for call_id in range(2, 100):
        pretended.send(call(call_id, -1.0 if call_id == 50 else 0.02))
    pretended.run()
    assert not refusals(pretended.effects)
    assert len(pretended.ended) == 99
    assert len(pretended.on_time()) < 99


def test_such_a_worker_still_goes_by_deadline_if_its_order_does() -> None:
    pretended = by("eager", keeps_deadlines=False)
    for call_id, left_s in ((2, 0.9), (3, 0.01), (4, 0.7)):
        pretended.send(call(call_id, left_s))
    assert after_the_first(pretended).call_ids == (3, 4, 2)


def test_eager_waits_for_no_preferred_size() -> None:
    spec = model(preferred_sizes=(8,), queue_delay_max_s=0.05)
    for rule, waits in (("hybrid", True), ("eager", False)):
        pretended = worker(spec, policy=WorkerPolicy(batching=BatchingPolicy(rule=rule)))
        assert bool(starts(pretended.send(call(1, 1.0)))) is not waits
