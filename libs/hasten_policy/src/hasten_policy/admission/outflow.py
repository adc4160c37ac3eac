"""How fast held work really goes out.

A prediction adds up what workers say that calls cost. Where something else is the narrow place, the
process that hands calls out or a core that others use too, the work goes out more slowly than
that, and every held call would be promised too early. While calls wait, what was sent in some time
says how fast it goes, whatever the reason.
"""

from math import exp
from typing import Final

MEMORY_S: Final = 0.2
"""Older evidence counts by 1/e after so much waiting time."""
FORGOTTEN_S: Final = 1.0
"""After so long without a waiting call, the evidence is worth nothing."""
CALLS_MIN: Final = 16.0
"""Of late, so many sent calls say something. Where fewer are sent, runs are long, and what workers
say of them is right.
"""


class Outflow:
    """Seconds that a second of held work takes to go out, while calls wait.

    Credits come in batches, so time is counted from one sending to the next: what is sent with the
    first of a time of waiting counts for none.
    """

    __slots__ = ("_calls", "_sent_s", "_took_s", "_waits", "_work_s")

    def __init__(self) -> None:
        self._waits = False
        self._sent_s = 0.0
        self._took_s = 0.0
        self._work_s = 0.0
        self._calls = 0.0

    def sent(self, work_s: float, now_s: float, *, more: bool) -> None:
        """A held call was sent.

        Args:
            work_s: Predicted busy seconds of a lane.
            now_s: Now.
            more: Others still wait.
        """
        gap_s = now_s - self._sent_s
        if not self._waits:
            self._waits = True
            if gap_s > FORGOTTEN_S:
                self._took_s = self._work_s = self._calls = 0.0
        elif gap_s > 0.0:
            kept = exp(-gap_s / MEMORY_S)
            self._took_s = self._took_s * kept + gap_s
            self._work_s = self._work_s * kept + work_s
            self._calls = self._calls * kept + 1.0
        elif self._took_s > 0.0:
            self._work_s += work_s
            self._calls += 1.0
        self._sent_s = now_s
        self._waits = more

    @property
    def of_work(self) -> float:
        """Seconds a second of work; 0 while it is not known."""
        if self._calls < CALLS_MIN or self._work_s <= 0.0:
            return 0.0
        return self._took_s / self._work_s
