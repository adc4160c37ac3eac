"""The seconds that a batch must end before a deadline."""

from math import hypot
from typing import Final

from hasten_policy.host_lag import HostMargin
from hasten_policy.load import HostLag
from hasten_policy.prediction.quantile_tracker import QuantileTracker

LAG_QUANTILE: Final = 0.95
"""Of the lag between a lane and the machine that the margin contains."""


class Margin:
    """What lies between the end of a run and the caller, as measured; shared by all that plan.

    The lag behind lanes and what the host takes are two noises: their squares add up.

    Args:
        fixed_s: For the answer's way out, which nobody measures here.
        lag_s_max: Most of the lag that is believed.

    Attributes:
        seconds: Before a deadline by which a batch must have ended.
    """

    __slots__ = ("_fixed_s", "_host", "_lag", "_lag_s_max", "seconds")

    def __init__(self, fixed_s: float = 0.0, lag_s_max: float = 0.0) -> None:
        self._fixed_s = fixed_s
        self._lag_s_max = lag_s_max
        self._lag = QuantileTracker(0.0, LAG_QUANTILE)
        self._host = HostMargin()
        self.seconds = fixed_s

    def lagged(self, seconds: float, now_s: float) -> None:
        """So long after a lane had ended a batch was its end heard of, or its start begun."""
        self._lag.add(seconds)
        self._renew(now_s)

    def host_lagged(self, event: HostLag, now_s: float) -> None:
        """The host lets the process stand still for so long at times."""
        self._host.heard(event, now_s)
        self._renew(now_s)

    def _renew(self, now_s: float) -> None:
        lag_s = max(0.0, min(self._lag.value, self._lag_s_max))
        self.seconds = self._fixed_s + hypot(lag_s, self._host.margin_s(now_s))
