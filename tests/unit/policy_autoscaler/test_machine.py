"""The autoscaler's machine, event by event."""

from math import nan

import pytest

from hasten_policy.autoscaler.events import (
    BoundsSet,
    DemandTold,
    DrainWorker,
    ForecastGiven,
    LoadTold,
    ModelDemand,
    PolicySet,
    StartRefused,
    StartWorkers,
    Woke,
    WorkerLeft,
    WorkerReady,
)
from hasten_policy.registry import scaling
from hasten_policy.scaling.limits import Bounds
from tests.unit.policy_autoscaler.driving import Driven


def test_demand_that_grows_starts_workers_and_says_why() -> None:
    pool = Driven(ready=1)
    pool.seconds(30, calls=40)
    assert pool.desired >= 5
    assert len(pool.starting) == pool.desired - 1
    decisive = pool.decisions[-1].reasons[0]
    assert decisive.kind in {"growth", "panic"}
    assert decisive.workers == pool.desired
    assert dict(decisive.facts)["load"] == pytest.approx(4.0, rel=0.01)


def test_a_worker_that_is_lost_is_replaced_at_once() -> None:
    pool = Driven("static,workers=3", ready=3)
    pool.seconds(11, calls=5)
    lost = pool.ready.pop()
    assert StartWorkers(1) in pool.tell(WorkerLeft(lost))


def test_one_that_never_becomes_ready_is_given_up_and_replaced() -> None:
    pool = Driven("static,workers=2,lead_s=10,overdue_s_min=40", ready=1)
    pool.seconds(10, calls=1)
    stuck = pool.starting[0]
    pool.seconds(60, calls=1)
    assert DrainWorker(stuck, "overdue") in pool.effects
    assert pool.starting
    assert stuck not in pool.starting


def test_what_the_driver_refuses_is_tried_again_later() -> None:
    pool = Driven("static,workers=4", ready=1)
    pool.seconds(5, calls=1)
    for name in list(pool.starting):
        pool.starting.remove(name)
        pool.tell(WorkerLeft(name))
    pool.starting.clear()
    pool.tell(StartRefused(3, "quota"))
    before = len(pool.effects)
    pool.seconds(25, calls=1)
    assert not [e for e in pool.effects[before:] if isinstance(e, StartWorkers)]
    pool.seconds(20, calls=1)
    assert [e for e in pool.effects[before:] if isinstance(e, StartWorkers)]


def test_a_worker_that_somebody_else_started_is_counted() -> None:
    pool = Driven("static,workers=2", ready=1)
    pool.ready.append("other")
    pool.tell(WorkerReady("other"))
    pool.starting.clear()
    pool.seconds(400, calls=1)
    assert pool.desired == 2


def test_bounds_that_are_set_are_carried_out_at_once() -> None:
    pool = Driven("static,workers=2", ready=2)
    pool.seconds(10, calls=1)
    pool.tell(BoundsSet(Bounds(workers_min=5, workers_max=9)))
    assert pool.desired == 5
    pool.tell(BoundsSet(Bounds(workers_min=1, workers_max=1)))
    assert pool.desired == 1


def test_no_worker_leaves_for_a_stable_window_after_a_restart() -> None:
    pool = Driven("reactive,down_s=0", ready=6)
    pool.seconds(290, calls=10)
    assert pool.desired == 6
    assert set(pool.holds()[1:]) == {"just_begun"}
    pool.seconds(300, calls=10)
    assert pool.desired == 2


def test_a_policy_that_is_set_begins_anew() -> None:
    pool = Driven("static,workers=6", ready=6)
    pool.seconds(400, calls=10)
    pool.tell(PolicySet(scaling("static,workers=2")))
    assert pool.desired == 6
    assert pool.holds()[-1] == "just_begun"
    pool.seconds(900, calls=10)
    assert pool.desired == 2


def test_no_traffic_is_zero_demand_and_takes_the_pool_to_zero_only_if_a_start_is_in_time() -> None:
    slow = Driven(bounds=Bounds(workers_min=0, workers_max=5), ready=1)
    slow.seconds(2400, calls=0)
    assert slow.desired == 1
    assert "kept_warm" in slow.reasons()
    quick = Driven("hasten,lead_s=0.1,period_s=0.3", Bounds(workers_min=0, workers_max=5), ready=1)
    quick.seconds(2400, calls=0)
    assert quick.desired == 0
    assert not quick.ready


def test_the_first_call_at_zero_does_not_wait_for_the_tick() -> None:
    pool = Driven("hasten,lead_s=0.1,period_s=0.3", Bounds(workers_min=0, workers_max=5), ready=1)
    pool.seconds(2400, calls=0)
    said = pool.tell(DemandTold("r", 1.0, (ModelDemand("m", 1, 1, 1),)))
    assert StartWorkers(1) in said


def test_a_silent_router_keeps_workers_from_leaving_until_it_is_gone() -> None:
    pool = Driven("reactive,down_s=0", ready=6)
    pool.tell(DemandTold("other", 1.0, (ModelDemand("m", 1, 50, 50),)))
    pool.seconds(299, calls=10)
    assert pool.desired == 6
    pool.seconds(5, calls=10)
    assert "router_silent" in pool.holds()
    pool.seconds(300, calls=10)
    assert pool.desired == 2


@pytest.mark.parametrize(
    "told",
    [
        DemandTold("r", 0.0, ()),
        DemandTold("r", -3.0, ()),
        DemandTold("r", 1e9, ()),
        DemandTold("r", nan, ()),
        DemandTold("r", 1.0, (ModelDemand("m", 1, -5, 1),)),
        DemandTold("r", 1.0, (ModelDemand("m", 1, 10**15, 1),)),
        LoadTold("w0", nan),
        LoadTold("w0", 0.5, running=-1),
        ForecastGiven(nan, 1.0, 60.0),
        LoadTold("nobody", 0.5),
    ],
)
def test_what_cannot_be_is_left_out_by_name(told: object) -> None:
    pool = Driven(ready=1)
    before = pool.desired
    pool.tell(told)  # type: ignore[arg-type]
    assert pool.ignored()[-1].why
    pool.tell(Woke())
    assert pool.desired == before


def test_a_forecast_is_planned_for_and_an_old_one_is_not() -> None:
    pool = Driven(ready=2)
    pool.seconds(20, calls=5)
    pool.tell(ForecastGiven(8.0, 12.0, 60.0))
    pool.seconds(20, calls=5)
    assert pool.desired >= 10
    assert "forecast" in pool.reasons()
    pool.seconds(200, calls=5)
    assert "forecast" not in pool.reasons()


@pytest.mark.parametrize("rule", ["", "hpa,tarzet=1", "hpa,target=none", "hpa,target=0", "nobody"])
def test_a_rule_that_cannot_be_is_refused_with_what_there_is(rule: str) -> None:
    with pytest.raises(ValueError, match=r"must be|has no field"):
        scaling(rule)


def test_a_text_sets_parameters_of_the_rule_and_of_the_machine() -> None:
    policy = scaling("kpa,target=0.5,period_s=2,up_step=9")
    assert (policy.kpa.target, policy.period_s, policy.limits.up_step) == (0.5, 2.0, 9)
