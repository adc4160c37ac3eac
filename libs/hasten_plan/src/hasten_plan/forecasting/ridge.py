"""Ridge regression on lags, the lag of a day, and a Fourier series of the day."""

from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

LAGS: Final = 12
HARMONICS: Final = 3
ROWS_MIN: Final = 60
"""With fewer pairs to learn from it says nothing."""
ROWS_MAX: Final = 4032
"""Learned from: two weeks of five minutes."""
REFITS_PER_DOUBLING: Final = 8


class RidgeAr:
    """Predicts by a linear model of what was seen, fitted anew from time to time.

    Args:
        ahead: Periods ahead.
        day: Periods of a day; 0 where nothing comes again.
        penalty: Of the squares of the weights, on standardised features.
        refit_every: At most so many values are seen between two fits.
    """

    def __init__(
        self, ahead: int, day: int = 0, *, penalty: float = 1.0, refit_every: int = 48
    ) -> None:
        self._ahead = ahead
        self._day = day
        # One day before what is predicted; more where that has not been seen yet.
        self._day_lag = day * ceil(ahead / day) if day else 0
        self._penalty = penalty
        self._refit_every = refit_every
        self._keep = ROWS_MAX + max(LAGS, self._day_lag) + ahead
        # Twice as long as what is kept: the newest values are always one piece.
        self._buffer = np.zeros(2 * self._keep, dtype=np.float64)
        self._end = 0
        self._seen = 0
        self._refit_at = ROWS_MIN + LAGS + ahead
        self._weights: NDArray[np.float64] | None = None
        self._with_day = False

    def observe(self, value: float) -> None:
        """As `Method`."""
        if self._end == len(self._buffer):
            self._buffer[: self._keep] = self._buffer[self._end - self._keep :]
            self._end = self._keep
        self._buffer[self._end] = value
        self._end += 1
        self._seen += 1
        if self._seen >= self._refit_at:
            self._fit()
            # Often while it learns fast, and then now and again.
            self._refit_at = self._seen + min(
                self._refit_every, 1 + self._seen // REFITS_PER_DOUBLING
            )

    def ahead(self) -> float | None:
        """As `Method`."""
        if self._weights is None:
            return None
        kept = self._kept()
        features = self._features(kept, np.array([len(kept) - 1]))
        found = float((features @ self._weights)[0])
        # A linear model may run away beyond anything that was ever seen; demand does not.
        low, high = float(kept.min()), float(kept.max())
        margin = 0.5 * (high - low) + 0.1
        return float(np.clip(found, low - margin, high + margin))

    def _kept(self) -> NDArray[np.float64]:
        return self._buffer[max(0, self._end - self._keep) : self._end]

    def _fit(self) -> None:
        kept = self._kept()
        # Without enough rows that have a day before them, the others are learned from.
        with_day = bool(self._day) and len(kept) >= self._day_lag + ROWS_MIN
        first = max(LAGS - 1, self._day_lag - self._ahead if with_day else 0)
        at = np.arange(first, len(kept) - self._ahead)
        if len(at) < ROWS_MIN:
            return
        self._with_day = with_day
        features = self._features(kept, at)
        target = kept[at + self._ahead]
        # The constant is not punished: it is the last column.
        penalty = self._penalty * np.var(features, axis=0) + 1e-9
        penalty[-1] = 0.0
        gram = features.T @ features + np.diag(penalty)
        solved = np.linalg.lstsq(gram, features.T @ target, rcond=None)[0]
        self._weights = np.asarray(solved, dtype=np.float64)

    def _features(self, kept: NDArray[np.float64], at: NDArray[np.int_]) -> NDArray[np.float64]:
        """One row for each place in what is kept: lags, day lag, the time of day, a constant."""
        columns = [kept[at - lag] for lag in range(LAGS)]
        if self._with_day:
            columns.append(kept[at + self._ahead - self._day_lag])
        if self._day:
            # Places count from the last value; the phase has to stay when old ones are dropped.
            number = at + self._ahead + self._seen - len(kept)
            for harmonic in range(1, HARMONICS + 1):
                angle = 2.0 * np.pi * harmonic * number / self._day
                columns += [np.sin(angle), np.cos(angle)]
        columns.append(np.ones(len(at)))
        return np.column_stack(columns)
