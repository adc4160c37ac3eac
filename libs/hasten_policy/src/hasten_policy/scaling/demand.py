"""What was asked for of late, over windows of any length."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

from hasten_policy.reasons import Reason

PRUNED_ABOVE: Final = 4096
WANTED_CAPACITY: Final = frozenset(
    {
        Reason.OVERLOADED,
        Reason.QUEUE_FULL,
        Reason.SHED_BEFORE_START,
        Reason.NO_WORKER,
        Reason.MODEL_LOADING,
    }
)
"""A call that is refused for one of these would have been answered by more workers."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over some time.

    Attributes:
        calls: Arrivals, refused ones included.
        load_s: Worker seconds that they need in full batches, of models with a profile.
        unprofiled: Arrivals of models without one.
        refused: Arrivals that were refused for want of capacity.
        late: Answers that came late, and callers that left at their deadline.
    """

    calls: int = 0
    load_s: float = 0.0
    unprofiled: int = 0
    refused: int = 0
    late: int = 0


class Demand:
    """Sums of `Counts`, by time. What is older than `keep_s` is forgotten."""

    __slots__ = ("_at_s", "_keep_s", "_sums")

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._at_s: list[float] = []
        self._sums: list[Counts] = []

    def add(self, now_s: float, counts: Counts) -> None:
        """Something was told now; times never go back."""
        before = self._sums[-1] if self._sums else Counts()
        self._at_s.append(now_s)
        self._sums.append(
            Counts(
                before.calls + counts.calls,
                before.load_s + counts.load_s,
                before.unprofiled + counts.unprofiled,
                before.refused + counts.refused,
                before.late + counts.late,
            )
        )
        if len(self._at_s) > PRUNED_ABOVE:
            # One stays that is too old: sums of a window are differences to it.
            old = bisect_left(self._at_s, now_s - self._keep_s) - 1
            if old > PRUNED_ABOVE // 2:
                del self._at_s[:old], self._sums[:old]

    @property
    def known_s(self) -> float:
        """Seconds from the first thing that was told to the last; 0 before the second one."""
        return self._at_s[-1] - self._at_s[0] if self._at_s else 0.0

    def within(self, window_s: float) -> Counts:
        """What was told in the `window_s` seconds before the last time that anything was told.

        Not before now: whether one more message of three seconds has come or not would make a fifth
        of a window of fifteen, and look like growth.
        """
        if not self._sums:
            return Counts()
        # A hair more: what was told exactly that long ago is outside.
        at = bisect_right(self._at_s, self._at_s[-1] - window_s + 1e-9)
        before, last = (self._sums[at - 1] if at else Counts()), self._sums[-1]
        return Counts(
            last.calls - before.calls,
            last.load_s - before.load_s,
            last.unprofiled - before.unprofiled,
            last.refused - before.refused,
            last.late - before.late,
        )
