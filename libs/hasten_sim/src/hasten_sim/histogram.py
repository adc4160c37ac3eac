"""Milliseconds counted in bounded memory."""

from collections import Counter
from math import exp, log
from typing import Final

GROWTH: Final = log(1.005)
"""Buckets of the latency histogram grow by half a per cent: quantiles are that exact."""
LEAST_MS: Final = 1e-4
QUANTILES: Final = (
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
)


class Histogram:
    """Milliseconds, by logarithmic buckets."""

    __slots__ = ("_buckets", "_count", "_total_ms")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._count = 0
        self._total_ms = 0.0

    def add(self, seconds: float) -> None:
        """Counts one value."""
        ms = seconds * 1e3
        self._count += 1
        self._total_ms += ms
        self._buckets[int(log(ms / LEAST_MS) / GROWTH) if ms > LEAST_MS else 0] += 1

    def summary(self) -> dict[str, float]:
        """The quantiles by name, and the mean; zeros of nothing."""
        found = dict.fromkeys((name for name, _ in QUANTILES), 0.0)
        if not self._count:
            return {**found, "mean": 0.0}
        ordered = sorted(self._buckets.items())
        for name, q in QUANTILES:
            rank = q * self._count
            seen = 0
            for bucket, count in ordered:
                seen += count
                if seen >= rank:
                    found[name] = LEAST_MS * exp((bucket + 0.5) * GROWTH) if bucket else 0.0
                    break
        return {**found, "mean": self._total_ms / self._count}
