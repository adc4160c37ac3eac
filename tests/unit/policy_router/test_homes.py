"""Under load the calls of a model meet on the workers that it is at home on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.fleet.homes import (
    FIRST_PERIOD_S,
    KEPT_SHARE,
    LEAST_SHARE,
    Homes,
    lay_out,
)
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.subset import affinity_score
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from tests.unit.policy_router.harness import Router, model, sends


def views_on(
    workers: int, demands: list[float], placed: list[list[int]] | None = None
) -> list[ModelView]:
    """One view a demand, on the workers that `placed` names; on all of them without it."""
    records = [WorkerRecord(f"w{at:02d}", 1.0, 0.0) for at in range(workers)]
    made = []
    for number, demand in enumerate(demands):
        view = ModelView(f"m{number}")
        view.entries = [
            ModelEntry(records[at], model(view.key))
            for at in (placed[number] if placed else range(workers))
        ]
        view.open = list(view.entries)
        view.demand_per_s = demand
        made.append(view)
    return made


demands = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=12)


@given(st.integers(1, 9), demands)
def test_every_model_has_a_home_and_places_fit_the_demand(workers: int, rates: list[float]) -> None:
    views = views_on(workers, rates)
    lay_out(views)
    total = sum(rates)
    for view in views:
        lanes = sum(entry.home for entry in view.homes)
        assert view.homes
        assert all(entry in view.open for entry in view.homes)
        assert lanes == pytest.approx(workers * view.demand_per_s / total)
    for worker in {entry.worker for view in views for entry in view.open}:
        assert worker.home_lanes == pytest.approx(sum(entry.home for entry, _ in worker.homes))


@given(st.integers(2, 6), demands, st.randoms(use_true_random=False))
def test_the_layout_is_the_same_in_whatever_order_the_models_came(
    workers: int, rates: list[float], rng: object
) -> None:
    views = views_on(workers, rates)
    lay_out(views)
    first = {v.key: [(e.worker.worker_id, e.home) for e in v.homes] for v in views}
    again = views_on(workers, rates)
    rng.shuffle(again)  # type: ignore[attr-defined]  # a random.Random
    lay_out(again)
    for view in again:
        found = [(e.worker.worker_id, e.home) for e in view.homes]
        assert [name for name, _ in found] == [name for name, _ in first[view.key]]
        assert [home for _, home in found] == pytest.approx([h for _, h in first[view.key]])


@given(st.lists(st.integers(16, 44), min_size=2, max_size=20))
def test_a_small_place_does_not_come_and_go_with_chance(hundredths: list[int]) -> None:
    shares = [(number + 0.5) / 100.0 for number in hundredths]
    views = views_on(2, [1.0, 1.0])
    first = min(views, key=lambda view: affinity_score(view.key, ""))
    second = views[0] if first is views[1] else views[1]
    seen: list[bool] = []
    at_home: list[ModelEntry] = []
    for share in shares:
        # The first fills one worker and `share` of the other, which the second has for the rest.
        first.demand_per_s, second.demand_per_s = 1.0 + share, 1.0 - share
        for view in views:
            view.homes = []
        at_home = lay_out(views, at_home)
        seen.append(len(first.homes) == 2)
    for before, here, share in zip(seen, seen[1:], shares[1:], strict=False):
        assert here == (share >= (KEPT_SHARE if before else LEAST_SHARE)), (seen, shares)


def test_a_model_that_only_full_workers_hold_is_at_home_on_all_of_them() -> None:
    views = views_on(2, [100.0, 100.0, 100.0], [[0], [0], [0, 1]])
    lay_out(views)
    assert all(view.homes for view in views)


def test_the_layout_is_renewed_in_growing_periods_and_forgets_who_is_gone() -> None:
    homes = Homes()
    views = {view.key: view for view in views_on(2, [0.0, 0.0])}
    homes.renew(views.values(), 10.0)
    assert homes.due_s == 10.0 + FIRST_PERIOD_S
    views["m0"].arrivals = 100
    homes.renew(views.values(), homes.due_s)
    assert views["m0"].demand_per_s == pytest.approx(100 / FIRST_PERIOD_S)
    assert views["m0"].homes
    assert not views["m1"].homes
    for _ in range(200):
        homes.renew(views.values(), homes.due_s)
    assert views["m0"].demand_per_s == 0.0
    assert not views["m0"].homes


def busy_router() -> tuple[Router, str, str]:
    """Models m and n on workers a and b, each asked for alike; who is home to m, and to n."""
    both = (model("m"), model("n"))
    made = Router(theta_start=(1.0, 1.0, 1.0, 1.0))
    made.join("a", *both)
    made.join("b", *both)
    number = 0
    for _ in range(4):
        for name in ("m", "n") * 50:
            number += 1
            ((_, where),) = sends(made.call(number, 10.0, model=name))
            made.answer(number, where)
        made.pass_time(1.0)
    state = made.machine._state
    state.fleet.balancer.renew(state.fleet.registry.views.values(), made.now_s)
    (of_m,), (of_n,) = state.fleet.registry.views["m"].homes, state.fleet.registry.views["n"].homes
    assert {of_m.worker.worker_id, of_n.worker.worker_id} == {"a", "b"}
    return made, of_m.worker.worker_id, of_n.worker.worker_id


def test_calls_go_home_rather_than_mix_with_others_unless_a_worker_is_idle() -> None:
    made, home, other = busy_router()
    both = (model("m"), model("n"))
    assert sends(made.call(1001, 1.0, model="n")) == [(1001, other)]
    made.report(other, *both, depth=1, backlog_s=0.01)
    made.report(home, *both, depth=4, waiting=1, waiting_of=((0, 1),), backlog_s=0.03)
    assert sends(made.call(1002, 1.0)) == [(1002, home)], "though the other has fewer calls"
    made.report(other, *both)
    made.report(home, *both, depth=4, backlog_s=0.03)
    assert sends(made.call(1003, 1.0)) == [(1003, other)], "an idle worker takes any"
    assert sends(made.call(1004, model="m")) != [], "without a deadline there is no hurry"


def test_freed_credits_go_to_those_at_home_there_and_to_others_only_when_it_is_idle() -> None:
    made, home, other = busy_router()
    both = (model("m"), model("n"))
    for worker_id in (home, other):
        made.report(worker_id, *both, depth=4, backlog_s=0.01, window=0)
    assert sends(made.call(1001, 0.4)) == []
    assert sends(made.call(1002, 0.5, model="n")) == []
    effects = made.report(other, *both, depth=2, backlog_s=0.01, window=4)
    assert sends(effects) == [(1002, other)], "m is due first, but not at home there"
    effects = made.report(other, *both, window=4)
    assert sends(effects) == [(1001, other)], "idle hands take what there is"


def test_a_model_that_nobody_asks_for_any_more_is_at_home_nowhere() -> None:
    homes = Homes()
    forgotten, asked = views_on(2, [0.0, 0.0], placed=[[0], [0, 1]])
    homes.renew([forgotten, asked], 0.0)
    forgotten.arrivals, asked.arrivals = 1, 100
    homes.renew([forgotten, asked], homes.due_s)
    (entry,) = forgotten.homes
    assert entry.home > 0.0
    while forgotten.demand_per_s:
        asked.arrivals = 100
        homes.renew([forgotten, asked], homes.due_s)
    assert not forgotten.homes
    assert entry.home == 0.0
    entry.worker.others_per_s = 1000.0
    assert entry.worker.come(entry, 1.0) == 0, "the others' calls are of what is at home there"


def test_a_worker_that_is_shut_is_home_to_nobody() -> None:
    homes = Homes()
    (view,) = views_on(2, [0.0])
    homes.renew([view], 0.0)
    view.arrivals = 100
    homes.renew([view], homes.due_s)
    shut, _ = view.homes
    view.open = view.open[1:]
    view.arrivals = 100
    homes.renew([view], homes.due_s)
    assert shut not in view.homes
    assert (shut.home, shut.worker.homes, shut.worker.home_lanes) == (0.0, [], 0.0)
