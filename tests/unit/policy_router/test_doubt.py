"""What a bad minute has taught does not refuse calls for ever."""

import pytest

from hasten_policy.reasons import Reason
from tests.unit.policy_router.harness import Router, delivers, router, sends

SLACK_S = 0.05
GAP_S = 0.02


def after_a_bad_minute(**policy: object) -> Router:
    """A router whose calls spent 50 ms on the wire and missed, for a while."""
    made = router("w", **policy)
    for call_id in range(200):
        made.call(call_id, 1.0)
        made.pass_time(0.2)
        made.answer(call_id, "w")
    return made


def call_until_sent(made: Router, first_id: int, *, seconds: float) -> int:
    """A call each GAP_S; the id of the first that is sent. Nothing else is answered."""
    for call_id in range(first_id, first_id + int(seconds / GAP_S)):
        made.pass_time(GAP_S)
        if sends(made.call(call_id, SLACK_S)):
            return call_id
    pytest.fail(f"every call was refused for {seconds:g} s, the last with {made.reason(call_id)}")


def test_a_slow_wire_of_long_ago_does_not_refuse_for_ever() -> None:
    made = after_a_bad_minute()
    made.call(1000, SLACK_S)
    assert made.reason(1000) is Reason.DEADLINE_INFEASIBLE
    probe = call_until_sent(made, 1001, seconds=1.0)
    made.pass_time(0.012)
    assert delivers(made.answer(probe, "w")) == [probe]
    assert sends(made.call(2000, SLACK_S)) == [(2000, "w")]


def test_a_theta_at_its_least_does_not_refuse_for_ever() -> None:
    made = router("w", theta_start=(0.9,) * 4, theta_min=0.2)
    made.machine.restore(b'{"theta": {"m": [0.2, 0.2, 0.2, 0.2]}}')
    call_id = 0
    for _ in range(3):
        call_id = call_until_sent(made, call_id + 1, seconds=2.0)
        made.pass_time(0.012)
        made.answer(call_id, "w")
    assert sends(made.call(call_id + 1, SLACK_S)) == [(call_id + 1, "w")]


def test_probes_that_fail_become_rare_and_teach_theta_nothing() -> None:
    made = after_a_bad_minute()
    theta = made.machine._state.registry.theta_of("m")
    learned = [list(theta._shared.misses), list(theta._shared.runs)]
    probes = []
    for call_id in range(1000, 1000 + int(30.0 / GAP_S)):
        made.pass_time(GAP_S)
        if sends(made.call(call_id, SLACK_S)):
            probes.append(call_id)
            made.pass_time(SLACK_S + 0.01)
            made.answer(call_id, "w")
    assert 3 <= len(probes) <= 8
    assert [theta._shared.misses, theta._shared.runs] == learned


def test_a_busy_worker_is_not_probed() -> None:
    made = after_a_bad_minute()
    made.call(1000, 1.0)
    for call_id in range(1001, 1041):
        made.pass_time(GAP_S)
        assert not sends(made.call(call_id, SLACK_S))


def test_what_no_worker_can_do_is_never_sent() -> None:
    made = router("w")
    for call_id in range(200):
        made.pass_time(GAP_S)
        made.call(call_id, 0.010)
        assert made.reason(call_id) is Reason.DEADLINE_INFEASIBLE


def test_a_few_refusals_of_a_quiet_model_are_believed() -> None:
    made = after_a_bad_minute()
    for call_id in range(1000, 1009):
        made.pass_time(10.0)
        made.report("w")
        assert not sends(made.call(call_id, SLACK_S))
