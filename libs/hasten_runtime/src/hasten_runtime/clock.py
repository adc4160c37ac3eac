"""The one place where services read a clock; policies get `now_s` as an argument."""

import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic seconds. The origin means nothing; never compare clocks of two machines."""

    def now_s(self) -> float:
        """Seconds since an arbitrary origin."""
        ...


class SystemClock:
    """The operating system's monotonic clock."""

    def now_s(self) -> float:
        """Seconds since an arbitrary origin."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self._now_s = now_s

    def now_s(self) -> float:
        """Seconds since an arbitrary origin."""
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Moves the clock forward by `by_s` >= 0 seconds."""
        if by_s < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now_s += by_s
