"""The simulated mesh: the same run twice, nothing lost, and what faults do."""

import json
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten_policy.registry import resolve
from hasten_sim.figures import Figures
from hasten_sim.scenario import Fault, HostShape, Network, Scenario
from hasten_sim.simulate import simulate
from tests.unit.sim_core.shapes import MODEL, scenario

HASTEN = resolve("hasten")


def adds_up(figures: Figures) -> bool:
    """Every offered request ended in exactly one way."""
    ends = figures.in_time + figures.late + sum(figures.refused.values()) + figures.abandoned
    return figures.offered == ends


HOST = HostShape(2.0, 2.0, accept_s=2e-4, refuse_s=1e-4, answer_s=2e-4, dead_s=1e-4, worker_s=1e-4)

faults = st.builds(
    Fault,
    kind=st.sampled_from(
        ["crash", "hang", "slow", "partition", "store_loss", "steal", "crowd", "hiccup"]
    ),
    at_s=st.floats(0.1, 1.5),
    for_s=st.one_of(st.floats(0.05, 3.0), st.just(float("inf"))),
    worker=st.integers(0, 1),
    factor=st.floats(1.0, 20.0),
    share=st.floats(0.0, 1.0),
    every_s=st.sampled_from([0.0, 0.1]),
    each_s=st.floats(0.01, 0.09),
    threads=st.floats(0.0, 8.0),
    stall_s=st.floats(0.0, 0.5),
)
thefts = st.builds(
    Fault,
    kind=st.just("steal"),
    at_s=st.floats(0.1, 1.5),
    for_s=st.floats(0.05, 3.0),
    router=st.sampled_from([0, None]),
    share=st.floats(0.0, 1.0),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(faults, thefts), max_size=3),
    st.integers(1, 3),
    st.sampled_from([100.0, 600.0, 2000.0]),
    st.sampled_from([HOST, replace(HOST, pending_max=20), None]),
)
def test_whatever_goes_wrong_no_request_is_lost_and_none_ends_twice(
    wrong: list[Fault], routers: int, rate_per_s: float, host: HostShape | None
) -> None:
    wrong = [fault for fault in wrong if host is not None or fault.kind != "crowd"]
    network = Network(latency_s=0.001, jitter_s=0.0005, report_loss=0.2)
    made = scenario(
        *wrong, rate_per_s=rate_per_s, duration_s=2.0, routers=routers, network=network, host=host
    )
    figures = simulate(made, HASTEN, 7)
    assert figures.offered > 0
    assert adds_up(figures)
    # Only time left travels: a call that lay in a cut wire, in the socket of a process that stood
    # still or before a thread that had much to do looks fresher than it is, until the cancel behind
    # it is read.
    if host is None and not {"hang", "partition", "steal"} & {fault.kind for fault in wrong}:
        assert figures.executed_late == 0
    assert sum(figures.offered_by_s) == figures.offered


def test_the_same_seed_gives_the_same_figures_byte_for_byte_and_another_gives_others() -> None:
    made = scenario(Fault("crash", 1.0, 0.5, worker=1), rate_per_s=800.0)
    first, second, third = (
        json.dumps(simulate(made, HASTEN, seed).as_json()) for seed in (1, 1, 2)
    )
    assert first == second
    assert first != third


def test_the_same_holds_where_the_cpu_is_short() -> None:
    wrong = (Fault("steal", 1.0, 1.0, every_s=0.1, each_s=0.03), Fault("crowd", 2.0, threads=3.0))
    made = scenario(*wrong, rate_per_s=800.0, host=HOST, lag_s=0.001)
    first, second = (json.dumps(simulate(made, HASTEN, 1).as_json()) for _ in range(2))
    assert first == second


def test_below_capacity_all_are_in_time_and_the_parts_of_the_figures_agree() -> None:
    figures = simulate(scenario(warmup_s=1.0), HASTEN, 1)
    assert figures.attainment == 1.0
    assert figures.offered == sum(figures.offered_by_s[1:])
    assert figures.goodput_per_s == pytest.approx(figures.offered / 2.0)
    assert 0.0 < figures.latency_ms["p50"] < figures.latency_ms["p99"] <= 100.0
    assert sum(figures.share_by_worker) == pytest.approx(1.0)
    assert figures.wasted_share == pytest.approx(0.0, abs=1e-9)
    assert set(figures.attainment_by_tenant) == {"a", "b"}
    assert set(figures.attainment_by_model) == {"m", "n"}


def test_a_worker_that_dies_loses_what_it_had_and_comes_back_with_its_models() -> None:
    slow_to_load = MODEL.__class__("m", MODEL.times, batch_max=8, load_s=0.5)
    crash = Fault("crash", 1.0, 0.5, worker=0)
    made = scenario(crash, models=(slow_to_load,), workers=1, routers=1, duration_s=4.0)
    figures = simulate(made, HASTEN, 1)
    assert adds_up(figures)
    # Half a second away, half a second of loading, and what was under way at the crash.
    assert figures.goodput_by_s[0] > 0.9 * figures.offered_by_s[0]
    assert figures.goodput_by_s[1] < 0.2 * figures.offered_by_s[1]
    assert figures.goodput_by_s[3] == figures.offered_by_s[3]


def test_a_worker_that_dies_while_it_loads_begins_to_load_anew() -> None:
    slow_to_load = MODEL.__class__("m", MODEL.times, batch_max=8, load_s=1.0)
    # The first start would be warm at 2 s, the second is at 3 s.
    wrong = (Fault("crash", 0.5, 0.5, worker=0), Fault("crash", 1.5, 0.5, worker=0))
    made = scenario(*wrong, models=(slow_to_load,), workers=1, routers=1, duration_s=5.0)
    figures = simulate(made, HASTEN, 1)
    assert adds_up(figures)
    assert figures.goodput_by_s[2] < 0.2 * figures.offered_by_s[2]
    assert figures.goodput_by_s[4] == figures.offered_by_s[4]


@pytest.mark.parametrize("kind", ["hang", "partition"])
def test_the_patience_with_a_worker_begins_anew_with_each_silence(
    kind: Literal["hang", "partition"],
) -> None:
    # Two silences below the two seconds after which links are given up; together above.
    wrong = (Fault(kind, 1.0, 0.5, worker=0), Fault(kind, 2.0, 1.5, worker=0))
    made = scenario(*wrong, workers=1, routers=1, rate_per_s=20.0, duration_s=5.0, slack_s=9.0)
    figures = simulate(made, HASTEN, 1)
    assert figures.attainment == 1.0


def test_one_of_two_that_dies_costs_no_call_that_has_slack() -> None:
    made = scenario(Fault("crash", 1.0, worker=0), rate_per_s=100.0, slack_s=0.3)
    figures = simulate(made, HASTEN, 1)
    assert figures.attainment == 1.0


def test_one_that_hangs_is_out_of_rotation_within_three_seconds() -> None:
    made = scenario(Fault("hang", 1.0, worker=0), rate_per_s=100.0, duration_s=6.0)
    figures = simulate(made, HASTEN, 1)
    assert adds_up(figures)
    assert figures.goodput_by_s[4:6] == figures.offered_by_s[4:6]


def test_messages_over_a_short_cut_come_late_and_are_not_lost() -> None:
    cut = Fault("partition", 1.0, 0.2, worker=0)
    made = scenario(cut, workers=1, routers=1, rate_per_s=100.0, slack_s=5.0)
    figures = simulate(made, HASTEN, 1)
    assert figures.attainment == 1.0
    assert figures.latency_ms["p99.9"] > 150.0


def test_without_the_discovery_store_those_who_know_each_other_go_on() -> None:
    gone = Fault("store_loss", 0.5, 1.0)
    late = Fault("join", 0.7, worker=1)
    figures = simulate(scenario(gone, late, rate_per_s=100.0), HASTEN, 1)
    assert figures.attainment == 1.0
    assert figures.share_by_worker[1] > 0.0, "found once the store is back"
    lost_for_good = simulate(scenario(Fault("store_loss", 0.5), late), HASTEN, 1)
    assert lost_for_good.share_by_worker[1] == 0.0


def test_a_worker_that_is_slow_in_silence_gets_less() -> None:
    made = scenario(
        Fault("slow", 0.0, worker=0, factor=6.0), rate_per_s=200.0, duration_s=8.0, warmup_s=4.0
    )
    figures = simulate(made, HASTEN, 1)
    calls_there = figures.share_by_worker[0] / 6.0
    assert calls_there < 0.25 * figures.share_by_worker[1]


def one_router(*wrong: Fault, host: HostShape | None = None, **said: float) -> Scenario:
    """One router, one worker, one model."""
    return scenario(*wrong, routers=1, workers=1, models=(MODEL,), host=host, **said)  # type: ignore[arg-type]  # a test's shorthand


def test_a_router_whose_core_is_full_lets_calls_grow_old_before_it_decides() -> None:
    drowned = HostShape(64.0, 1.0, accept_s=0.002, refuse_s=0.001, dead_s=0.001)
    figures = simulate(one_router(host=drowned, rate_per_s=900.0), HASTEN, 1)
    assert adds_up(figures)
    assert figures.attainment < 0.3
    assert figures.abandoned > 0.3 * figures.offered, "nobody told them in time"
    roomy = replace(drowned, accept_s=0.0002, refuse_s=0.0001)
    assert simulate(one_router(host=roomy, rate_per_s=300.0), HASTEN, 1).attainment > 0.9


def test_a_bound_before_the_router_turns_away_what_would_grow_old() -> None:
    bound = HostShape(
        64.0, 1.0, accept_s=0.002, refuse_s=0.001, dead_s=0.001, pending_max=5, cut_s=1e-5
    )
    figures = simulate(one_router(host=bound, rate_per_s=900.0), HASTEN, 1)
    assert adds_up(figures)
    assert figures.refused["cancelled"] > 0.3 * figures.offered
    assert figures.abandoned < 0.05 * figures.offered
    assert figures.goodput_per_s > 200.0


def test_the_routers_work_slows_runs_on_the_same_cores() -> None:
    free, busy = (
        simulate(one_router(host=HostShape(1.0, 1.0, accept_s=cost_s), rate_per_s=700.0), HASTEN, 1)
        for cost_s in (0.0, 0.0004)
    )
    assert 0.4 * free.goodput_per_s < busy.goodput_per_s < 0.9 * free.goodput_per_s


@pytest.mark.parametrize("who", [{"worker": 0}, {"router": 0}, {}])
def test_while_all_cpu_is_stolen_nothing_is_answered_and_then_all_goes_on(
    who: dict[str, int],
) -> None:
    stolen = Fault("steal", 1.0, 1.0, **who)  # type: ignore[arg-type]  # worker or router
    figures = simulate(one_router(stolen, rate_per_s=100.0, duration_s=4.0), HASTEN, 1)
    assert adds_up(figures)
    # All but those that come just before.
    assert figures.goodput_by_s[0] >= 0.96 * figures.offered_by_s[0]
    # Nor those that can still wait for its end.
    assert figures.goodput_by_s[1] < 0.2 * figures.offered_by_s[1]
    assert figures.goodput_by_s[3] == figures.offered_by_s[3]


def test_one_hiccup_delays_one_batch() -> None:
    made = one_router(Fault("hiccup", 1.0, worker=0, stall_s=0.3), rate_per_s=20.0, slack_s=5.0)
    figures = simulate(made, HASTEN, 1)
    assert figures.attainment == 1.0
    assert figures.latency_ms["p99.9"] > 250.0
    assert figures.latency_ms["p50"] < 40.0


def test_a_lag_comes_on_top_of_every_answer() -> None:
    plain, lagging = (
        simulate(one_router(rate_per_s=20.0, lag_s=lag_s), HASTEN, 1) for lag_s in (0.0, 0.005)
    )
    assert lagging.latency_ms["p50"] == pytest.approx(plain.latency_ms["p50"] + 5.0, rel=0.05)


def test_refusals_of_an_idle_mesh_are_told_apart() -> None:
    # Even alone a run takes 11 ms; now and then one is tried all the same.
    hopeless = simulate(one_router(rate_per_s=20.0, slack_s=0.005), HASTEN, 1)
    assert 0.8 * hopeless.offered <= hopeless.refused_idle <= hopeless.offered
    assert simulate(one_router(rate_per_s=2000.0), HASTEN, 1).refused_idle <= 1


def test_what_ends_after_its_deadline_is_late_whoever_ends_it() -> None:
    stolen = Fault("steal", 1.0, 1.0, worker=0)
    figures = simulate(one_router(stolen, rate_per_s=100.0), HASTEN, 1)
    late = figures.late + figures.abandoned + figures.refused_late
    assert late > 0
    assert figures.late_share == pytest.approx(late / (late + figures.in_time))
