"""How long the rows of requests are: tokens of a text, seconds of a sound."""

from dataclasses import dataclass
from math import exp, log1p, sqrt
from statistics import NormalDist
from typing import Final

STEPS: Final = 200
"""A log-normal length is one of so many, equally likely."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """A distribution of lengths.

    Attributes:
        choices: (length, relative share) pairs; every length once, ascending.
    """

    choices: tuple[tuple[int, float], ...] = ((1, 1.0),)

    @property
    def vary(self) -> bool:
        """There is more than one."""
        return len(self.choices) > 1

    def mean(self, power: int = 1) -> float:
        """Mean of length ** power."""
        total = sum(share for _, share in self.choices)
        return sum(share * float(length) ** power for length, share in self.choices) / total

    def some(self, count: int) -> tuple[int, ...]:
        """At most `count` of the lengths, from the shortest to the longest."""
        known = [length for length, _ in self.choices]
        if len(known) <= count:
            return tuple(known)
        steps = max(1, count - 1)
        return tuple(known[round(step * (len(known) - 1) / steps)] for step in range(count))


ONE: Final = Lengths()
"""Of models whose requests are all alike."""


def choices(pairs: tuple[tuple[int, float], ...]) -> Lengths:
    """Lengths in proportion to their shares."""
    shares: dict[int, float] = {}
    for length, share in sorted(pairs):
        shares[length] = shares.get(length, 0.0) + share
    return Lengths(tuple(shares.items()))


def lognormal(mean: float, cv: float, most: int) -> Lengths:
    """Whole lengths from 1 to `most`, log-normal but for that."""
    variance = log1p(cv**2)
    normal = NormalDist(-variance / 2.0, sqrt(variance)) if variance else None
    found: list[tuple[int, float]] = []
    for step in range(STEPS):
        factor = exp(normal.inv_cdf((step + 0.5) / STEPS)) if normal else 1.0
        found.append((min(most, max(1, round(mean * factor))), 1.0))
    return choices(tuple(found))
