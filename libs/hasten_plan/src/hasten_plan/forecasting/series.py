"""Measurements in periods of one length; what cannot be is named and left out."""

from math import isfinite
from typing import Final

VALUE_MAX: Final = 1e9
"""No pool has that much demand: a counter was set back, or a unit is wrong."""
GAP_MAX: Final = 64
"""Periods that may be missing; after a longer gap a series begins anew."""


class Periods:
    """Puts values into consecutive periods.

    Args:
        period_s: Length of a period.
    """

    __slots__ = ("_last", "_period_s")

    def __init__(self, period_s: float) -> None:
        if not 0.0 < period_s < VALUE_MAX:
            raise ValueError(f"period_s must be above 0, is {period_s}")
        self._period_s = period_s
        self._last: int | None = None

    def missing_before(self, at_s: float, value: float) -> int:
        """Periods without a value between the last one and this one, which is taken.

        Args:
            at_s: When the period began.
            value: What was measured in it.

        Returns:
            0 where none is missing, -1 after a gap so long that what was before says nothing.

        Raises:
            LeftOutError: The value cannot be; nothing has changed.
        """
        if not (isfinite(value) and 0.0 <= value <= VALUE_MAX):
            raise LeftOutError(f"absurd value {value:g}")
        if not isfinite(at_s) or abs(at_s) > VALUE_MAX * self._period_s:
            raise LeftOutError(f"absurd time {at_s:g}")
        number = round(at_s / self._period_s)
        if self._last is None:
            self._last = number
            return 0
        missing = number - self._last - 1
        if missing < 0:
            if -missing > GAP_MAX:
                # Not a late message: the clock was set back for good.
                self._last = number
                return -1
            raise LeftOutError(f"clock step: a value for {-missing} periods ago")
        self._last = number
        return -1 if missing > GAP_MAX else missing


class LeftOutError(ValueError):
    """A value that cannot be, and why."""
