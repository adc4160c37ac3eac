"""What autoscalers have got wrong elsewhere, and must not here."""

import pytest

from hasten_policy.autoscaler.events import (
    DrainWorker,
    LoadTold,
    ModeSet,
    StartWorkers,
    WorkerReady,
)
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.rules.table import SCALING_RULES
from tests.unit.policy_autoscaler.driving import Driven

RULES = SCALING_RULES.names


def test_capacity_is_not_undone_when_panic_ends_with_most_workers_still_starting() -> None:
    pool = Driven("hasten,lead_s=200", ready=2)
    pool.seconds(330, calls=8)
    pool.seconds(20, calls=100)
    reached = pool.desired
    assert reached >= 8
    # Demand falls, the panic ends, and hardly anybody has started.
    pool.seconds(120, calls=60)
    assert len(pool.starting) >= 6
    assert pool.desired >= 7
    assert not [e for e in pool.effects if isinstance(e, DrainWorker)]


@pytest.mark.parametrize("rule", RULES)
def test_never_below_the_floor_while_metrics_are_gone(rule: str) -> None:
    pool = Driven(rule, Bounds(workers_min=3, workers_max=9), ready=4)
    pool.seconds(400, calls=20)
    pool.seconds(1200, calls=None, loads=False)
    assert all(decision.workers >= 3 for decision in pool.decisions)
    assert pool.holds()[-1] == "no_metrics"
    assert len(pool.ready) + len(pool.starting) >= 3


@pytest.mark.parametrize("rule", RULES)
def test_no_pool_goes_to_zero_or_shrinks_because_metrics_are_gone(rule: str) -> None:
    pool = Driven(rule, Bounds(workers_min=0, workers_max=9), ready=4)
    pool.seconds(400, calls=30)
    before = pool.desired
    assert before > 0
    pool.seconds(40, calls=None, loads=False)
    held = pool.desired
    pool.seconds(1200, calls=None, loads=False)
    assert pool.desired == held > 0
    assert pool.reasons()[0] == "no_metrics"


@pytest.mark.parametrize("rule", [name for name in RULES if name != "static"])
def test_no_growth_at_every_tick_without_load(rule: str) -> None:
    pool = Driven(rule, ready=2)
    pool.seconds(600, calls=0)
    assert max(decision.workers for decision in pool.decisions) <= 2


def test_refusals_add_one_worker_and_wait_until_it_is_felt() -> None:
    # Calls are refused although the demand that is measured fits: the profile is wrong.
    pool = Driven("hasten,lead_s=60,growth_cold=0", ready=2)
    pool.seconds(310, calls=5)
    pool.seconds(90, calls=5, refused=2)
    assert pool.desired == 3
    pool.become_ready()
    pool.seconds(60, calls=5, refused=2)
    assert pool.desired > 3


@pytest.mark.parametrize("rule", ["ray", "queue_length"])
def test_what_waits_counts_and_not_only_what_runs(rule: str) -> None:
    pool = Driven(rule, ready=1)
    # One call runs at a time, and the queue in front of it grows.
    pool.seconds(70, calls=10, busy=1.0, running=1, waiting=40)
    assert pool.desired >= 5


@pytest.mark.parametrize("rule", ["reactive", "hpa", "kpa", "hasten"])
def test_a_busy_worker_is_not_picked_to_leave(rule: str) -> None:
    pool = Driven(rule, ready=3)
    pool.seconds(305, calls=1, busy=0.03)
    # From now on one more is there, and it is busy.
    pool.ready.append("busy")
    pool.instead["busy"] = LoadTold("busy", 1.0, 8, 30, 5.0, 0.0, ("m",))
    pool.tell(WorkerReady("busy"))
    pool.seconds(2400, calls=1, busy=0.03)
    gone = [e.worker_id for e in pool.effects if isinstance(e, DrainWorker)]
    assert gone
    assert "busy" not in gone


@pytest.mark.parametrize("rule", ["hasten", "hpa", "kpa", "ray", "reactive", "hybrid"])
def test_advice_that_nobody_carries_out_does_not_grow_and_is_not_forgotten(rule: str) -> None:
    pool = Driven(rule, ready=2)
    pool.tell(ModeSet("advise"))
    # Two workers do twenty calls a second, and thirty are wanted; what is too much is refused.
    pool.seconds(900, calls=30, refused=10, busy=1.0, running=2, waiting=2)
    assert not [e for e in pool.effects if isinstance(e, StartWorkers | DrainWorker)]
    assert 2 < pool.desired <= 8
    settled = {decision.workers for decision in pool.decisions[-30:]}
    assert max(settled) - min(settled) <= 1


@pytest.mark.parametrize("rule", ["hasten", "kpa", "reactive", "hybrid", "bands"])
def test_a_rule_without_a_profile_is_not_silent(rule: str) -> None:
    pool = Driven(rule, ready=2, profiled=False)
    pool.seconds(120, calls=60, refused=30, busy=1.0)
    assert pool.desired > 2


def test_without_profile_and_worker_a_first_one_is_started() -> None:
    pool = Driven("hasten", Bounds(workers_min=0, workers_max=5), ready=0, profiled=False)
    pool.seconds(15, calls=3, refused=3)
    assert StartWorkers(1) in pool.effects
