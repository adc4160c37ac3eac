"""Forecasts of demand: which method speaks, what is left out, what is added."""

from collections.abc import Callable
from math import cos, log1p, pi
from random import Random

import numpy as np
import pytest

from hasten_plan.forecasting.conformal import Level, Residuals, pinball
from hasten_plan.forecasting.demand import DemandForecaster
from hasten_plan.forecasting.methods import Ewma, HoltWinters, Method, Naive, SeasonalNaive
from hasten_plan.forecasting.ridge import RidgeAr
from hasten_plan.forecasting.series import LeftOutError, Periods

DAY = 48


def days(count: int) -> list[float]:
    """The same day again and again, on log1p."""
    return [log1p(20.0 * (1.2 - cos(2.0 * pi * at / DAY))) for at in range(count * DAY)]


@pytest.mark.parametrize(
    ("make", "within"),
    [
        (lambda ahead: SeasonalNaive(ahead, DAY), 1e-9),
        (lambda ahead: HoltWinters(ahead, DAY), 0.02),
        (lambda ahead: RidgeAr(ahead, DAY), 0.05),
    ],
)
@pytest.mark.parametrize("ahead", [1, 3, 7])
def test_a_method_that_knows_the_day_predicts_the_day(
    make: Callable[[int], Method], within: float, ahead: int
) -> None:
    method = make(ahead)
    values = days(12)
    wrong = []
    for at, value in enumerate(values[:-ahead]):
        method.observe(value)
        said = method.ahead()
        if at > 8 * DAY:
            assert said is not None
            wrong.append(abs(said - values[at + ahead]))
    assert max(wrong) <= within


def test_what_is_not_known_yet_is_not_said() -> None:
    for method in (Naive(), Ewma(), SeasonalNaive(1, 4), HoltWinters(1, 4), RidgeAr(1)):
        assert method.ahead() is None
    young = SeasonalNaive(1, 4)
    for value in (1.0, 2.0, 3.0):
        young.observe(value)
    assert young.ahead() is None
    young.observe(4.0)
    assert young.ahead() == 1.0


def test_the_ridge_keeps_the_phase_of_the_day_when_it_forgets() -> None:
    method = RidgeAr(2, DAY)
    values = days(120)
    for value in values:
        method.observe(value)
    assert method.ahead() == pytest.approx(days(121)[len(values) + 1], abs=0.05)


def test_the_ridge_predicts_further_ahead_than_a_day() -> None:
    method = RidgeAr(12, 7)
    values = [log1p(10.0 + at % 7) for at in range(400)]
    for value in values:
        method.observe(value)
    assert method.ahead() == pytest.approx(log1p(10.0 + (len(values) + 11) % 7), abs=0.05)


def test_the_best_method_of_late_speaks() -> None:
    forecaster = DemandForecaster(60.0, ahead=6, day=DAY)
    values = np.expm1(days(10))
    for at, value in enumerate(values):
        forecaster.observe(60.0 * at, float(value))
    losses = forecaster.losses
    said = forecaster.forecast()
    assert said.method in {"ridge", "seasonal_naive", "holt_winters"}
    assert losses[said.method] < losses["naive"]
    assert said.typical == pytest.approx(np.expm1(days(11)[len(values) + 5]), rel=0.1)


def test_planned_work_is_added() -> None:
    forecaster = DemandForecaster(60.0)
    forecaster.observe(0.0, 5.0)
    plain, planned = forecaster.forecast(), forecaster.forecast(planned=7.0)
    assert planned.typical == plain.typical + 7.0
    assert planned.upper == plain.upper + 7.0


def test_before_the_first_value_there_is_no_demand() -> None:
    said = DemandForecaster(60.0).forecast()
    assert said.typical == 0.0
    assert said.upper >= 0.0


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e12])
def test_absurd_values_are_left_out_by_name(value: float) -> None:
    forecaster = DemandForecaster(60.0)
    forecaster.observe(0.0, 5.0)
    before = forecaster.forecast()
    forecaster.observe(60.0, value)
    assert forecaster.forecast() == before
    assert forecaster.left_out == {"absurd": 1}


def test_a_clock_that_was_set_back_is_left_out_and_one_that_stays_there_begins_anew() -> None:
    periods = Periods(60.0)
    assert periods.missing_before(60_000.0, 1.0) == 0
    with pytest.raises(LeftOutError, match="clock step"):
        periods.missing_before(59_940.0, 1.0)
    assert periods.missing_before(0.0, 1.0) == -1
    assert periods.missing_before(60.0, 1.0) == 0


def test_gaps_are_named_and_bridged_and_long_ones_begin_anew() -> None:
    periods = Periods(60.0)
    assert periods.missing_before(0.0, 1.0) == 0
    assert periods.missing_before(240.0, 1.0) == 3
    assert periods.missing_before(240.0 + 60.0 * 1000, 1.0) == -1
    forecaster = DemandForecaster(60.0)
    forecaster.observe(0.0, 5.0)
    forecaster.observe(300.0, 5.0)
    assert forecaster.left_out == {"gap": 1}
    assert forecaster.forecast().typical == pytest.approx(5.0)


def test_residuals_give_the_conformal_rank() -> None:
    residuals = Residuals()
    for error in range(1, 100):
        residuals.add(float(error))
    assert residuals.above(0.95) == 95.0
    assert residuals.above(0.99) == 99.0
    # Beyond all that was seen it goes on upwards.
    assert residuals.above(1.2) > 99.0


def test_a_level_rises_with_misses_and_falls_without() -> None:
    level = Level(0.9)
    level.seen(missed=True)
    assert level.value == pytest.approx(0.909)
    level.seen(missed=False)
    assert level.value == pytest.approx(0.908)


def test_the_pinball_loss_is_least_at_the_quantile() -> None:
    rng = Random(1)
    values = [rng.random() for _ in range(4000)]
    losses = {
        bound / 20: sum(pinball(value, bound / 20, 0.9) for value in values) for bound in range(21)
    }
    assert min(losses, key=losses.__getitem__) == 0.9


@pytest.mark.parametrize(("ahead", "day"), [(0, 0), (1, 1), (1, -4)])
def test_a_forecaster_of_nothing_is_refused(ahead: int, day: int) -> None:
    with pytest.raises(ValueError, match="ahead must be"):
        DemandForecaster(60.0, ahead, day)
