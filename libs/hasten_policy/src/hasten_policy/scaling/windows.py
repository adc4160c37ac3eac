"""The most of what was seen of late."""

from collections import deque


class MaxWindow:
    """The largest value of the last `window_s` seconds; adding costs next to nothing."""

    __slots__ = ("_kept", "window_s")

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._kept: deque[tuple[float, int]] = deque()

    def add(self, now_s: float, value: int) -> int:
        """Remembers a value, and says the largest of the window, this one included."""
        kept = self._kept
        while kept and kept[-1][1] <= value:
            kept.pop()
        kept.append((now_s, value))
        while kept[0][0] < now_s - self.window_s:
            kept.popleft()
        return kept[0][1]

    def clear(self) -> None:
        """Forgets what it saw."""
        self._kept.clear()
