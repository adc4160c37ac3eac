"""Forecasts for an autoscaler, from what its routers told."""

from collections import deque
from collections.abc import Iterable
from math import ceil
from typing import Final

from hasten_plan.forecasting.demand import DemandForecaster
from hasten_policy.autoscaler.events import ForecastGiven

PERIODS_MIN: Final = 120
"""Fewer say little of the tail: after one step of demand among forty periods every bound is a step
higher.
"""


QUANTILE: Final = 0.9
"""Of the upper bound. What is above it is for the rule, which sees a sudden rise in seconds."""
BEYOND: Final = 1.1
"""The bound is at most so many times the most that was seen: errors are kept as factors, and after
a burst from little to much the same factor would be taken to come once more on top of much.
"""
KEPT: Final = 2880
"""Periods in a checkpoint: a day of half minutes."""
UNKNOWN: Final = -1.0
"""Stands in a checkpoint for a period that nobody measured."""


class Foresight:
    """Puts demand into periods and forecasts it one start of a worker ahead.

    Args:
        period_s: Length of a period.
        lead_s: Mean seconds of a start.
        day_s: What comes again after so long; 0 for nothing.

    Attributes:
        ahead_s: Forecasts are of so long ahead.
        periods: That were seen.
        method: Which one speaks; "" before the first forecast.
    """

    def __init__(self, period_s: float, lead_s: float, day_s: float) -> None:
        ahead = max(1, ceil(lead_s / period_s))
        self._period_s = period_s
        day = round(day_s / period_s)
        self._forecaster = DemandForecaster(period_s, ahead, day, QUANTILE)
        self.ahead_s = ahead * period_s
        self.periods = 0
        self.method = ""
        self._begun_s = 0.0
        self._load_s = 0.0
        self._values: deque[float] = deque(maxlen=KEPT)

    def demanded(self, now_s: float, load_s: float) -> ForecastGiven | None:
        """So many worker seconds were asked for until now; a forecast at the end of a period."""
        self._load_s += load_s
        if now_s - self._begun_s < self._period_s:
            return None
        self._observe(self._load_s / self._period_s)
        self._load_s = 0.0
        if self.periods < PERIODS_MIN:
            return None
        said = self._forecaster.forecast()
        self.method = said.method
        # Until the next one is there, and a little more.
        most = max(said.typical, BEYOND * max(self._values))
        return ForecastGiven(said.typical, min(said.upper, most), 1.5 * self._period_s)

    def _observe(self, value: float) -> None:
        """A period has passed."""
        if value != UNKNOWN:
            self._forecaster.observe(self._begun_s, value)
        self._begun_s += self._period_s
        self._values.append(value)
        self.periods += 1

    @property
    def values(self) -> list[float]:
        """What was measured, oldest first, as many periods as a checkpoint has room for."""
        return list(self._values)

    @property
    def losses(self) -> dict[str, float]:
        """Rolling pinball loss of each method that said something, on log1p."""
        losses = self._forecaster.losses
        return {name: loss for name, loss in losses.items() if loss < float("inf")}

    @property
    def left_out(self) -> dict[str, int]:
        """Periods that were left out, by why."""
        return self._forecaster.left_out

    def restore(self, values: Iterable[float], now_s: float) -> None:
        """Goes on with periods from before, the last of which ends now.

        Whatever passed meanwhile is not known, and taken to be short.
        """
        told = [value for value in values if value == UNKNOWN or 0.0 <= value < float("inf")]
        self._begun_s = now_s - len(told) * self._period_s
        for value in told:
            self._observe(value)
