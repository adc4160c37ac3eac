"""The time of a call that is no worker's: the wire, and what the host takes from this process."""

from math import hypot

from hasten_policy.admission.net import NetTime
from hasten_policy.admission.policy import AdmissionPolicy
from hasten_policy.host_lag import HostMargin


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
