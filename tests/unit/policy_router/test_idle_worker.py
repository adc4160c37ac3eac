"""An idle worker gets every call but those that it has just shown it cannot do in time."""

from random import Random

import pytest

from hasten_policy.reasons import Reason
from hasten_policy.router.events import CheckpointRestored
from tests.unit.policy_router.harness import Router, delivers, model, refusals, router, sends

SLACK_S = 0.05


def after_a_bad_minute(**policy: object) -> Router:
    """A router whose calls spent 200 ms on the wire, a second and more ago."""
    made = router("w", **policy)
    for call_id in range(200):
        made.call(call_id, 1.0)
        made.pass_time(0.2)
        made.answer(call_id, "w")
    made.pass_time(1.1)
    made.report("w")
    return made


def test_a_slow_wire_of_long_ago_refuses_nothing() -> None:
    made = after_a_bad_minute()
    assert made.machine._state.way.net.value > SLACK_S / 2
    assert sends(made.call(1000, SLACK_S)) == [(1000, "w")]
    made.pass_time(0.012)
    assert delivers(made.answer(1000, "w")) == [1000]
    assert made.machine._state.way.net.value < SLACK_S / 2, "what was learned has been disproved"


def test_a_theta_at_its_least_refuses_nothing() -> None:
    made = router("w", theta_min=0.2)
    made.tell(CheckpointRestored('{"theta": {"m": [0.2, 0.2, 0.2, 0.2]}}'))
    for call_id in range(20):
        assert sends(made.call(call_id, 0.02)) == [(call_id, "w")]
        made.pass_time(0.012)
        made.answer(call_id, "w")


@pytest.mark.parametrize("wrong", [10.0, 1000.0])
def test_a_prediction_that_is_far_too_long_refuses_nothing(wrong: float) -> None:
    made = Router()
    made.join("w", model(alpha_s=0.01 * wrong, beta_s=0.001 * wrong, best_s=0.011 * wrong))
    assert sends(made.call(1, SLACK_S)) == [(1, "w")]


def test_a_busy_worker_is_no_idle_one() -> None:
    made = after_a_bad_minute()
    made.call(1000, 1.0)
    assert not sends(made.call(1001, 0.02))


def test_what_an_idle_worker_has_just_not_done_in_time_is_refused_for_a_second() -> None:
    made = router("w")
    made.call(1, 1.0)
    made.pass_time(0.08)
    made.answer(1, "w")
    assert refusals(made.call(2, 0.01)) == {2: Reason.DEADLINE_INFEASIBLE}
    assert sends(made.call(3, 0.09)) == [(3, "w")], "it has more time than that took"
    made.pass_time(0.05)
    made.answer(3, "w")
    made.pass_time(0.5)
    assert refusals(made.call(4, 0.01)) == {4: Reason.DEADLINE_INFEASIBLE}
    made.pass_time(0.51)
    assert sends(made.call(5, 0.01)) == [(5, "w")], "a second ago is long ago"


def test_one_stall_does_not_speak_against_what_was_done_just_before() -> None:
    made = router("w")
    for call_id, took_s in enumerate((0.012, 0.08)):
        made.call(call_id, 1.0)
        made.pass_time(took_s)
        made.answer(call_id, "w")
    assert sends(made.call(2, 0.02)) == [(2, "w")]
    made.pass_time(0.012)
    made.answer(2, "w")
    for call_id in (3, 4):
        made.call(call_id, 1.0)
        made.pass_time(0.08)
        made.answer(call_id, "w")
    assert refusals(made.call(5, 0.02)) == {5: Reason.DEADLINE_INFEASIBLE}, "two in a row do"


def test_what_a_longer_call_took_is_no_evidence_against_a_shorter_one() -> None:
    made = router("w")
    made.call(1, 1.0, elements=1000)
    made.pass_time(0.08)
    made.answer(1, "w")
    assert sends(made.call(2, 0.01, elements=999)) == [(2, "w")]
    made.answer(2, "w")
    assert refusals(made.call(3, 0.01, elements=1000)) == {3: Reason.DEADLINE_INFEASIBLE}


def test_what_met_a_busy_worker_is_no_evidence() -> None:
    made = router("w")
    made.call(1, 1.0)
    made.call(2, 1.0)
    made.pass_time(0.001)
    made.answer(1, "w")
    made.pass_time(0.2)
    made.answer(2, "w")
    assert sends(made.call(3, 0.01)) == [(3, "w")]


def test_any_idle_worker_will_do_when_the_chosen_one_is_too_slow() -> None:
    made = Router()
    made.join("far", model(service_s=0.001), depth=1, backlog_s=0.5)
    made.join("idle", model(alpha_s=0.5, best_s=0.5, service_s=0.5))
    assert sends(made.call(1, SLACK_S)) == [(1, "idle")]


def test_outcomes_of_such_calls_teach_theta_nothing() -> None:
    made = Router(theta_outcomes_min=0)
    made.join("w", model(alpha_s=10.0, best_s=10.0))
    theta = made.machine._state.thetas.of("m")
    before = list(theta.values)
    rng = Random(1)
    for call_id in range(10):
        made.call(call_id, SLACK_S)
        made.pass_time(1.0 + rng.random())
        made.answer(call_id, "w")
    assert theta.values == before
