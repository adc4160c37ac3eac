"""Upper bounds that are missed as often as promised, and numbers that are always numbers."""

from collections.abc import Callable
from math import isfinite

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hasten_plan.forecasting.demand import DemandForecaster

PERIODS = 5000
FIRST = 300
Series = Callable[[np.random.Generator], NDArray[np.float64]]


def _walk(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.exp(np.cumsum(rng.normal(0.0, 0.02, PERIODS)))


SERIES: dict[str, Series] = {
    "stationary": lambda rng: rng.poisson(40, PERIODS) / 10,
    "small counts": lambda rng: rng.poisson(3, PERIODS).astype(float),
    "rising": lambda rng: rng.poisson(np.linspace(20, 200, PERIODS)) / 10,
    "wandering": lambda rng: rng.poisson(np.clip(30 * _walk(rng), 0, 1e6)) / 10,
    "a step": lambda rng: rng.poisson(np.where(np.arange(PERIODS) < 2500, 30, 120)) / 10,
    "noisier": lambda rng: np.abs(rng.normal(20, np.linspace(1, 8, PERIODS))),
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("quantile", [0.9, 0.95])
def test_the_upper_bound_is_missed_as_often_as_promised(name: str, quantile: float) -> None:
    ahead = 2
    forecaster = DemandForecaster(60.0, ahead, quantile=quantile)
    values = SERIES[name](np.random.default_rng(7))
    bounds, missed = [], 0
    for at, value in enumerate(values):
        if at >= FIRST:
            missed += value > bounds[at - ahead]
        forecaster.observe(60.0 * at, float(value))
        bounds.append(forecaster.forecast().upper)
    assert missed / (PERIODS - FIRST) == pytest.approx(1.0 - quantile, abs=0.01)


TOLD = st.lists(
    st.tuples(
        st.sampled_from([60.0, 60.0, 60.0, 60.0, 0.0, 30.0, 240.0, -600.0, 90_000.0, -1e7]),
        st.one_of(st.floats(0.0, 100.0), st.floats()),
    ),
    max_size=150,
)


@given(TOLD, st.integers(1, 5), st.sampled_from([0, 4, 12]))
@settings(max_examples=60, deadline=None)
def test_whatever_is_told_a_forecast_is_a_number_of_its_order(
    told: list[tuple[float, float]], ahead: int, day: int
) -> None:
    forecaster = DemandForecaster(60.0, ahead, day)
    at_s = 0.0
    for passed_s, value in told:
        at_s += passed_s
        forecaster.observe(at_s, value)
        said = forecaster.forecast()
        assert isfinite(said.typical)
        assert isfinite(said.upper)
        assert 0.0 <= said.typical <= said.upper
