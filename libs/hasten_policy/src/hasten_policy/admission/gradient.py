"""Netflix's Gradient2: a concurrency limit that follows latency.

concurrency-limits, Gradient2Limit with its defaults, one sample at a time. The library limits one
server; here a router limits a pool, so everything it counts in calls is counted per lane.
"""

from typing import Final

from hasten_policy.admission.gate import Asking, Gate, in_flight

LIMIT_FIRST: Final = 20.0
LIMIT_MIN: Final = 20.0
LIMIT_MAX: Final = 200.0
QUEUE: Final = 4.0
"""Calls that may queue without the limit being lowered."""
SMOOTHING: Final = 0.2
TOLERANCE: Final = 1.5
"""Latency may be this much above its long average."""
LONG_SAMPLES: Final = 600
WARMUP_SAMPLES: Final = 10
"""So many first samples are averaged plainly."""


class Gradient2(Gate):
    """limit <- 0.8 limit + 0.2 (limit * clip(1.5 long / short, 0.5, 1) + 4)."""

    __slots__ = ("_count", "_limit", "_long_s", "_per_lane")

    def __init__(self) -> None:
        self._limit = LIMIT_FIRST
        self._long_s = 0.0
        self._count = 0
        self._per_lane = 0.0

    @property
    def limit(self) -> float:
        """Calls a lane may have in flight."""
        return self._limit

    def refuses(self, call: Asking, held: int, now_s: float) -> str:
        """As `Gate.refuses`."""
        del now_s
        self._per_lane = in_flight(call.view, held) / call.view.lanes
        if self._per_lane < self._limit:
            return ""
        return f"{self._per_lane:.0f} calls a lane are in flight, the limit is {self._limit:.0f}"

    def answered(self, took_s: float) -> None:
        """As `Gate.answered`."""
        if took_s <= 0.0:
            return
        self._average(took_s)
        if self._long_s / took_s > 2.0:
            # Latency has fallen for good: the long average must not take minutes to notice.
            self._long_s *= 0.95
        if self._per_lane < self._limit / 2.0:
            return
        gradient = max(0.5, min(1.0, TOLERANCE * self._long_s / took_s))
        wanted = self._limit * gradient + QUEUE
        self._limit += SMOOTHING * (wanted - self._limit)
        self._limit = max(LIMIT_MIN, min(LIMIT_MAX, self._limit))

    def _average(self, took_s: float) -> None:
        self._count += 1
        if self._count <= WARMUP_SAMPLES:
            self._long_s += (took_s - self._long_s) / self._count
        else:
            self._long_s += 2.0 / (LONG_SAMPLES + 1) * (took_s - self._long_s)
