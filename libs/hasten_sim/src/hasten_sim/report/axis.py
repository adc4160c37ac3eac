"""Scales of plots: where a value lies, and which values are written beside the axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, isfinite, log10
from typing import Final

TICKS_ABOUT: Final = 5
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale.

    Attributes:
        low: Value at the start of the axis.
        high: Value at its end, > low.
        start: Pixel of the start.
        end: Pixel of the end.
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Pixel of a value; values beyond an end lie at that end."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def ticks(low: float, high: float) -> list[float]:
    """About five round values from `low` up to or beyond `high`."""
    step = _step(low, high)
    first = floor(low / step + 1e-9)
    count = 0
    while (first + count) * step < high - 1e-9 * step:
        count += 1
    return [(first + index) * step for index in range(count + 1)]


def _step(low: float, high: float) -> float:
    span = high - low
    if not isfinite(span) or span <= 0.0:
        return 1.0
    rough = span / TICKS_ABOUT
    power = 10.0 ** floor(log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def tick_text(value: float, shown: Sequence[float]) -> str:
    """A tick with as many decimals as tell it from its neighbours."""
    step = min((b - a for a, b in pairwise(shown)), default=1.0)
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    decimals = max(0, -floor(log10(step) + 1e-9)) if step > 0 else 0
    # 2.5 needs one more decimal than its power of ten says.
    if step > 0 and abs(round(step, decimals) - step) > 1e-9 * step:
        decimals += 1
    return f"{value:.{decimals}f}"
