"""CoDel for a queue of requests, as in folly (Maurer, "Fail at scale", 2015).

Overloaded when even the shortest wait of the last interval was above the target; then calls that
waited longer than twice the target are dropped when their turn comes.
"""

from typing import Final

from hasten_policy.admission.gate import Gate

TARGET_S: Final = 0.005
INTERVAL_S: Final = 0.1
SLOUGH: Final = 2.0
"""Targets that a call may have waited under overload."""


class CoDel(Gate):
    """Drops by standing delay. It knows no deadline: work with ample slack is dropped as well."""

    __slots__ = ("_fresh", "_least_s", "_overloaded", "_until_s")

    def __init__(self) -> None:
        self._until_s = 0.0
        self._least_s = 0.0
        self._overloaded = False
        self._fresh = True

    def drops(self, waited_s: float, now_s: float) -> bool:
        """As `Gate.drops`."""
        if now_s >= self._until_s:
            self._overloaded = not self._fresh and self._least_s > TARGET_S
            self._until_s = now_s + INTERVAL_S
            self._least_s = waited_s
            # One call says nothing of an interval: dropping begins with the second.
            self._fresh = False
            return False
        self._least_s = min(self._least_s, waited_s)
        return self._overloaded and waited_s > SLOUGH * TARGET_S
