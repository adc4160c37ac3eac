"""Methods that predict a value some periods ahead, each updated one value at a time.

All work on log1p of what is measured: a rise by half is the same at night and at noon, and no
prediction is negative.
"""

from collections import deque
from typing import Protocol


class Method(Protocol):
    """Predicts one fixed number of periods ahead."""

    def observe(self, value: float) -> None:
        """The next value; a missing one is given as it was expected."""
        ...

    def ahead(self) -> float | None:
        """The value that many periods after the last one; None while too little is known."""
        ...


class Naive:
    """It stays as it is."""

    def __init__(self) -> None:
        self._last: float | None = None

    def observe(self, value: float) -> None:
        """As `Method`."""
        self._last = value

    def ahead(self) -> float | None:
        """As `Method`."""
        return self._last


class Ewma:
    """An exponentially weighted mean of the last values: the best for a few minutes.

    Args:
        alpha: Weight of a new value.
    """

    def __init__(self, alpha: float = 0.3) -> None:
        self._alpha = alpha
        self._mean: float | None = None

    def observe(self, value: float) -> None:
        """As `Method`."""
        if self._mean is None:
            self._mean = value
        self._mean += self._alpha * (value - self._mean)

    def ahead(self) -> float | None:
        """As `Method`."""
        return self._mean


class SeasonalNaive:
    """As it was a day before.

    Args:
        ahead: Periods ahead.
        day: Periods of a day.
    """

    def __init__(self, ahead: int, day: int) -> None:
        self._values: deque[float] = deque(maxlen=day)
        self._back = ahead

    def observe(self, value: float) -> None:
        """As `Method`."""
        self._values.append(value)

    def ahead(self) -> float | None:
        """As `Method`."""
        day = self._values.maxlen or 0
        if len(self._values) < day:
            return None
        # The oldest kept value is one day before the next.
        return self._values[(self._back - 1) % day]


class HoltWinters:
    """Level, damped trend and the season of a day, additive on the logarithm (Winters 1960).

    Args:
        ahead: Periods ahead.
        day: Periods of a day.
        level: Weight of a new level.
        trend: Weight of a new trend.
        season: Weight of a new season.
    """

    def __init__(
        self,
        ahead: int,
        day: int,
        *,
        level: float = 0.3,
        trend: float = 0.02,
        season: float = 0.1,
    ) -> None:
        self._ahead = ahead
        self._weights = (level, trend, season)
        self._season = [0.0] * day
        self._first: list[float] = []
        self._at = 0
        self._level = self._trend = 0.0

    def observe(self, value: float) -> None:
        """As `Method`."""
        day = len(self._season)
        if len(self._first) < day:
            self._first.append(value)
            if len(self._first) == day:
                self._level = sum(self._first) / day
                self._season = [each - self._level for each in self._first]
            return
        level, trend, season = self._weights
        before, seasonal = self._level, self._season[self._at]
        self._level = level * (value - seasonal) + (1.0 - level) * (before + self._trend)
        self._trend = trend * (self._level - before) + (1.0 - trend) * 0.98 * self._trend
        self._season[self._at] = season * (value - self._level) + (1.0 - season) * seasonal
        self._at = (self._at + 1) % day

    def ahead(self) -> float | None:
        """As `Method`."""
        day = len(self._season)
        if len(self._first) < day:
            return None
        return (
            self._level
            + self._ahead * self._trend
            + self._season[(self._at + self._ahead - 1) % day]
        )
