"""What an idle server has shown of late that it cannot do in time.

A prediction may be wrong in every way, and one that refuses too much is never put right, as
nothing runs any more that could show it. So where nothing is in a call's way, only this counts:
measurements of no more work, less than a second ago, that took longer than the call may.
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

    def too_long_s(
        self, rows: int, elements: float, left_s: float, now_s: float, *, expected: bool
    ) -> float:
        """Seconds that no more work took of late, if that shows that a call has no chance; else 0.

        One measurement may have met a stall. Where others speak for the call it takes two of them,
        newer than any that did no less work in the time that is left.

        Args:
            rows: Of the call.
            elements: Of all its inputs.
            left_s: Seconds until its deadline.
            now_s: Now.
            expected: It is predicted to take longer than that, so that one measurement will do.
        """
        since_s = now_s - self._life_s
        longest_s = 0.0
        found = 0
        for at_s, ran_rows, ran_elements, seconds in reversed(self._kept):
            if at_s <= since_s:
                break
            if seconds > left_s:
                if ran_rows <= rows and ran_elements <= elements:
                    found += 1
                    longest_s = max(longest_s, seconds)
            elif ran_rows >= rows and ran_elements >= elements:
                expected = False
                break
        return longest_s if found >= (1 if expected else 2) else 0.0
