"""Scaling rules in virtual time: what they cost, how calm they are, and who pays for it."""

from functools import lru_cache
from itertools import pairwise

import pytest

from hasten_policy.registry import resolve
from hasten_sim.figures import Figures
from hasten_sim.scaling_figures import ScalingFigures
from hasten_sim.scenario import Scenario
from hasten_sim.simulate import simulate_scaled
from hasten_sim.workload import parse

POOL = """
name = "pool"
[pool]
workers_max = 24
process_s = 8
warm_s = 2
[[models]]
name = "m"
alpha_ms = 100
[deadlines]
kind = "fixed"
ms = 500
"""
STEP = """
[arrivals]
process = "step"
rate_per_s = 18
steps = [{ at_s = 100, factor = 3 }, { at_s = 300, factor = 1 }]
"""


@lru_cache(maxsize=64)
def ran(
    rule: str, arrivals: str, duration_s: float, workers: int, *, coarse: bool = True, seed: int = 1
) -> Figures:
    head = f"duration_s = {duration_s}\n"
    text = f"{head}{POOL}{arrivals}\n[mesh]\nworkers = {workers}\n"
    scenario = parse(text, "pool.toml").scenario()
    return simulate_scaled(scenario, resolve("hasten"), seed, rule, coarse=coarse)


def parse_pool(pool: str, arrivals: str) -> Scenario:
    """Seven short days, of which the last four count."""
    rest = POOL.partition("[[models]]")[2]
    head = 'name = "pool"\nduration_s = 12600\nwarmup_s = 5400\n'
    return parse(
        f"{head}{pool}[[models]]{rest}{arrivals}[mesh]\nworkers = 3\n", "p.toml"
    ).scenario()


def of(figures: Figures) -> ScalingFigures:
    assert figures.scaling is not None
    return figures.scaling


def change_times(figures: Figures) -> list[float]:
    decisions = of(figures).decisions
    return [late.at_s for early, late in pairwise(decisions) if early.desired != late.desired]


# --- the demand level against the whole mesh ----------------------------------------------


@pytest.mark.parametrize("rule", ["hasten", "hpa", "kpa", "reactive"])
def test_the_demand_level_says_what_the_whole_mesh_says(rule: str) -> None:
    early = f"{rule},no_scale_in_s=60"
    coarse, whole = (ran(early, STEP, 480.0, 3, coarse=each) for each in (True, False))
    assert coarse.offered == whole.offered
    assert coarse.attainment == pytest.approx(whole.attainment, abs=0.02)
    paths = zip(of(coarse).decisions, of(whole).decisions, strict=False)
    apart = [abs(one.ready - other.ready) > 1 for one, other in paths]
    assert sum(apart) <= 0.05 * len(apart)
    assert of(coarse).replica_h == pytest.approx(of(whole).replica_h, rel=0.1)


def test_no_call_fails_on_the_way_in_or_out() -> None:
    quick_down = "reactive,down_s=20,no_scale_in_s=10"
    figures = ran(quick_down, STEP, 480.0, 3, coarse=False)
    changed = of(figures)
    assert changed.changes >= 4
    assert changed.decisions[-1].ready < max(each.ready for each in changed.decisions)
    want = {"overloaded", "deadline_passed", "shed_before_start", "deadline_infeasible"}
    assert set(figures.refused) <= want
    assert figures.late == figures.abandoned == 0
    assert figures.attainment > 0.9


def test_a_worker_that_dies_is_replaced_within_its_lead() -> None:
    crash = f"{STEP}[[faults]]\nkind = 'crash'\nat_s = 60\nworker = 1\n"
    figures = ran("static,workers=3", crash, 100.0, 3, coarse=False)
    ready = {each.at_s: each.ready for each in of(figures).decisions}
    assert min(ready.values()) == 2
    # A start takes 10 s on average; the machine looks every 10 s.
    assert next(reversed(ready.values())) == 3


def test_demand_alone_shows_no_faults() -> None:
    crash = f"{STEP}[[faults]]\nkind = 'crash'\nat_s = 60\nworker = 1\n"
    with pytest.raises(ValueError, match="need the whole mesh"):
        ran("hasten", crash, 100.0, 3)


# --- calm ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_per_s", [3, 8, 17, 30, 52, 75, 95])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_constant_load_changes_the_number_at_most_once_in_ten_minutes(
    rate_per_s: int, seed: int
) -> None:
    constant = f"[arrivals]\nprocess = 'poisson'\nrate_per_s = {rate_per_s}\n"
    figures = ran("hasten", constant, 7200.0, 1 + rate_per_s // 7, seed=seed)
    times = [at_s for at_s in change_times(figures) if at_s > 900.0]
    assert all(later - earlier > 600.0 for earlier, later in pairwise(times)), times
    assert figures.attainment > 0.99


@pytest.mark.parametrize("period_s", [300, 600, 900])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sine_of_ten_per_cent_reverses_nothing(period_s: int, seed: int) -> None:
    sine = (
        f"[arrivals]\nprocess = 'diurnal'\nrate_per_s = 60\nperiod_s = {period_s}\n"
        "amplitude = 0.1\n"
    )
    figures = ran("hasten", sine, 7200.0, 9, seed=seed)
    times = [at_s for at_s in change_times(figures) if at_s > 900.0]
    assert of(figures).reversals == 0, times
    assert figures.attainment > 0.995


def test_thresholds_as_the_textbook_has_them_flap() -> None:
    constant = "[arrivals]\nprocess = 'poisson'\nrate_per_s = 35\n"
    flaps = of(ran("thresholds", constant, 3600.0, 5))
    assert flaps.changes >= 20
    assert flaps.reversals >= 10
    assert of(ran("bands", constant, 3600.0, 5)).changes <= 4


# --- what it is for -------------------------------------------------------------------------


def test_a_step_is_carried_and_let_go_again() -> None:
    there_and_back = """
[arrivals]
process = "step"
rate_per_s = 20
steps = [{ at_s = 900, factor = 3 }, { at_s = 1800, factor = 1 }]
"""
    figures = ran("hasten", there_and_back, 5400.0, 4)
    decisions = of(figures).decisions
    carried = next(each.at_s for each in decisions if each.at_s > 900.0 and each.ready >= 6)
    # Lead (10 s and its spread) and one period, and two steps up of at most four workers.
    assert carried <= 900.0 + 60.0
    assert decisions[-1].desired <= 5
    assert figures.attainment > 0.98
    fixed = ran("static,workers=8", there_and_back, 5400.0, 8)
    assert of(figures).replica_h < of(fixed).replica_h


def test_a_forecast_has_workers_there_before_the_morning() -> None:
    days = """
[arrivals]
process = "diurnal"
rate_per_s = 40
period_s = 1800
amplitude = 0.9
"""
    slow = "[pool]\nworkers_max = 24\nprocess_s = 110\nwarm_s = 10\n"
    blind = parse_pool(slow, days)
    seeing = parse_pool(slow + "forecast_s = 30\nday_s = 1800\n", days)
    runs = {}
    for name, scenario in (("blind", blind), ("seeing", seeing)):
        runs[name] = simulate_scaled(
            scenario, resolve("hasten"), 1, "hybrid,target=0.9,down_s=60", coarse=True
        )
    assert runs["seeing"].attainment > runs["blind"].attainment
    assert 1.0 - runs["seeing"].attainment < 0.6 * (1.0 - runs["blind"].attainment)


def test_the_same_seed_gives_the_same_decisions_and_another_one_others() -> None:
    ran.cache_clear()
    first = ran("hasten", STEP, 200.0, 3)
    ran.cache_clear()
    assert ran("hasten", STEP, 200.0, 3) == first
    assert ran("hasten", STEP, 200.0, 3, seed=2) != first
