"""What operators, schedulers and a restart tell an autoscaler's machine."""

from math import inf, nan

import pytest

from hasten_policy.autoscaler.events import (
    BacklogTold,
    BoundsSet,
    CheckpointRestored,
    DemandTold,
    DrainWorker,
    ModelDemand,
    ModeSet,
    ProfileTold,
    StartWorkers,
    TellerLeft,
    Woke,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_policy.autoscaler.kept import Kept, kept_of
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.registry import scaling
from hasten_policy.scaling.backlog import QueuedWork, workers_for
from hasten_policy.scaling.limits import Bounds
from tests.unit.policy_autoscaler.driving import TEN_PER_S, Driven

QUEUED = QueuedWork("m", 3, 600, 600, 0.0, 0.0, 30.0)
"""A minute of work that is due in half of one."""


def test_who_advises_decides_and_touches_nothing() -> None:
    pool = Driven("hasten,lead_s=10", ready=3)
    pool.tell(ModeSet("advise"))
    before = len(pool.effects)
    pool.seconds(30, calls=60)
    assert pool.desired > 3
    pool.seconds(900, calls=0)
    assert pool.desired < 3
    acts = (StartWorkers, DrainWorker)
    assert not [effect for effect in pool.effects[before:] if isinstance(effect, acts)]


def test_who_holds_lets_the_number_stay_and_replaces_the_lost() -> None:
    pool = Driven("reactive,down_s=0,no_scale_in_s=0", ready=3)
    pool.tell(ModeSet("hold"))
    pool.seconds(60, calls=300)
    assert (pool.desired, set(pool.holds()[1:])) == (3, {"operator"})
    assert "operator" in pool.reasons()
    lost = pool.ready.pop()
    assert StartWorkers(1) in pool.tell(WorkerLeft(lost))
    pool.tell(BoundsSet(Bounds(workers_min=5, workers_max=9)))
    assert pool.desired == 5, "a floor holds always"
    pool.tell(ModeSet("act"))
    pool.seconds(30, calls=300)
    assert pool.desired == 9


def test_bounds_that_are_told_before_the_beginning_start_nobody() -> None:
    machine = AutoscalerMachine(scaling("hasten"))
    assert machine.on(BoundsSet(Bounds(2, 4)), now_s=0.0) == []
    assert machine.on(ModeSet("act"), now_s=0.0) == []
    machine.on(WorkerReady("w1"), now_s=0.0)
    assert StartWorkers(1) in machine.on(Woke(), now_s=0.0)


def test_a_restart_goes_on_with_the_number_and_what_was_learnt() -> None:
    before = Driven("hasten,lead_s=5", bounds=Bounds(workers_max=20), ready=2)
    for _ in range(4):
        before.seconds(200, calls=60)
        before.become_ready(took_s=17.0)
    text = before.machine.checkpoint()
    machine = AutoscalerMachine(scaling("hasten,lead_s=5"), Bounds(workers_max=20))
    machine.on(CheckpointRestored(text), now_s=0.0)
    for name in before.ready[:3]:
        machine.on(WorkerReady(name), now_s=0.0)
    machine.on(Woke(), now_s=0.0)
    view, known = machine.view(0.0), before.machine.view(before.now_s)
    assert view.desired == known.desired
    assert view.sight.lead_s == known.sight.lead_s == 17.0 + 10.0
    assert kept_of(machine.checkpoint()).learnt == kept_of(text).learnt


def test_a_restart_lets_nobody_go_whatever_was_decided_before() -> None:
    machine = AutoscalerMachine(scaling("static,workers=1"), Bounds(workers_max=20))
    machine.on(CheckpointRestored('["static",1,[],{}]'), now_s=0.0)
    for number in range(4):
        machine.on(WorkerReady(f"w{number}"), now_s=0.0)
    assert not [e for e in machine.on(Woke(), now_s=0.0) if isinstance(e, DrainWorker)]
    assert machine.view(0.0).desired == 4


@pytest.mark.parametrize(
    "text",
    [
        *("", "[", "{}", "[1]", "[" * 100_000, '["hasten",-1,[],{}]'),
        '["hasten",0,["x",NaN,-1],{"growth":["x",1e9]}]',
    ],
)
def test_a_checkpoint_that_cannot_be_read_is_as_none(text: str) -> None:
    assert kept_of(text).took == []
    machine = AutoscalerMachine(scaling("hasten"), Bounds(workers_max=4))
    machine.on(CheckpointRestored(text), now_s=0.0)
    machine.on(WorkerReady("w"), now_s=0.0)
    machine.on(Woke(), now_s=0.0)
    assert machine.view(0.0).desired == 1


def test_what_another_rule_learnt_is_left_out() -> None:
    assert kept_of('["hpa",3,[2.0],{}]') == Kept("hpa", 3, [2.0], {})
    machine = AutoscalerMachine(scaling("hasten"))
    machine.on(CheckpointRestored('["hpa",3,[],{"growth":[1.0],"settle_s":9}]'), now_s=0.0)
    assert kept_of(machine.checkpoint()).learnt["growth"] == []


def test_tasks_that_wait_need_workers_although_no_call_comes() -> None:
    pool = Driven("hasten,lead_s=5", ready=1)
    pool.tell(ProfileTold("m", TEN_PER_S))
    for _ in range(3):
        pool.tell(BacklogTold("s", (QUEUED,)))
        pool.seconds(10, calls=0)
    # Sixty seconds of one worker, due in thirty: two, busy for no more than nine tenths.
    assert pool.desired >= 3
    assert dict(pool.decisions[-1].reasons[0].facts)["queued"] > 1.9


def test_tasks_that_are_planned_are_prepared_for_one_lead_ahead() -> None:
    pool = Driven("hasten,lead_s=20", ready=1)
    planned = QueuedWork("m", 3, 600, 600, 60.0, 200.0, 230.0)
    started_s = inf
    for passed in range(0, 230, 10):
        left_s = max(0.0, 200.0 - passed)
        told = QueuedWork("m", 3, 600, 600, 60.0, left_s, left_s + 30.0)
        pool.tell(BacklogTold("s", (told,)))
        pool.seconds(10, calls=0)
        if pool.starting and started_s == inf:
            started_s = pool.now_s
    assert planned.start_in_s - 40.0 <= started_s <= planned.start_in_s - 10.0


def test_a_scheduler_that_is_silent_is_forgotten_with_its_tasks() -> None:
    pool = Driven("hasten,lead_s=5", ready=1)
    pool.tell(BacklogTold("s", (QUEUED,)))
    assert pool.machine.view(pool.now_s).sight.queued > 0.0
    pool.now_s += 31.0
    assert pool.machine.view(pool.now_s).sight.queued == 0.0


def test_a_router_that_left_in_order_keeps_nobody_from_leaving() -> None:
    pool = Driven("reactive,down_s=0,no_scale_in_s=0", ready=6)
    other = DemandTold("other", 1.0, (ModelDemand("m", 1, 10, 10),), waiting=7)
    pool.tell(other)
    pool.seconds(120, calls=10)
    kept = pool.desired
    assert (kept > 2, pool.holds()[-1]) == (True, "router_silent")
    pool.tell(TellerLeft("other"))
    pool.tell(TellerLeft("nobody"))
    pool.seconds(60, calls=10)
    assert pool.desired < kept
    assert pool.machine.view(pool.now_s).sight.waiting == 0


@pytest.mark.parametrize("wrong", [-1.0, nan, inf])
def test_absurd_work_is_left_out_by_name(wrong: float) -> None:
    pool = Driven(ready=1)
    pool.tell(BacklogTold("s", (QueuedWork("m", 1, 1, 1, wrong),)))
    assert [each.why for each in pool.ignored()] == ["absurd work"]
    assert pool.machine.view(pool.now_s).sight.queued == 0.0


def test_the_first_task_wakes_a_pool_of_none() -> None:
    pool = Driven("hasten,lead_s=0.1,period_s=0.1", bounds=Bounds(0, 5), ready=0, profiled=True)
    pool.seconds(2, calls=0)
    assert pool.desired == 0
    assert StartWorkers(1) in pool.tell(BacklogTold("s", (QueuedWork("m", 3, 1, 1, 0.1),)))


def test_workers_for_tasks_by_their_deadlines() -> None:
    def work(work_s: float, start_in_s: float = 0.0, left_s: float = inf) -> QueuedWork:
        return QueuedWork("m", 3, 1, 1, work_s, start_in_s, left_s)

    assert workers_for([], 60.0) == 0.0
    assert workers_for([work(100.0, left_s=50.0)], 60.0) == 2.0
    assert workers_for([work(100.0, left_s=50.0), work(100.0, left_s=400.0)], 60.0) == 2.0
    assert workers_for([work(100.0, left_s=50.0), work(400.0, left_s=100.0)], 60.0) == 5.0
    assert workers_for([work(60.0)], 60.0) == 0.1, "without a deadline there are ten minutes"
    assert workers_for([work(30.0, left_s=0.0)], 60.0) == 2.0, "nobody is quicker than that"
    assert workers_for([work(100.0, 50.0, 100.0)], 60.0) == 2.0
    assert workers_for([work(100.0, 90.0, 140.0)], 60.0) == 0.0, "it begins after a start"


def test_one_that_dies_while_it_starts_is_not_replaced_at_once() -> None:
    pool = Driven("static,workers=3", ready=1)
    pool.seconds(10, calls=1)
    dead = pool.starting.pop()
    assert not [e for e in pool.tell(WorkerLeft(dead)) if isinstance(e, StartWorkers)]
    pool.seconds(40, calls=1)
    assert len(pool.starting) == 2


def test_one_that_is_started_again_by_whoever_keeps_it_is_not_replaced() -> None:
    pool = Driven("static,workers=2", ready=2)
    pool.seconds(10, calls=1)
    assert not pool.tell(WorkerStarting("w0"))
    view = pool.machine.view(pool.now_s)
    assert (view.sight.ready, view.sight.starting) == (1, 1)
    pool.tell(WorkerReady("w0", 3.0))
    assert pool.machine.view(pool.now_s).sight.ready == 2
