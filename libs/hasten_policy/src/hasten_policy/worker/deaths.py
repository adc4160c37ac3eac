"""How often the processes of one model may end before it leaves rotation."""

from collections import deque

DEATHS_MAX = 5
"""Within `WINDOW_S`."""
WINDOW_S = 60.0


class Deaths:
    """Counts those of one model."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=DEATHS_MAX)

    def died(self, now_s: float) -> int:
        """A process ended; how many have within the last `WINDOW_S`."""
        while self._times and self._times[0] <= now_s - WINDOW_S:
            self._times.popleft()
        self._times.append(now_s)
        return len(self._times)

    @property
    def too_many(self) -> bool:
        """It is not started again: each start costs what the models beside it could use."""
        return len(self._times) >= DEATHS_MAX
