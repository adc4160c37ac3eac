"""The autoscaler's measurements: series, forecasts, the live step beside the simulated."""

from math import pi, sin

import pytest

from hasten_policy.registry import scaling
from hasten_sim.workload import parse
from loadtest import autoscale_alike, forecasts
from loadtest.autoscale_alike import Course, compared
from loadtest.bench_autoscaler import Bench as TickBench
from loadtest.evaluation.bench import Bench
from loadtest.scaling_series import SERIES, Series, values


@pytest.mark.parametrize("series", SERIES, ids=lambda each: each.name)
def test_a_series_keeps_its_mean_and_its_length(series: Series) -> None:
    told = series.played
    assert len(told) * series.period_s == series.duration_s
    assert series.warmup_days < series.days
    text = (
        f'name = "s"\nduration_s = {series.duration_s}\n'
        '[mesh]\nworkers = 1\n[[models]]\nname = "m"\n'
        f"alpha_ms = 1\n{series.arrivals()}workers_max = 1\nforecast_s = 30\n"
    )
    assert parse(text, "s.toml").scenario().offered_per_s == pytest.approx(
        series.rate_per_s, rel=0.05
    )


def test_series_are_long_enough_to_learn_a_day() -> None:
    for series in SERIES:
        assert len(values(series.name)) * series.period_s >= 10 * series.day_s


def test_a_method_that_knows_the_day_is_judged_better_than_the_naive_one() -> None:
    day = 24
    told = [10.0 + 8.0 * sin(2 * pi * at / day) for at in range(12 * day)]
    found = forecasts.measured({"sine": (told, day)}, (3,))
    naive = found[forecasts.NAIVE, 3][0]
    assert found["seasonal naive (day)", 3][0].rmse < 0.01 * naive.rmse
    assert found[forecasts.CHOSEN, 3][0].pinball < naive.pinball
    assert naive.missed == pytest.approx(0.05, abs=0.05)


def test_the_page_of_forecasts_can_be_made() -> None:
    told = [10.0 + at % 7 for at in range(200)]
    written = forecasts.write(Bench("forecasts", 1), {"made": (told, 7)}, (1,))
    assert len(written.claims) == 2
    assert forecasts.CHOSEN in written.body


def test_courses_are_compared_second_by_second() -> None:
    found = compared(Course((1, 2, 4, 4), 0.01), Course((1, 2, 2, 4), 0.05), 3.0)
    assert found.apart == 0.25
    assert found.broken == ["ready workers apart for 25.0%", "misses 4.0% apart"]
    assert not compared(Course((1, 2), 0.0), Course((1, 3), 0.01), 3.0).broken


def test_the_simulated_twin_has_the_policy_of_the_real_mesh() -> None:
    policy = scaling(autoscale_alike.rule())
    assert policy.period_s == autoscale_alike.PERIOD_S
    assert policy.limits.down_span_s == 1.0
    found = autoscale_alike.simulated(1, 6.0, 3.0, 60)
    assert len(found.ready) == 60
    assert max(found.ready) > found.ready[0] == 1


def test_a_tick_can_be_measured() -> None:
    ticks, told = TickBench(3, 2).measured()
    assert len(ticks) == 30
    assert len(told) == 300
