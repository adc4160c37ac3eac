"""The time of a call that is no worker's: on the wire, and in the loops on both ends."""

from math import ceil

from hasten_policy.prediction.sorted_ring import SortedRing

CALLS_MIN = 20
"""Below so many calls the first guess counts as one of them."""


class NetTime:
    """A quantile over the newest calls.

    A window, not a running estimate: after a stall the estimate of a high quantile comes down by a
    hundredth of a step with each call and would refuse calls for as long; a window of the newest
    calls never lets a few of them speak, and has forgotten many after as many others.

    Args:
        start_s: First guess.
        s_max: No call counts for more.
        calls: Calls in the window.
        quantile: Of them.

    Attributes:
        value: Seconds, both ways together.
    """

    __slots__ = ("_quantile", "_ring", "_s_max", "_start_s", "value")

    def __init__(self, *, start_s: float, s_max: float, calls: int, quantile: float) -> None:
        self._ring = SortedRing(calls)
        self._quantile = quantile
        self._s_max = s_max
        self._start_s = start_s
        self.value = start_s

    def add(self, seconds: float) -> None:
        """Takes one call into account."""
        self._ring.add(max(0.0, min(seconds, self._s_max)))
        count = len(self._ring)
        value = self._ring.ranked(ceil(count * self._quantile))
        if count < CALLS_MIN:
            # Of so few the quantile is the largest, and the first is often a slow one.
            value = min(value, max(self._start_s, self._ring.median()))
        self.value = value
