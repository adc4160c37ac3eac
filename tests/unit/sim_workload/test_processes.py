"""Arrival processes: their rates, their irregularity, their order, their end."""

from collections.abc import Sequence
from itertools import islice, pairwise
from math import pi, sin, sqrt
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_sim.workload.processes import kepler
from tests.unit.sim_workload.texts import workload


def times(arrivals: str, duration_s: float, seed: int = 1) -> list[float]:
    table = f"[arrivals]\n{arrivals}\n"
    scenario = workload(arrivals=table, duration_s=duration_s).scenario()
    return [arrival.at_s for arrival in scenario.arrivals(seed)]


def offered_per_s(arrivals: str, duration_s: float) -> float:
    return (
        workload(arrivals=f"[arrivals]\n{arrivals}\n", duration_s=duration_s)
        .scenario()
        .offered_per_s
    )


def cv(at_s: Sequence[float]) -> float:
    gaps = [later - earlier for earlier, later in pairwise(at_s)]
    return stdev(gaps) / mean(gaps)


def counted(at_s: Sequence[float], begin_s: float, end_s: float) -> int:
    return sum(begin_s <= at < end_s for at in at_s)


PROCESSES = {
    "poisson": "process = 'poisson'",
    "gamma": "process = 'gamma'\ncv = 3",
    "metronome": "process = 'gamma'\ncv = 0",
    "mmpp": "process = 'mmpp'\nstates = [{factor = 0.5, mean_s = 2}, {factor = 3, mean_s = 0.5}]",
    "on_off": "process = 'on_off'\non_s = 0.3\noff_s = 0.7",
    "step": "process = 'step'\nsteps = [{at_s = 20, factor = 3}, {at_s = 50, factor = 0}]",
    "diurnal": "process = 'diurnal'\nperiod_s = 60\namplitude = 1",
}


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_times_ascend_and_end_before_the_end_and_depend_on_the_seed_alone(process: str) -> None:
    said = f"{process}\nrate_per_s = 50"
    found = times(said, 100)
    assert found == sorted(found)
    assert found[0] >= 0.0
    assert 40 < found[-1] < 100
    assert found == times(said, 100)
    # A metronome does not listen to chance.
    assert (found != times(said, 100, seed=2)) == ("cv = 0" not in process)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
def test_the_mean_rate_is_within_three_standard_errors_of_what_the_scenario_says(
    process: str,
) -> None:
    said = f"{process}\nrate_per_s = 50"
    counts = [len(times(said, 100, seed)) for seed in range(30)]
    error = max(stdev(counts) / sqrt(len(counts)), 1.0)
    assert abs(mean(counts) - offered_per_s(said, 100) * 100) < 3 * error


@pytest.mark.parametrize("wanted", [0.0, 0.5, 1.0, 4.0])
def test_gaps_have_the_coefficient_of_variation_that_was_asked_for(wanted: float) -> None:
    found = times(f"process = 'gamma'\ncv = {wanted}\nrate_per_s = 1000", 200)
    assert cv(found) == pytest.approx(wanted, rel=0.05, abs=1e-6)


def test_poisson_gaps_have_a_cv_of_one() -> None:
    assert cv(times("process = 'poisson'\nrate_per_s = 1000", 100)) == pytest.approx(1.0, rel=0.02)


def test_the_cv_holds_while_the_rate_changes() -> None:
    step = "process = 'step'\ncv = 3\nsteps = [{at_s = 100, factor = 4}]\nrate_per_s = 500"
    found = times(step, 200)
    before = [at for at in found if at < 100]
    after = [at for at in found if at >= 100]
    assert cv(before) == pytest.approx(3.0, rel=0.1)
    assert cv(after) == pytest.approx(3.0, rel=0.1)


def test_a_markov_modulated_process_is_in_each_state_for_its_share_of_the_time() -> None:
    states = "[{factor = 0, mean_s = 3}, {factor = 2, mean_s = 1}]"
    # Silence longer than ten mean gaps is the state without arrivals.
    found = times(f"process = 'mmpp'\nstates = {states}\nrate_per_s = 500", 4000)
    silent_s = sum(b - a for a, b in pairwise([0.0, *found, 4000.0]) if b - a > 0.02)
    assert silent_s / 4000 == pytest.approx(0.75, abs=0.04)


def test_on_and_off_take_turns_and_off_has_its_own_rate() -> None:
    on_off = "process = 'on_off'\non_s = 30\noff_s = 70\noff_factor = 0.1\ncv = 0\nrate_per_s = 100"
    found = times(on_off, 200)
    assert counted(found, 0, 30) == pytest.approx(3000, abs=2)
    assert counted(found, 30, 100) == pytest.approx(700, abs=2)
    assert counted(found, 100, 130) == pytest.approx(3000, abs=2)


def test_steps_have_their_factors_at_their_times() -> None:
    steps = "[{at_s = 10, factor = 3}, {at_s = 20, factor = 0}, {at_s = 30, factor = 0.5}]"
    found = times(f"process = 'step'\nsteps = {steps}\ncv = 0\nrate_per_s = 100", 40)
    shares = [counted(found, begin, begin + 10) for begin in (0, 10, 20, 30)]
    assert shares == pytest.approx([1000, 3000, 0, 500], abs=2)


@pytest.mark.parametrize("amplitude", [0.0, 0.5, 1.0])
def test_a_day_follows_its_integral(amplitude: float) -> None:
    diurnal = f"process = 'diurnal'\nperiod_s = 60\namplitude = {amplitude}\ncv = 0"
    found = times(f"{diurnal}\nrate_per_s = 100", 120)
    for end_s in (10.0, 30.0, 45.0, 60.0, 100.0):
        turn = 2 * pi * end_s / 60
        expected = 100 * (end_s - amplitude * 60 / (2 * pi) * sin(turn))
        assert counted(found, 0, end_s) == pytest.approx(expected, abs=2)


@given(st.floats(0, 1e4), st.floats(0, 1))
def test_keplers_equation_is_solved(mean_anomaly: float, eccentricity: float) -> None:
    x = kepler(mean_anomaly, eccentricity)
    assert abs(x - eccentricity * sin(x) - mean_anomaly) <= 1e-9 * max(1.0, mean_anomaly)


def test_a_cv_whose_square_is_nothing_is_a_metronome() -> None:
    found = times("process = 'gamma'\ncv = 1e-200\nrate_per_s = 10", duration_s=1)
    assert found[:9] == pytest.approx([0.1 * number for number in range(1, 10)])


def test_arrivals_are_lazy() -> None:
    endless = workload(
        arrivals=f"[arrivals]\n{PROCESSES['poisson']}\nrate_per_s = 1e6", duration_s=100
    )
    assert len(list(islice(endless.scenario().arrivals(1), 5))) == 5
