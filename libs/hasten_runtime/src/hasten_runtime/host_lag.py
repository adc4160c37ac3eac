"""Measures how late the host lets this process be: event-loop delay, stolen and throttled CPU.

A timer that fires late says that nothing else on the loop was done in time either. A loop that
stood still made no further measurements meanwhile: they are filled in, or a second of stalls would
look like a few late timers.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from hasten_policy.load import HostLag
from hasten_runtime.clock import Clock
from hasten_runtime.host_counters import HostCounters

TICK_S: Final = 0.05
"""Between two looks at the clock."""
TIMER_S: Final = 0.001
"""Timers of the loop are no finer than this: so much lateness is none."""
RECENT_S: Final = 1.0
"""The lag is that of so many seconds."""
TELL_S: Final = 0.5
"""Between two reports when nothing happens."""
COUNT_S: Final = 1.0
"""Between two looks at the counters of the system."""
STALL_S: Final = 0.01
"""A loop that was this late stood still, and that is told at once."""
QUANTILE: Final = 0.9


class RecentLag:
    """The lateness of the last RECENT_S, evenly spread over time."""

    def __init__(self) -> None:
        self._late_s: deque[float] = deque(maxlen=round(RECENT_S / TICK_S))

    def add(self, late_s: float) -> None:
        """A tick came late: so would those have that were due meanwhile, each by less."""
        self._late_s.append(late_s)
        late_s = min(late_s, RECENT_S)
        while late_s > TICK_S:
            late_s -= TICK_S
            self._late_s.append(late_s)

    def lag_s(self) -> float:
        """The QUANTILE of them; 0 of none."""
        ordered = sorted(self._late_s)
        return ordered[min(len(ordered) - 1, int(QUANTILE * len(ordered)))] if ordered else 0.0


class HostLagMeter:
    """Measures on one event loop, and tells what it found.

    Args:
        clock: Of the process.
        counters: Of the system.
        tell: Told several times a second, and at once when the loop stood still.
    """

    def __init__(
        self, clock: Clock, counters: HostCounters, tell: Callable[[HostLag], None]
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._tell = tell
        self._recent = RecentLag()
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = self._tell_s = self._count_s = 0.0
        self.lag_s = 0.0
        """As last told, for the metrics."""
        self.stolen = 0.0
        """As last told, for the metrics."""

    def open(self) -> None:
        """Begins to measure the running loop."""
        now_s = self._clock.now_s()
        self._tell_s, self._count_s = now_s + TELL_S, now_s + COUNT_S
        self._counters.stolen(now_s)
        self._arm(now_s)

    def close(self) -> None:
        """Ends; may be called again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, now_s: float) -> None:
        self._due_s = now_s + TICK_S
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        now_s = self._clock.now_s()
        late_s = max(0.0, now_s - self._due_s - TIMER_S)
        self._arm(now_s)
        self._recent.add(late_s)
        stalled = late_s >= STALL_S
        if now_s >= self._count_s:
            self._count_s = now_s + COUNT_S
            self.stolen = self._counters.stolen(now_s)
        if stalled or now_s >= self._tell_s:
            self._tell_s = now_s + TELL_S
            self.lag_s = self._recent.lag_s()
            self._tell(HostLag(self.lag_s, self.stolen, late_s if stalled else 0.0))
