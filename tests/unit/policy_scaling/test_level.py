"""Demand of now: chance is no growth, and a sudden rise is seen in seconds."""

from random import Random

import pytest

from hasten_policy.scaling.demand import Counts, Demand
from hasten_policy.scaling.growth import Growth
from hasten_policy.scaling.level import Level, level
from hasten_policy.scaling.sight import Sight

WINDOWS = (6.0, 15.0, 60.0)
CHANCE = 5.0


def seen(rates: list[float], rng: Random | None = None) -> Sight:
    """A second each with so many calls of a tenth of a second; by chance, with a generator."""
    demand = Demand(900.0)
    for second, rate in enumerate(rates, 1):
        calls = round(rate) if rng is None else sum(rng.random() < rate / 1000 for _ in range(1000))
        demand.add(float(second), Counts(calls, calls / 10.0))
    return Sight(float(len(rates)), 10.0, 4, 4, 0, 40.0, demand)


def read(rates: list[float], rng: Random | None = None) -> Level:
    return level(seen(rates, rng), WINDOWS, CHANCE)


@pytest.mark.parametrize("rate", [2.0, 20.0, 200.0])
def test_constant_demand_is_taken_over_the_long_window(rate: float) -> None:
    found = read([rate] * 120)
    assert found == Level(pytest.approx(rate / 10.0), 1.0)


@pytest.mark.parametrize("rate", [3.0, 30.0])
def test_chance_is_neither_growth_nor_rush(rate: float) -> None:
    rng = Random(7)
    for _ in range(30):
        found = read([rate] * 90, rng)
        assert found.rush == 1.0
        assert found.load == pytest.approx(rate / 10.0, rel=0.5)


def test_a_step_is_seen_in_the_shortest_window() -> None:
    found = read([30.0] * 120 + [90.0] * 6)
    assert found.load == pytest.approx(9.0)
    assert found.rush == pytest.approx(3.0)


def test_a_slow_rise_is_no_rush() -> None:
    assert read([30.0 + 0.1 * second for second in range(300)]).rush == 1.0


def test_the_rush_ends_once_demand_stays() -> None:
    assert read([30.0] * 120 + [90.0] * 30).rush == 1.0


def test_growth_is_what_chance_does_not_explain() -> None:
    rng = Random(3)
    noise, real = Growth(1000, 0.2), Growth(1000, 0.2)
    for tick in range(400):
        calls = sum(rng.random() < 0.03 for _ in range(15_000))
        noise.add(10.0 * tick, calls / 15.0, 40.0, 15.0)
        # Twice as much each minute, for half an hour, and then anew.
        real.add(10.0 * tick, 30.0 * 2.0 ** ((tick % 18) / 6.0), 40.0, 15.0)
    assert noise.factor(0.9) == pytest.approx(1.0, abs=0.02)
    assert real.factor(0.7) > 1.3
