"""Demand of now: over a minute where it differs by chance alone, over seconds where it rose."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

from hasten_policy.scaling.sight import Sight

RISE_MIN: Final = 1.3
"""A rise by less is no rush, however many calls say so."""
WORKERS_MIN: Final = 0.5
"""A rise by less than half a busy worker is none either."""


@dataclass(frozen=True, slots=True)
class Level:
    """Demand of now.

    Attributes:
        load: In busy workers.
        rush: How many times as much it is as it was just before; 1 where the difference may be
            chance.
    """

    load: float
    rush: float = 1.0


def level(sight: Sight, windows_s: tuple[float, float, float], chance: float) -> Level:
    """Reads demand over the shortest window that shows more than chance.

    Calls that come by chance differ from one window to the next by the square root of their number.
    A longest window whose load would always be taken as the greatest of three would see that noise
    as growth; one that was always taken would see a step of demand half a minute late.

    Args:
        sight: The pool.
        windows_s: Three lengths, the shortest first.
        chance: A difference is more than chance from so many standard deviations on.
    """
    short_s, middle_s, long_s = windows_s
    found = sight.load(long_s)
    calls = sight.within(long_s).calls
    for window_s in (middle_s, short_s):
        load = sight.load(window_s)
        expected = max(1.0, calls * window_s / long_s)
        if load > found and sight.within(window_s).calls - expected > chance * sqrt(expected):
            found = max(found, load)
    return Level(found, _rush(sight, short_s, middle_s, chance))


def _rush(sight: Sight, short_s: float, before_s: float, chance: float) -> float:
    """The load of the shortest window over that of the seconds before it."""
    if sight.demand.known_s < short_s + before_s:
        return 1.0  # What begins is no rise.
    load, both = sight.load(short_s), sight.load(short_s + before_s)
    before = max(0.0, both * (short_s + before_s) - load * short_s) / before_s
    if load - before < WORKERS_MIN or load < RISE_MIN * before:
        return 1.0
    calls = sight.within(short_s).calls
    part = short_s / before_s
    expected = max(1.0, (sight.within(short_s + before_s).calls - calls) * part)
    # Both windows are noisy: the earlier one by as much more as it is shorter.
    if calls - expected <= chance * sqrt(expected * (1.0 + part)):
        return 1.0
    return load / max(before, WORKERS_MIN)
