"""Whatever an autoscaler is told, what it decides keeps bounds, budget and calm."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from hasten_policy.autoscaler.events import (
    AutoscalerEffect,
    AutoscalerEvent,
    BoundsSet,
    DemandTold,
    Desired,
    DrainWorker,
    ForecastGiven,
    LoadTold,
    ModelDemand,
    ProfileTold,
    StartRefused,
    StartWorkers,
    WakeAt,
    Woke,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.registry import scaling
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.profiles import Profile
from hasten_policy.scaling.queueing import BatchCurve
from hasten_policy.scaling.rules.table import SCALING_RULES

NAMES = st.sampled_from([f"w{number}" for number in range(6)])
COUNTS = st.integers(-5, 3000)
MODELS = st.sampled_from(["m", "n"])
EVENTS: st.SearchStrategy[AutoscalerEvent] = st.one_of(
    st.builds(
        DemandTold,
        st.sampled_from(["r", "s"]),
        st.sampled_from([1.0, 10.0, 0.0, float("nan")]),
        st.tuples(st.builds(ModelDemand, MODELS, st.just(1), COUNTS, COUNTS, COUNTS, COUNTS)),
        COUNTS,
    ),
    st.builds(LoadTold, NAMES, st.floats(), COUNTS, COUNTS, st.floats()),
    st.builds(WorkerStarting, NAMES),
    st.builds(WorkerReady, NAMES, st.sampled_from([0.0, 5.0, 600.0])),
    st.builds(WorkerLeft, NAMES),
    st.builds(StartRefused, st.integers(0, 5), st.just("quota")),
    st.builds(ForecastGiven, st.floats(), st.floats(), st.floats()),
    st.just(ProfileTold("m", Profile(BatchCurve(0.01, 0.002, 8), 0.2))),
    st.just(Woke()),
    st.just(Woke()),
)
STEPS = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 10.0, 45.0]), EVENTS), max_size=120)
BOUNDS = Bounds(workers_min=1, workers_max=20, price_per_h=0.5, budget_per_h=6.0)
CHANGES_MAX = 7


def told(
    rule: str, steps: list[tuple[float, AutoscalerEvent]]
) -> list[tuple[float, AutoscalerEffect]]:
    machine = AutoscalerMachine(scaling(f"{rule},changes_per_h_max={CHANGES_MAX}"), BOUNDS)
    now_s = 0.0
    said: list[tuple[float, AutoscalerEffect]] = []
    for passed_s, event in steps:
        now_s += passed_s
        said += [(now_s, effect) for effect in machine.on(event, now_s=now_s)]
    return said


@given(st.sampled_from(SCALING_RULES.names), STEPS)
@settings(max_examples=150, deadline=None)
def test_bounds_budget_and_calm_hold_whatever_is_told(
    rule: str, steps: list[tuple[float, AutoscalerEvent]]
) -> None:
    said = told(rule, steps)
    decided = [(at_s, effect) for at_s, effect in said if isinstance(effect, Desired)]
    assert all(1 <= effect.workers <= 12 for _, effect in decided)
    changed = [
        later[0] for before, later in pairwise(decided) if before[1].workers != later[1].workers
    ]
    for at_s in changed:
        assert sum(at_s - 3600.0 < other <= at_s for other in changed) <= CHANGES_MAX
    assert all(effect.reasons for _, effect in decided)
    assert all(effect.count > 0 for _, effect in said if isinstance(effect, StartWorkers))
    assert all(effect.at_s > at_s for at_s, effect in said if isinstance(effect, WakeAt))


@given(st.sampled_from(SCALING_RULES.names), STEPS)
@settings(max_examples=50, deadline=None)
def test_the_same_events_give_the_same_decisions(
    rule: str, steps: list[tuple[float, AutoscalerEvent]]
) -> None:
    assert repr(told(rule, steps)) == repr(told(rule, steps))


@given(STEPS)
@settings(max_examples=100, deadline=None)
def test_nobody_is_drained_twice_and_nobody_unknown(
    steps: list[tuple[float, AutoscalerEvent]],
) -> None:
    machine = AutoscalerMachine(scaling("thresholds,no_scale_in_s=0"), BOUNDS)
    there: set[str] = set()
    now_s = 0.0
    for passed_s, event in steps:
        now_s += passed_s
        if isinstance(event, WorkerStarting | WorkerReady):
            there.add(event.worker_id)
        for effect in machine.on(event, now_s=now_s):
            if isinstance(effect, DrainWorker):
                assert effect.worker_id in there
                there.remove(effect.worker_id)
        if isinstance(event, WorkerLeft):
            there.discard(event.worker_id)


@given(st.integers(0, 40), st.integers(1, 40))
def test_bounds_that_are_set_hold_from_the_next_decision_on(low: int, span: int) -> None:
    machine = AutoscalerMachine(scaling("hasten"), BOUNDS)
    machine.on(Woke(), now_s=0.0)
    said = machine.on(BoundsSet(Bounds(low, low + span)), now_s=1.0)
    desired = next(effect for effect in said if isinstance(effect, Desired))
    assert low <= desired.workers <= low + span
