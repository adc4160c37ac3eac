"""The time of a call that is no worker's: on the wire, and what the host takes from both ends."""

from math import ceil, hypot
from typing import Final

from hasten_policy.admission.policy import AdmissionPolicy
from hasten_policy.host_lag import HostMargin
from hasten_policy.prediction.sorted_ring import SortedRing

CALLS_MIN: Final = 20
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


class Way:
    """How long calls are under way.

    Args:
        policy: Parameters.

    Attributes:
        net: The time on the wire.
        host: What the host takes.
    """

    __slots__ = ("_policy", "host", "net")

    def __init__(self, policy: AdmissionPolicy) -> None:
        self._policy = policy
        self.host = HostMargin()
        self.net = self._new_net()

    def seconds(self, now_s: float) -> float:
        """Seconds of a call that are no worker's. Two noises: their squares add up."""
        return hypot(self.net.value, self.host.margin_s(now_s))

    def took(self, seconds: float, sent_s: float) -> None:
        """A call sent at `sent_s` was under way for so long; what stood still here meanwhile is not
        the wire's.
        """
        if not self.host.stood_still_since(sent_s):
            self.net.add(seconds)

    def disproved(self) -> None:
        """What was learned in worse times is worth little: begins anew."""
        self.net = self._new_net()

    def _new_net(self) -> NetTime:
        policy = self._policy
        return NetTime(
            start_s=policy.net_start_s,
            s_max=policy.net_s_max,
            calls=policy.net_calls,
            quantile=policy.net_quantile,
        )
