"""An upper quantile that is missed as often as it was asked to be, whatever the method."""

from math import ceil
from typing import Final

from hasten_policy.prediction.sorted_ring import SortedRing

RESIDUALS_MAX: Final = 400
RESIDUALS_MIN: Final = 8
GAMMA: Final = 0.01
"""How fast the level follows: slower is smoother, faster is right sooner after a break."""
LEVEL_MAX: Final = 1.5
UNKNOWN: Final = 0.5
"""What log1p may rise by while nothing was seen of the errors: 65 %."""


class Residuals:
    """The last errors of a method, in logarithms."""

    __slots__ = ("_ring",)

    def __init__(self) -> None:
        self._ring = SortedRing(RESIDUALS_MAX)

    def add(self, error: float) -> None:
        """What was measured, less what was predicted."""
        self._ring.add(error)

    def above(self, level: float) -> float:
        """What to add to a prediction so that a share `level` of the values is not above it.

        The split conformal rank ceil((n + 1) level); beyond the largest error seen it goes on by
        the distance of that from the median.
        """
        count = len(self._ring)
        if count < RESIDUALS_MIN:
            return UNKNOWN
        rank = ceil((count + 1) * level)
        if rank <= count:
            return self._ring.ranked(rank)
        largest, median = self._ring.ranked(count), self._ring.median()
        beyond = (count + 1) * level - count
        return largest + (largest - median) * beyond / (count * (LEVEL_MAX - 1.0))


class Level:
    """Steers the level of a quantile by its misses.

    Adaptive conformal inference, Gibbs and Candès 2021: after each value the level moves by
    gamma * (missed - wanted share of misses). So the rate of misses tends to that share for any
    series at all.

    Args:
        quantile: Wanted, between 0 and 1.

    Attributes:
        value: The level to ask for now.
    """

    __slots__ = ("_quantile", "value")

    def __init__(self, quantile: float) -> None:
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"quantile must lie between 0 and 1, is {quantile}")
        self._quantile = quantile
        self.value = quantile

    def seen(self, *, missed: bool) -> None:
        """A value came; it was above its bound or not."""
        step = GAMMA * (float(missed) - (1.0 - self._quantile))
        self.value = min(LEVEL_MAX, max(0.0, self.value + step))


def pinball(value: float, bound: float, quantile: float) -> float:
    """The loss whose least mean is the quantile (Koenker and Bassett 1978)."""
    above = value - bound
    return quantile * above if above >= 0.0 else (quantile - 1.0) * above
