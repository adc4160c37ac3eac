"""What every kind of admission promises, whatever it goes by."""

from random import Random
from typing import Any

import pytest

from hasten_policy.reasons import Reason
from hasten_policy.registry import names
from hasten_policy.router.events import Refuse
from tests.unit.policy_router.harness import Router, router, sends

every_admission = pytest.mark.parametrize("name", names("admission"))
both = pytest.mark.parametrize("keeps_deadlines", [True, False])
LATE = frozenset({Reason.SHED_BEFORE_START, Reason.DEADLINE_PASSED, Reason.DEADLINE_INFEASIBLE})


def offered(name: str, **policy: Any) -> tuple[Router, set[int]]:
    """More calls than two workers can do, for two seconds; and who was ever sent."""
    made = router("a", "b", admission=name, **policy)
    for worker_id in ("a", "b"):
        made.report(worker_id, window=4)
    rng = Random(5)
    sent: set[int] = set()
    at: dict[int, str] = {}

    def note(effects: Any) -> None:
        for call_id, worker_id in sends(effects):
            sent.add(call_id)
            at[call_id] = worker_id

    for call_id in range(1, 800):
        note(made.pass_time(rng.expovariate(400.0)))
        slack_s = rng.choice([0.02, 0.1, 0.5])
        note(made.call(call_id, slack_s, priority=rng.randrange(4)))
        if rng.random() < 0.5 and at:
            done = min(at)
            if done not in made.ended:
                note(made.answer(done, at[done], window=4, backlog_s=0.05))
            at.pop(done)
    while at:
        done = min(at)
        if done not in made.ended:
            note(made.answer(done, at[done], window=4))
        at.pop(done)
    made.pass_time(2.0)
    return made, sent


@every_admission
@both
def test_every_call_ends_once_and_nothing_is_left(name: str, keeps_deadlines: bool) -> None:
    made, _ = offered(name, keeps_deadlines=keeps_deadlines)
    # The harness asserts that none ends twice.
    assert set(made.ended) == set(range(1, 800))
    assert made.machine.held == made.machine.in_flight == 0


@every_admission
@both
def test_a_call_that_is_refused_costs_no_worker(name: str, keeps_deadlines: bool) -> None:
    made, sent = offered(name, keeps_deadlines=keeps_deadlines)
    refused = {
        call_id
        for call_id, end in made.ended.items()
        if isinstance(end, Refuse) and end.refusal.reason is not Reason.DEADLINE_PASSED
    }
    assert not refused & sent


@every_admission
def test_the_bound_of_the_queue_holds(name: str) -> None:
    made = router("a", admission=name, hold_calls_max=3)
    made.report("a", window=0)
    for call_id in range(1, 20):
        made.call(call_id, 1000.0)
        assert made.machine.held <= 3
    assert Reason.QUEUE_FULL in {made.reason(call_id) for call_id in range(1, 20)}


@every_admission
def test_a_router_that_knows_no_deadlines_refuses_nothing_for_them(name: str) -> None:
    made, _ = offered(name, keeps_deadlines=False)
    reasons = {made.reason(call_id) for call_id in made.ended}
    assert not reasons & LATE


@every_admission
def test_a_deadline_that_is_no_number_is_refused_under_each(name: str) -> None:
    for keeps_deadlines in (True, False):
        made = router("a", admission=name, keeps_deadlines=keeps_deadlines)
        made.call(1, float("nan"))
        assert made.reason(1) is Reason.INVALID_DEADLINE


@every_admission
def test_the_same_events_give_the_same_effects(name: str) -> None:
    assert offered(name)[0].log == offered(name)[0].log


@every_admission
def test_an_idle_pool_admits(name: str) -> None:
    made = router("a", admission=name)
    assert sends(made.call(1, 1.0)) == [(1, "a")]
