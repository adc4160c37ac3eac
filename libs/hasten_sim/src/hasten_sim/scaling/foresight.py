"""Forecasts for a simulated autoscaler, from what its routers told."""

from math import ceil
from typing import Final

from hasten_plan.forecasting.demand import DemandForecaster
from hasten_policy.autoscaler.events import ForecastGiven

PERIODS_MIN: Final = 120
"""Fewer say little of the tail: after one step of demand among forty periods every bound is a step
higher.
"""


class Foresight:
    """Puts demand into periods and forecasts it one start of a worker ahead.

    Args:
        period_s: Length of a period.
        lead_s: Mean seconds of a start.
        day_s: What comes again after so long; 0 for nothing.
    """

    def __init__(self, period_s: float, lead_s: float, day_s: float) -> None:
        ahead = max(1, ceil(lead_s / period_s))
        self._period_s = period_s
        self._forecaster = DemandForecaster(period_s, ahead, round(day_s / period_s))
        self._begun_s = 0.0
        self._load_s = 0.0
        self._periods = 0

    def demanded(self, now_s: float, load_s: float) -> ForecastGiven | None:
        """So many worker seconds were asked for until now; a forecast at the end of a period."""
        self._load_s += load_s
        if now_s - self._begun_s < self._period_s:
            return None
        self._forecaster.observe(self._begun_s, self._load_s / self._period_s)
        self._begun_s += self._period_s
        self._load_s = 0.0
        self._periods += 1
        if self._periods < PERIODS_MIN:
            return None
        said = self._forecaster.forecast()
        # Until the next one is there, and a little more.
        return ForecastGiven(said.typical, said.upper, 1.5 * self._period_s)
