"""When requests come: seeded, lazy, ascending times before an end.

All processes but replay are renewal processes in operational time: gaps of mean 1 are drawn, and
the rate says how fast operational time passes. So a CV keeps its meaning while the rate changes.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from math import cos, inf, log, pi, sin
from random import Random
from typing import Final

CV_LEAST: Final = 1e-6
"""Of a smaller one nothing is to be seen, and its square may be 0."""

Piece = tuple[float, float]
"""Seconds that a piece lasts, and the factor of the rate in it."""


def poisson(rng: Random, rate_per_s: float, duration_s: float) -> Iterator[float]:
    """Independent arrivals: exponential gaps."""
    draw = rng.random
    mean_s = 1.0 / rate_per_s
    at_s = 0.0
    while True:
        # As Random.expovariate, less a call: runs of ten million arrivals feel it.
        at_s -= log(1.0 - draw()) * mean_s
        if at_s >= duration_s:
            return
        yield at_s


def gaps(rng: Random, cv: float) -> Callable[[], float]:
    """Draws gaps of mean 1 and coefficient of variation `cv`: gamma of shape 1 / cv ** 2."""
    if cv < CV_LEAST:
        return lambda: 1.0
    if cv == 1.0:
        return lambda: -log(1.0 - rng.random())
    shape, scale = 1.0 / cv**2, cv**2
    return lambda: rng.gammavariate(shape, scale)


def renewal(rng: Random, cv: float, rate_per_s: float, duration_s: float) -> Iterator[float]:
    """Gaps of a CV at a constant rate."""
    gap = gaps(rng, cv)
    mean_s = 1.0 / rate_per_s
    at_s = gap() * mean_s
    while at_s < duration_s:
        yield at_s
        at_s += gap() * mean_s


def in_pieces(
    gap: Callable[[], float], rate_per_s: float, pieces: Iterator[Piece], duration_s: float
) -> Iterator[float]:
    """A rate that is constant in each of endless pieces."""
    left = gap()
    begin_s = 0.0
    for length_s, factor in pieces:
        end_s = begin_s + length_s
        speed = rate_per_s * factor
        at_s = begin_s
        while speed and at_s + left / speed < end_s:
            at_s += left / speed
            if at_s >= duration_s:
                return
            yield at_s
            left = gap()
        if end_s >= duration_s:
            return
        left = max(0.0, left - speed * (end_s - at_s))
        begin_s = end_s


def mmpp_pieces(rng: Random, states: list[tuple[float, float]]) -> Iterator[Piece]:
    """Of a Markov-modulated process.

    Args:
        rng: Of the stays.
        states: (factor, mean stay in seconds), visited in turn. The first is drawn by the
            share of the time that each has, so that the long-run rate holds from the start.
    """
    at = rng.choices(range(len(states)), [mean_s for _, mean_s in states])[0]
    while True:
        factor, mean_s = states[at]
        yield rng.expovariate(1.0 / mean_s), factor
        at = (at + 1) % len(states)


def on_off_pieces(on_s: float, off_s: float, off_factor: float) -> Iterator[Piece]:
    """On first, then off, and so on."""
    return cycle([(on_s, 1.0), (off_s, off_factor)])


def step_pieces(steps: list[tuple[float, float]]) -> Iterator[Piece]:
    """(time, factor from then on) pairs; factor 1 before the first."""
    begin_s, factor = 0.0, 1.0
    for at_s, following in steps:
        yield at_s - begin_s, factor
        begin_s, factor = at_s, following
    yield inf, factor


def diurnal(
    gap: Callable[[], float],
    rate_per_s: float,
    period_s: float,
    amplitude: float,
    duration_s: float,
) -> Iterator[float]:
    """Rate times 1 - amplitude * cos(2 pi t / period_s)."""
    passed = 0.0
    per_radian_s = period_s / (2.0 * pi)
    while True:
        passed += gap() / rate_per_s
        at_s = kepler(passed / per_radian_s, amplitude) * per_radian_s
        if at_s >= duration_s:
            return
        yield at_s


def kepler(mean: float, eccentricity: float) -> float:
    """The x with x - eccentricity * sin(x) = mean, for 0 <= eccentricity <= 1.

    Newton's steps, and the middle of the bracket where a step would leave it.
    """
    low, high = mean - eccentricity, mean + eccentricity
    x = mean
    while True:
        over = x - eccentricity * sin(x) - mean
        if abs(over) <= 1e-12 * max(1.0, mean):
            return x
        low, high = (low, x) if over > 0.0 else (x, high)
        slope = 1.0 - eccentricity * cos(x)
        following = x - over / slope if slope > 0.0 else low
        if not low < following < high:
            following = (low + high) / 2.0
        if following == x:
            return x
        x = following
