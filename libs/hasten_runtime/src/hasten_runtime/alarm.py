"""One alarm that is set anew all the time."""

import asyncio
import math
from collections.abc import Callable

from hasten_runtime.clock import Clock


class Alarm:
    """Calls back once when the time last set has come.

    Setting a later time leaves the timer as it is; one that fires too early arms itself
    again. A machine sets its alarm on nearly every event, and cancelling timers costs more.
    """

    def __init__(self, clock: Clock, on_due: Callable[[], None]) -> None:
        self._clock = clock
        self._on_due = on_due
        self._at_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at_s = math.inf

    def set(self, at_s: float) -> None:
        """Replaces the time, on the clock."""
        self._at_s = at_s
        if at_s < self._timer_at_s:
            if self._timer is not None:
                self._timer.cancel()
            self._arm()

    def close(self) -> None:
        """Never calls back again."""
        self._at_s = math.inf
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        self._timer_at_s = self._at_s
        delay_s = max(0.0, self._at_s - self._clock.now_s())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._timer_at_s = math.inf
        if self._at_s == math.inf:
            return
        if self._clock.now_s() < self._at_s:
            self._arm()
            return
        self._at_s = math.inf
        self._on_due()
