"""The time of a call that is no worker's: on the wire, and what the host takes from both ends."""

from bisect import bisect_left, insort
from collections import deque
from math import ceil, hypot
from typing import Final

from hasten_policy.admission.policy import AdmissionPolicy
from hasten_policy.host_lag import HostMargin

CALLS_MIN: Final = 20
"""Below so many calls the first guess counts as one of them, and age alone lets none go."""
MEMORY_S: Final = 0.25
"""Calls older than this go, while there are newer ones."""


class NetTime:
    """A quantile over the newest calls.

    A window, not a running estimate: after a stall the estimate of a high quantile comes down by a
    hundredth of a step with each call and would refuse calls for as long; a window of the newest
    calls never lets a few of them speak, and has forgotten many after as many others. It forgets by
    age too: where little is let in because of what was, few others come.

    Args:
        start_s: First guess.
        s_max: No call counts for more.
        calls: Calls in the window.
        quantile: Of them.

    Attributes:
        value: Seconds, both ways together.
    """

    __slots__ = ("_calls", "_newest", "_quantile", "_s_max", "_sorted", "_start_s", "value")

    def __init__(self, *, start_s: float, s_max: float, calls: int, quantile: float) -> None:
        self._calls = calls
        self._newest: deque[tuple[float, float]] = deque()
        self._sorted: list[float] = []
        self._quantile = quantile
        self._s_max = s_max
        self._start_s = start_s
        self.value = start_s

    def add(self, seconds: float, now_s: float) -> None:
        """Takes one call into account."""
        took_s = max(0.0, min(seconds, self._s_max))
        self._newest.append((now_s, took_s))
        insort(self._sorted, took_s)
        if len(self._newest) > self._calls:
            self._drop()
        while len(self._newest) > CALLS_MIN and self._newest[0][0] < now_s - MEMORY_S:
            self._drop()
        self._read()

    def forget(self, now_s: float) -> None:
        """What it knows by anything but the last moment is worth nothing."""
        while self._newest and self._newest[0][0] < now_s - MEMORY_S:
            self._drop()
        self._read()

    def _drop(self) -> None:
        _, took_s = self._newest.popleft()
        del self._sorted[bisect_left(self._sorted, took_s)]

    def _read(self) -> None:
        count = len(self._sorted)
        if not count:
            self.value = self._start_s
            return
        value = self._sorted[min(ceil(count * self._quantile), count) - 1]
        if count < CALLS_MIN:
            # Of so few the quantile is the largest, and the first is often a slow one.
            middle = 0.5 * (self._sorted[(count - 1) // 2] + self._sorted[count // 2])
            value = min(value, max(self._start_s, middle))
        self.value = value


class Way:
    """How long calls are under way.

    Args:
        policy: Parameters.

    Attributes:
        net: The time on the wire.
        host: What the host takes.
    """

    __slots__ = ("host", "net")

    def __init__(self, policy: AdmissionPolicy) -> None:
        self.host = HostMargin()
        self.net = NetTime(
            start_s=policy.net_start_s,
            s_max=policy.net_s_max,
            calls=policy.net_calls,
            quantile=policy.net_quantile,
        )

    def seconds(self, now_s: float) -> float:
        """Seconds of a call that are no worker's. Two noises: their squares add up."""
        return hypot(self.net.value, self.host.margin_s(now_s))

    def took(self, seconds: float, sent_s: float, now_s: float) -> None:
        """A call sent at `sent_s` was under way for so long; what stood still here meanwhile is not
        the wire's.
        """
        if not self.host.stood_still_since(sent_s):
            self.net.add(seconds, now_s)

    def disproved(self, now_s: float) -> None:
        """What was learned in worse times is worth little."""
        self.net.forget(now_s)
