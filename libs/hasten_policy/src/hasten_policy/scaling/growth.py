"""How much demand grows while a worker starts: learned from the demand itself."""

from collections import deque
from math import ceil, copysign, exp, log, sqrt
from typing import Final

from hasten_policy.prediction.sorted_ring import SortedRing
from hasten_policy.scaling.sight import Plain

CALM_PER_S: Final = 3.0
"""Added to both rates: three calls a second instead of one are noise and no growth of 200 %."""
KEPT: Final = 1440
"""Samples in a checkpoint."""
SAMPLE_MAX: Final = 20.0
"""Nothing grows by e to the power of that in the time of a start."""
CHANCE: Final = 1.28
"""Standard deviations of chance that a sample is less by: nine in ten noisy ones are then none."""
SAMPLES_MIN: Final = 120
"""With fewer the quantile says nothing yet."""


class Growth:
    """The quantile of ln(rate now / rate one lead ago) over a day.

    Args:
        samples_max: Most samples that are remembered.
        cold: What ln(growth) is taken to be before there are `SAMPLES_MIN`.
    """

    __slots__ = ("_cold", "_rates", "_ring")

    def __init__(self, samples_max: int, cold: float) -> None:
        self._ring = SortedRing(samples_max)
        self._rates: deque[tuple[float, float]] = deque()
        self._cold = cold

    def add(self, now_s: float, per_s: float, lead_s: float, window_s: float) -> None:
        """Compares the rate of now with that of one lead ago, as far as more than chance says.

        Args:
            now_s: Now; later than at the call before.
            per_s: Arrivals a second.
            lead_s: From the decision to start a worker until it is ready.
            window_s: The rate was counted over so long.
        """
        rates = self._rates
        rates.append((now_s, per_s))
        while len(rates) > 1 and rates[1][0] <= now_s - lead_s:
            rates.popleft()
        if rates[0][0] <= now_s - lead_s:
            now, then = per_s + CALM_PER_S, rates[0][1] + CALM_PER_S
            grown = log(now / then)
            chance = CHANCE * sqrt((1.0 / now + 1.0 / then) / window_s)
            self._ring.add(copysign(max(0.0, abs(grown) - chance), grown))

    def samples(self) -> list[float]:
        """The newest samples, oldest first, as many as a checkpoint has room for."""
        return [round(value, 4) for value in self._ring.newest(KEPT)]

    def restore(self, samples: list[float]) -> None:
        """Goes on with samples from before."""
        for value in samples:
            self._ring.add(value)

    def factor(self, quantile: float) -> float:
        """What demand is multiplied with to have its quantile one lead ahead; at least 1."""
        count = len(self._ring)
        if count < SAMPLES_MIN:
            return exp(self._cold)
        return exp(max(0.0, self._ring.ranked(ceil(quantile * count))))


def numbers(values: list[Plain]) -> list[float]:
    """Those of the values that can be samples: a checkpoint may hold anything."""
    return [
        float(value)
        for value in values
        if isinstance(value, int | float) and -SAMPLE_MAX <= value <= SAMPLE_MAX
    ]
