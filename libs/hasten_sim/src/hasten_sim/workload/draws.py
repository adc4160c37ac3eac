"""What a request is: seeded, endless draws, each kind from a stream of its own."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, repeat
from math import inf, log1p, sqrt
from random import Random
from typing import TypeVar

T = TypeVar("T")


def indices(rng: Random, shares: Sequence[float]) -> Iterator[int]:
    """Indices in proportion to `shares`; draws nothing where there is no choice."""
    if len(shares) == 1:
        return repeat(0)
    total = sum(shares)
    ends = [end / total for end in accumulate(shares)]
    # Rounding must not leave a gap above the last; a share of 0 there must not catch it.
    last = max(index for index, share in enumerate(shares) if share)
    ends[last:] = [inf] * (len(ends) - last)
    # All in C: no Python frame for each of ten million draws.
    return map(partial(bisect_right, ends), iter(rng.random, None))


def values(rng: Random, shares: Sequence[tuple[T, float]]) -> Iterator[T]:
    """Values in proportion to their shares."""
    known = [value for value, _ in shares]
    if len(known) == 1:
        return repeat(known[0])
    return map(known.__getitem__, indices(rng, [share for _, share in shares]))


def lognormal(rng: Random, mean: float, cv: float) -> Iterator[int]:
    """Whole numbers, at least 1, of a log-normal distribution."""
    if cv == 0.0:
        return repeat(max(1, round(mean)))
    variance = log1p(cv**2)
    mu, sigma = -variance / 2.0, sqrt(variance)
    return (max(1, round(mean * rng.lognormvariate(mu, sigma))) for _ in repeat(None))


def zipf(count: int, exponent: float) -> list[float]:
    """Shares that add up to 1; the i-th, from 1, goes with i ** -exponent."""
    weights = [float(rank) ** -exponent for rank in range(1, count + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]
