"""Real series of demand, as workloads: see loadtest/series/README.md."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "series"
STEP_S: Final = 10.0
"""The rate changes so often: between two values of a series it lies on the line through them."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series, played in virtual time.

    Attributes:
        name: Of the file.
        period_s: Virtual seconds of one value.
        rate_per_s: Calls a second, on average.
        day_s: Virtual seconds of what may come again: of a day, or of a week of days.
        days: The last so many are played.
        warmup_days: Of them, not counted.
    """

    name: str
    period_s: float
    rate_per_s: float
    day_s: float
    days: int = 3
    warmup_days: int = 2

    @property
    def played(self) -> tuple[int, ...]:
        """The values of the last days."""
        return values(self.name)[-round(self.days * self.day_s / self.period_s) :]

    @property
    def duration_s(self) -> float:
        """Of what is played."""
        return len(self.played) * self.period_s

    def arrivals(self) -> str:
        """The table [arrivals], and the day."""
        found = self.played
        mean = sum(found) / len(found)
        steps = [
            f"{{ at_s = {at_s:g}, factor = {self._at(found, at_s) / mean:.4g} }}"
            for at_s in (STEP_S * number for number in range(1, int(self.duration_s / STEP_S)))
        ]
        return (
            f'[arrivals]\nprocess = "step"\nrate_per_s = {self.rate_per_s:g}\n'
            f"steps = [{', '.join(steps)}]\n[pool]\nday_s = {self.day_s:g}\n"
        )

    def _at(self, found: tuple[int, ...], at_s: float) -> float:
        """On the line through the middles of two periods."""
        middles = [(number + 0.5) * self.period_s for number in range(len(found))]
        after = bisect_right(middles, at_s)
        if after in {0, len(found)}:
            return float(found[min(after, len(found) - 1)])
        part = (at_s - middles[after - 1]) / self.period_s
        return found[after - 1] + part * (found[after] - found[after - 1])


@lru_cache
def values(name: str) -> tuple[int, ...]:
    """The values of a series, oldest first."""
    lines = (FOLDER / f"{name}.csv").read_text("utf-8").split()
    return tuple(int(line) for line in lines[1:])


DAY_S: Final = 3600.0
"""A day is played in an hour."""
SERIES: Final = (
    Series("shop", DAY_S / 72, 20, DAY_S),
    Series("motorway", DAY_S / 24, 40, DAY_S),
    Series("household", DAY_S / 288, 40, DAY_S),
    Series("city_traffic", DAY_S / 24, 40, DAY_S),
    Series("electricity", DAY_S / 24, 40, DAY_S),
    Series("flights", DAY_S / 72, 40, DAY_S),
    Series("wikipedia", 100.0, 20, 700.0, 15, 5),
)
