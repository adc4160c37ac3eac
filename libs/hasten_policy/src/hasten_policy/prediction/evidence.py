"""What an idle server has shown of late that it cannot do in time.

A prediction may be wrong in every way, and one that refuses too much is never put right, as
nothing runs any more that could show it. So where nothing is in a call's way, only this counts: a
measurement of no more work, less than a second ago, that took longer than the call may.
"""

from collections import deque
from typing import Final

KEPT_MAX: Final = 64
"""Measurements remembered; to forget one lets a call in at worst."""


class Evidence:
    """The newest measurements.

    Args:
        life_s: For so long a measurement counts.
    """

    __slots__ = ("_kept", "_life_s")

    def __init__(self, life_s: float) -> None:
        self._life_s = life_s
        self._kept: deque[tuple[float, int, float, float]] = deque(maxlen=KEPT_MAX)

    def add(self, rows: int, elements: float, seconds: float, now_s: float) -> None:
        """Something of so many rows and elements has taken so long."""
        self._kept.append((now_s, rows, elements, seconds))

    def least_s(self, rows: int, elements: float, now_s: float) -> float:
        """Longest that no more work has taken of late: a call that may not take so long has no
        chance; 0 when nothing is known.
        """
        since_s = now_s - self._life_s
        found = 0.0
        for at_s, ran_rows, ran_elements, seconds in reversed(self._kept):
            if at_s <= since_s:
                break
            if ran_rows <= rows and ran_elements <= elements and seconds > found:
                found = seconds
        return found
