"""Which calls come in, and why the others do not."""

from math import inf, nan

import pytest

from hasten_policy.admission.calibration import FALL_PER_S, Shared, Theta
from hasten_policy.admission.policy import MAX_GOODPUT, AdmissionPolicy
from hasten_policy.admission.tenants import TenantBuckets
from hasten_policy.reasons import Reason
from hasten_policy.router.events import CheckpointRestored
from hasten_policy.router.policy import RouterPolicy
from tests.unit.policy_router.harness import Router, delivers, model, refusals, router, sends


def test_of_twenty_calls_that_leave_after_a_second_a_worker_of_300_ms_gets_three() -> None:
    made = Router()
    slow = model(alpha_s=0.306, beta_s=0.0, best_s=0.3, batch_max=1)
    made.join("w", slow, window=2)
    for call_id in range(20):
        made.call(call_id, 1.0)
    assert len(made.ended) == 17
    assert {made.reason(call_id) for call_id in made.ended} == {Reason.OVERLOADED}
    assert (made.machine.in_flight, made.machine.held) == (2, 1)


@pytest.mark.parametrize("time_left_s", [0.0, -1.0, -inf, 1e-9, 0.0105])
def test_a_deadline_that_even_an_idle_worker_cannot_keep_is_infeasible(time_left_s: float) -> None:
    made = router("w")
    made.report("w", depth=1, backlog_s=0.001)
    assert refusals(made.call(1, time_left_s)) == {1: Reason.DEADLINE_INFEASIBLE}


def test_a_deadline_that_has_passed_is_infeasible_even_where_a_worker_is_idle() -> None:
    made = router("w")
    for call_id, time_left_s in enumerate([0.0, -1.0]):
        assert refusals(made.call(call_id, time_left_s)) == {call_id: Reason.DEADLINE_INFEASIBLE}


def test_a_deadline_that_is_no_number_is_invalid() -> None:
    assert refusals(router("w").call(1, nan)) == {1: Reason.INVALID_DEADLINE}


def test_a_call_without_a_deadline_gets_the_models_default() -> None:
    made = Router()
    made.join("w", model(default_timeout_s=0.5))
    made.call(1)
    assert refusals(made.pass_time(0.6)) == {1: Reason.DEADLINE_PASSED}


def test_a_call_without_any_deadline_waits_as_long_as_it_takes() -> None:
    made = router("w")
    made.report("w", window=0)
    made.call(1)
    for _ in range(600):
        made.pass_time(0.5)
        made.report("w", window=0)
    assert made.machine.held == 1
    assert sends(made.report("w", window=1)) == [(1, "w")]
    assert delivers(made.answer(1, "w")) == [1]


def test_nobody_who_serves_it_is_told_apart_by_cause() -> None:
    made = Router()
    assert refusals(made.call(1)) == {1: Reason.NO_WORKER}
    made.join("w", model("m"), model("slow", ready=False), model("m", version="2", ready=False))
    assert refusals(made.call(2, model="other")) == {2: Reason.MODEL_NOT_FOUND}
    assert refusals(made.call(3, version="9")) == {3: Reason.VERSION_NOT_FOUND}
    assert refusals(made.call(4, model="slow")) == {4: Reason.MODEL_LOADING}
    assert refusals(made.call(5, version="2")) == {5: Reason.MODEL_LOADING}
    assert sends(made.call(6, version="1")) == [(6, "w")]
    made.report("w", draining=True)
    assert refusals(made.call(7)) == {7: Reason.NO_WORKER}
    made.report("w", model("m", ready=False), draining=True)
    assert refusals(made.call(8)) == {8: Reason.NO_WORKER}
    assert made.machine.knows("m", "")
    assert not made.machine.serves("m", "")


def test_a_model_that_became_faster_may_have_shorter_deadlines() -> None:
    made = Router()
    busy = {"depth": 1, "backlog_s": 0.001}
    made.join("w", model(best_s=0.2, alpha_s=0.2), **busy)
    assert refusals(made.call(1, 0.1)) == {1: Reason.DEADLINE_INFEASIBLE}
    made.report("w", model(best_s=0.01, alpha_s=0.01), **busy)
    assert sends(made.call(2, 0.1)) == [(2, "w")]


def test_what_waits_at_the_worker_delays_a_call_by_a_row_not_by_a_batch() -> None:
    made = router("w")
    made.report("w", depth=20, waiting=10, waiting_of=((0, 10),), backlog_s=0.08)
    assert sends(made.call(1, 0.09, priority=0)) == [(1, "w")]
    made.report("w", depth=20, waiting=0, backlog_s=0.08)
    assert refusals(made.call(2, 0.09, priority=0)) == {2: Reason.OVERLOADED}


def test_a_hint_to_retry_is_given_only_when_a_retry_can_fit() -> None:
    made = router("w")
    made.report("w", depth=9, backlog_s=1.0)
    made.call(1, 0.95)
    made.call(2, 0.1)
    hopeful, hopeless = made.ended[1], made.ended[2]
    assert hopeful.refusal.retry_after_s is not None  # type: ignore[union-attr]  # both are refused
    assert 0.0 < hopeful.refusal.retry_after_s < 0.95  # type: ignore[union-attr]  # as above
    assert hopeless.refusal.retry_after_s is None  # type: ignore[union-attr]  # as above


@pytest.mark.parametrize(
    ("policy", "sizes"),
    [
        ({"hold_calls_max": 2}, [1, 1, 1]),
        ({"hold_bytes_max": 100}, [60, 40, 1]),
        ({"hold_s_max": 0.0025}, [1, 1, 1]),
    ],
)
def test_the_hold_queue_is_bounded_in_calls_bytes_and_seconds(
    policy: dict[str, object], sizes: list[int]
) -> None:
    made = router("w", **policy)
    made.report("w", window=0)
    for call_id, size in enumerate(sizes):
        made.call(call_id, payload_bytes=size)
    assert {made.reason(call_id) for call_id in made.ended} == {Reason.QUEUE_FULL}
    assert made.machine.held == 2


def test_a_call_alone_is_held_whatever_its_size() -> None:
    made = router("w", hold_bytes_max=100)
    made.report("w", window=0)
    made.call(1, payload_bytes=1000)
    made.call(2, payload_bytes=1)
    assert made.machine.held == 1
    assert made.reason(2) is Reason.QUEUE_FULL


def test_theta_follows_the_misses_of_its_class_and_stays_in_its_bounds() -> None:
    policy = AdmissionPolicy()
    theta = Theta(policy)
    for number in range(policy.theta_outcomes_min):
        theta.learn(1, 0.01 * number, missed=True)
    assert theta.values[1] == policy.theta_start[1], "the predictor has to learn first"
    for number in range(1000):
        theta.learn(1, 1.0 + 0.01 * number, missed=True)
    assert theta.values[1] == pytest.approx(policy.theta_min * policy.theta_start[1])
    assert theta.values[0] == policy.theta_start[0]
    for number in range(100_000):
        theta.learn(1, 10.0 + 0.01 * number, missed=False)
    assert theta.values[1] == policy.theta_max
    assert theta.of(1) == policy.theta_start[0], "never above a more urgent class"


def test_the_share_of_misses_tends_to_epsilon_whatever_the_prediction_is_worth() -> None:
    theta = Theta(AdmissionPolicy())
    misses = 0
    for number in range(20_000):
        # Needs between 0.5 and 1.4 of what was predicted; admitted by theta.
        now_s = 0.01 * number
        missed = (0.5 + 0.9 * (number * 0.6180339887 % 1.0)) * theta.of(0) > 1.0
        misses += missed
        theta.learn(0, now_s, missed=missed)
    assert misses / 20_000 == pytest.approx(0.01, abs=0.005)


def test_the_first_misses_move_theta_most_and_a_restored_one_is_settled() -> None:
    policy = AdmissionPolicy(theta_outcomes_min=0)
    theta = Theta(policy)
    steps = []
    for number in range(10):
        before = theta.values[0]
        theta.learn(0, float(number), missed=True)
        steps.append(before - theta.values[0])
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 5 * policy.gamma
    theta.restore([0.9] * 4)
    theta.learn(0, 10.0, missed=True)
    assert theta.values[0] == pytest.approx(0.9 - policy.gamma * 0.99)


def test_a_burst_of_misses_costs_little_and_half_of_it_is_made_good_soon() -> None:
    policy = AdmissionPolicy()
    theta = Theta(policy)
    now_s = 0.0
    for _ in range(500):
        now_s += 0.01
        theta.learn(1, now_s, missed=False)
    before = theta.values[1]
    for _ in range(200):
        theta.learn(1, now_s, missed=True)
    fallen = theta.values[1]
    assert before - fallen == pytest.approx(FALL_PER_S), "all at once, so only by so much"
    for _ in range(2000):
        now_s += 0.01
        theta.learn(1, now_s, missed=False)
    assert theta.values[1] >= (before + fallen) / 2.0
    plain = 2 * policy.gamma * policy.epsilon[1] * 2000
    assert theta.values[1] - fallen > plain, "faster than by its usual steps"


def test_models_share_their_thetas() -> None:
    policy = AdmissionPolicy(theta_outcomes_min=0)
    shared = Shared(policy)
    one, other = Theta(policy, shared), Theta(policy, shared)
    one.learn(1, 1.0, missed=True)
    assert other.of(1) == one.of(1) < policy.theta_start[1]
    other.restore([0.7] * 4)
    assert one.values == [0.7] * 4


def test_a_model_that_takes_another_time_begins_with_theta_anew() -> None:
    made = router("w")
    theta = made.machine._state.thetas.of("m")
    theta.restore([0.7] * 4)
    made.report("w", model(alpha_s=0.011))
    assert theta.values == [0.7] * 4, "about as before"
    made.report("w", model(alpha_s=0.02))
    assert theta.values == [max(0.7, start) for start in AdmissionPolicy().theta_start]


def test_max_goodput_does_not_steer() -> None:
    theta = Theta(AdmissionPolicy(mode=MAX_GOODPUT))
    theta.learn(0, 1.0, missed=True)
    theta.restore([0.5] * 4)
    assert theta.values == [1.0] * 4


def test_a_limited_tenant_pays_in_service_seconds_and_waits_for_its_share() -> None:
    made = router("w", tenant_shares=(("poor", 0.1), ("none", 0.0)), tenant_burst_s=0.1)
    assert sends(made.call(1, 1.0, tenant="poor")) == [(1, "w")]
    made.answer(1, "w", service_s=0.05)
    refused = made.call(2, 1.0, tenant="poor")
    assert refusals(refused) == {2: Reason.TENANT_QUOTA}
    wait_s = made.ended[2].refusal.retry_after_s  # type: ignore[union-attr]  # it is refused
    assert wait_s is not None
    assert sends(made.call(3, 1.0)) == [(3, "w")], "others are free"
    made.pass_time(wait_s)
    assert sends(made.call(4, 1.0, tenant="poor")) == [(4, "w")]
    assert refusals(made.call(5, tenant="none")) == {5: Reason.TENANT_QUOTA}
    assert made.ended[5].refusal.retry_after_s is None  # type: ignore[union-attr]  # as above


def test_a_tenant_does_not_pay_for_calls_that_no_worker_touched() -> None:
    made = router("w", tenant_shares=(("poor", 0.01),), tenant_burst_s=0.01)
    made.report("w", window=0)
    made.call(1, 0.5, tenant="poor")
    assert refusals(made.pass_time(0.55)) == {1: Reason.SHED_BEFORE_START}
    made.report("w")
    assert sends(made.call(2, 0.5, tenant="poor")) == [(2, "w")]
    made.turn_down(2, "w", Reason.QUEUE_FULL)
    assert sends(made.call(3, 0.5, tenant="poor")) == [(3, "w")]


def test_a_bucket_saves_up_no_more_than_its_burst() -> None:
    buckets = TenantBuckets((("t", 1.0),), burst_s=2.0)
    assert buckets.wait_s("t", 1e6) == 0.0
    buckets.charge("t", 3.0)
    assert buckets.wait_s("t", 1e6) == pytest.approx(1.0, abs=0.01)
    assert buckets.wait_s("t", 1e6 + 1.5) == 0.0


def test_a_checkpoint_carries_theta_over_and_bad_ones_are_ignored() -> None:
    made = router("w")
    theta = made.machine._state.thetas.of("m")
    theta.learn(0, 1.0, missed=True)
    after = router("w")
    for bad in ("", "[]", "\udcff", "\ud800", '{"theta": 3}', '{"theta": {"m": ["x"]}}', "[" * 10):
        after.tell(CheckpointRestored(bad))
    after.tell(CheckpointRestored('{"theta": {"m": [1' + "0" * 400 + ",1,1,1]}}"))
    after.tell(CheckpointRestored(made.machine.checkpoint().decode()))
    assert after.machine.checkpoint() == made.machine.checkpoint()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "fast"),
        ("epsilon", (0.01,)),
        ("theta_min", 2.0),
        ("order_bias", (0.6, 0.0, 0.0, 0.0)),
        ("gamma_first", 0.001),
        ("gamma_settle_misses", 0.0),
        ("cost_alpha", 0.0),
        ("hold_s_max", -1.0),
        ("hold_s_max", nan),
        ("attempts_max", 0),
        ("eject_window_s", 0.0),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        RouterPolicy.of(**{field: value})
