"""Who is accepted, and what the others are told."""

from math import inf, nan

import pytest

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.worker.events import (
    BatchEnded,
    DrainBegan,
    Drained,
    ModelClosed,
    ModelIdle,
    ModelOpened,
    Refuse,
)
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import (
    PretendedWorker,
    call,
    delivered,
    model,
    profile,
    refusals,
    starts,
    worker,
)


def refusal_of(pretended: PretendedWorker, **changes: float) -> Refusal:
    """The refusal of one more call."""
    [effect] = pretended.send(call(900 + len(pretended.log), **changes))  # type: ignore[arg-type]  # a test's shorthand
    assert isinstance(effect, Refuse)
    return effect.refusal


def test_an_unknown_model_is_named() -> None:
    refusal = refusal_of(worker(), model_key="x/9")
    assert refusal.reason is Reason.MODEL_NOT_FOUND
    assert "x/9" in refusal.message


def test_an_idle_worker_refuses_on_evidence_only_and_says_what_was_measured() -> None:
    pretended = worker(run_s=lambda _key, _rows: 0.012)
    assert starts(pretended.send(call(1, 0.005))), "nothing was measured yet"
    pretended.run()
    refusal = refusal_of(pretended, time_left_s=0.005)
    assert refusal.reason is Reason.DEADLINE_INFEASIBLE
    assert dict(refusal.metadata)["min_ms"] == "12.000"
    assert refusal.retry_after_s is None
    assert not refusal.started


def test_evidence_is_of_no_more_work_and_lasts_a_second() -> None:
    spec = model(profile=profile(lambda _rows: 0.5, 32))
    pretended = worker(spec, run_s=lambda _key, _rows: 0.5)
    pretended.send(call(1, 5.0, rows=4, elements=40))
    pretended.run()
    for now_s, rows, elements, refused in (
        (0.6, 4, 40, True),
        (0.7, 3, 40, False),
        (1.21, 4, 39, False),
        (1.711, 4, 39, True),
        (2.22, 5, 41, True),
        (3.3, 4, 40, False),
    ):
        pretended.now_s = now_s
        effects = pretended.send(call(int(now_s * 1e3), 0.4, rows=rows, elements=elements))
        assert bool(refusals(effects)) is refused, (now_s, rows, elements)
        pretended.run(until_s=now_s + 0.5)


def test_a_busy_worker_refuses_what_it_predicts_to_be_too_late() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    refusal = refusal_of(pretended, time_left_s=0.005)
    assert refusal.reason is Reason.DEADLINE_INFEASIBLE
    assert dict(refusal.metadata)["min_ms"] == "12.000"


@pytest.mark.parametrize("lie", [0.001, 1000.0])
def test_a_profile_that_lies_refuses_nothing_on_an_idle_worker(lie: float) -> None:
    spec = model(profile=profile(lambda rows: lie * (0.010 + 0.001 * rows), 32))
    pretended = worker(spec)
    for index in range(10):
        pretended.at(0.1 * index, call(index + 1, 0.014))
    pretended.run()
    assert pretended.on_time() == list(range(1, 11))


@pytest.mark.parametrize("left_s", [0.0, -3.0, -inf])
def test_a_deadline_that_has_passed_is_infeasible(left_s: float) -> None:
    assert refusal_of(worker(), time_left_s=left_s).reason is Reason.DEADLINE_INFEASIBLE


def test_a_deadline_that_is_no_number_is_refused() -> None:
    assert refusal_of(worker(), time_left_s=nan).reason is Reason.INVALID_DEADLINE


@pytest.mark.parametrize("rows", [0, 33])
def test_rows_outside_the_batch_are_refused(rows: int) -> None:
    assert refusal_of(worker(), rows=rows).reason is Reason.BATCH_TOO_LARGE


def test_the_models_own_timeout_stands_in_for_a_missing_deadline() -> None:
    pretended = worker(model(default_timeout_s=0.05), run_s=lambda _key, _rows: 5.0)
    pretended.send(call(1, 60.0))
    pretended.send(call(2, inf))
    pretended.run(until_s=1.0)
    assert pretended.ended[2].reason is Reason.SHED_BEFORE_START


def test_three_of_twenty_calls_that_fit_are_run_and_the_others_hear_it_at_once() -> None:
    spec = model(batch_max=1, instances=1, profile=((1, 1, 0.3001), (1, 1, 0.3002), (1, 1, 0.3003)))
    pretended = worker(spec, run_s=lambda _key, _rows: 0.3002)
    for index in range(20):
        pretended.at(0.001 * index, call(index + 1, 1.0))
    pretended.run()
    assert pretended.on_time() == [1, 2, 3]
    assert len(pretended.batches) == 3
    for call_id in range(4, 21):
        assert pretended.ended[call_id].reason is Reason.OVERLOADED
        assert pretended.ended[call_id].at_s == pretended.arrived_s[call_id]


def test_an_overloaded_worker_says_when_to_come_again_if_that_can_help() -> None:
    spec = model(batch_max=1, profile=((1, 1, 0.3),) * 3)
    pretended = worker(spec)
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 0.7))
    refusal = refusal_of(pretended, time_left_s=0.8)
    assert refusal.reason is Reason.OVERLOADED
    assert refusal.retry_after_s == pytest.approx(0.9 + 0.001 - 0.8)
    assert refusal_of(pretended, time_left_s=0.45).retry_after_s is None


def test_work_that_is_due_later_does_not_stand_in_the_way() -> None:
    spec = model(batch_max=1, profile=((1, 1, 0.3),) * 3)
    pretended = worker(spec)
    for call_id in range(1, 6):
        pretended.send(call(call_id, 20.0))
    assert not refusals(pretended.send(call(6, 0.7)))


def test_the_plan_can_be_switched_off() -> None:
    spec = model(batch_max=1, profile=((1, 1, 0.3),) * 3)
    pretended = worker(spec, policy=WorkerPolicy(refuse_hopeless=False))
    for call_id in range(1, 6):
        pretended.send(call(call_id, 0.5))
    assert pretended.machine.waiting == 4


@pytest.mark.parametrize(
    ("policy", "spec", "limit"),
    [
        (WorkerPolicy(waiting_max=2), model(), "waiting_max"),
        (WorkerPolicy(waiting_bytes_max=250), model(), "waiting_bytes_max"),
        (WorkerPolicy(), model(queue_max=2), "queue_max"),
    ],
)
def test_each_bound_on_the_queue_is_named_when_it_is_reached(
    policy: WorkerPolicy, spec: object, limit: str
) -> None:
    pretended = worker(spec, policy=policy)  # type: ignore[arg-type]  # a ModelSpec
    for call_id in range(1, 4):
        assert not refusals(pretended.send(call(call_id, 10.0)))
    refusal = refusal_of(pretended, time_left_s=10.0)
    assert refusal.reason is Reason.QUEUE_FULL
    assert dict(refusal.metadata)["limit"] == limit
    assert refusal.retry_after_s is not None
    assert pretended.machine.waiting == 2


def test_a_single_payload_above_the_bound_on_bytes_may_still_wait_alone() -> None:
    pretended = worker(policy=WorkerPolicy(waiting_bytes_max=50))
    pretended.send(call(1, 10.0))
    assert not refusals(pretended.send(call(2, 10.0)))
    assert refusals(pretended.send(call(3, 10.0))) == {3: Reason.QUEUE_FULL}


def test_a_call_id_in_use_is_the_shells_mistake() -> None:
    pretended = worker()
    pretended.send(call(1, 1.0))
    with pytest.raises(ValueError, match="call id 1"):
        pretended.send(call(1, 1.0))


# --- models that come and go ----------------------------------------------------------------


def test_a_closing_model_finishes_its_queue_and_takes_nothing_more() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 5.0))
    assert not pretended.send(ModelClosed("m/1"))
    assert refusal_of(pretended, time_left_s=5.0).reason is Reason.MODEL_LOADING
    first = pretended.send(BatchEnded(1, 0.011))
    assert delivered(first) == [1]
    assert starts(first)
    last = pretended.send(BatchEnded(2, 0.011))
    assert delivered(last) == [2]
    assert last[-1] == ModelIdle("m/1")
    assert refusal_of(pretended, time_left_s=5.0).reason is Reason.MODEL_NOT_FOUND


def test_a_closing_model_without_calls_goes_at_once_and_unknown_ones_are_ignored() -> None:
    pretended = worker()
    assert pretended.send(ModelClosed("x/1")) == []
    assert pretended.send(ModelClosed("m/1")) == [ModelIdle("m/1")]
    assert pretended.send(ModelClosed("m/1")) == []


def test_a_batch_of_many_lets_its_closing_model_go_only_after_the_last_is_answered() -> None:
    pretended = worker()
    for call_id in range(1, 5):
        pretended.send(call(call_id, 5.0))
    pretended.send(BatchEnded(1, 0.011))
    pretended.send(ModelClosed("m/1"))
    effects = pretended.send(BatchEnded(2, 0.013))
    assert delivered(effects) == [2, 3, 4]
    assert effects.count(ModelIdle("m/1")) == 1
    assert effects[-1] == ModelIdle("m/1")


def test_a_model_opened_anew_keeps_its_queue_and_stays() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 5.0))
    pretended.send(ModelClosed("m/1"))
    pretended.send(ModelOpened(model()))
    assert not refusals(pretended.send(call(3, 5.0)))
    effects = pretended.send(BatchEnded(1, 0.011))
    assert starts(effects)[0].call_ids == (2, 3)
    assert ModelIdle("m/1") not in pretended.send(BatchEnded(2, 0.012))


def test_calls_too_large_for_the_new_specification_are_refused() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 5.0, rows=9))
    assert refusals(pretended.send(ModelOpened(model(batch_max=8)))) == {2: Reason.BATCH_TOO_LARGE}


def test_runs_of_replaced_sessions_do_not_teach_the_new_ones() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    pretended.send(ModelOpened(model(batch_max=1, profile=((1, 1, 0.001),) * 3)))
    pretended.send(BatchEnded(1, 4.0))
    assert pretended.machine.predictor("m/1").predict_s(1, 1.0, 0.95) < 0.002


# --- draining -------------------------------------------------------------------------------


def test_a_draining_worker_finishes_what_it_has_and_says_so_once() -> None:
    pretended = worker()
    pretended.send(call(1, 5.0))
    assert pretended.send(DrainBegan()) == []
    assert refusal_of(pretended, time_left_s=5.0).reason is Reason.DRAINING
    assert pretended.send(BatchEnded(1, 0.011))[-1] == Drained()
    assert pretended.send(DrainBegan()) == []


def test_an_idle_worker_is_drained_at_once() -> None:
    assert WorkerMachine(WorkerPolicy()).on(DrainBegan(), now_s=0.0) == [Drained()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lanes": 0},
        {"waiting_max": 0},
        {"waiting_bytes_max": 0},
        {"window_batches": 0},
        {"finish_margin_s": -0.1},
        {"overdue_grace_s": inf},
        {"stop_patience_s": 0.0},
        {"service_weight": 0.0},
        {"watchdog_factor": 1.0},
        {"watchdog_min_s": nan},
    ],
)
def test_a_parameter_that_makes_no_sense_stops_the_start(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WorkerPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose
