"""How long after a run its end is heard of."""

from typing import Final

LAG_STEP: Final = 0.05
LAG_QUANTILE: Final = 0.95
LAG_FLOOR_S: Final = 0.00005


class LagTracker:
    """Running high quantile of the seconds between lane and machine, by small steps.

    Each observation moves the estimate by a twentieth: up by the quantile's share of a step
    when it was beyond, down by the rest when within (Robbins and Monro).

    Args:
        lag_max_s: Most that is believed.
    """

    __slots__ = ("_lag_max_s", "lag_s")

    def __init__(self, lag_max_s: float) -> None:
        self._lag_max_s = lag_max_s
        self.lag_s = 0.0

    def observe(self, lag_s: float) -> None:
        """A batch's end was heard `lag_s` after its lane was done."""
        step_s = LAG_STEP * max(self.lag_s, LAG_FLOOR_S)
        if lag_s > self.lag_s:
            self.lag_s = min(self.lag_s + LAG_QUANTILE * step_s, self._lag_max_s)
        else:
            self.lag_s = max(0.0, self.lag_s - (1.0 - LAG_QUANTILE) * step_s)
