"""Whether the model has become another: most of the newest runs were not what was predicted."""

from collections import deque
from math import exp, log

from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.run import median

MOST = 0.75
"""Share of the newest runs that counts as most of them."""


class Shift:
    """What the newest runs took, in shares of what was predicted before they ran.

    A fit made with them in it cannot tell: it follows the sizes that run and leaves all others
    where they were.

    Args:
        policy: How many runs, and how far off they must be.
    """

    __slots__ = ("_factor", "_off", "_tight")

    def __init__(self, policy: PredictionPolicy) -> None:
        self._off: deque[float] = deque(maxlen=policy.shift_runs)
        self._factor = log(policy.shift_factor)
        self._tight = log(policy.drift_factor)

    def add(self, ratio: float) -> bool:
        """Takes in seconds taken over seconds predicted; True when most of the newest are off."""
        self._off.append(log(ratio))
        if len(self._off) < (self._off.maxlen or 1):
            return False
        return sum(self._is_off()) >= MOST * len(self._off)

    def take(self) -> tuple[float, list[bool]]:
        """What has changed; begins to count anew.

        Returns:
            The factor that those that are off have in common, 0 when there is none; and which of
            the newest runs are off, oldest first: the others belong to what was before.
        """
        off = self._is_off()
        ratios = [each for each, is_off in zip(self._off, off, strict=True) if is_off]
        middle = median(ratios)
        near = [each for each in ratios if abs(each - middle) <= self._tight]
        self._off.clear()
        return (exp(middle) if len(near) >= MOST * len(ratios) else 0.0), off

    def _is_off(self) -> list[bool]:
        return [abs(each) > self._factor for each in self._off]
