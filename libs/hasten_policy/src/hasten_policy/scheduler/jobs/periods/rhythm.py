"""When a schedule runs: by cron expression, or by period and phase. Times are whole microseconds
since 1970-01-01T00:00Z.
"""

from dataclasses import dataclass
from typing import Protocol

from hasten_policy.scheduler.jobs.periods.civil import DAY_S, SECOND_US
from hasten_policy.scheduler.jobs.periods.cron import Cron
from hasten_policy.scheduler.jobs.periods.zones import Zone


class Rhythm(Protocol):
    """An endless sequence of times.

    Attributes:
        gap_us: No two times are closer to each other.
    """

    @property
    def gap_us(self) -> int:
        """See the class."""
        ...

    def next_us(self, after_us: int) -> int:
        """The first time later than this."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """Each `period_us`, so that the same times result whoever asks, and whenever.

    Attributes:
        period_us: Positive.
        phase_us: One time is so long after 1970-01-01T00:00Z; others a multiple of the period from
            it.
    """

    period_us: int
    phase_us: int = 0

    @property
    def gap_us(self) -> int:
        """The period."""
        return self.period_us

    def next_us(self, after_us: int) -> int:
        """As `Rhythm.next_us`."""
        return after_us + self.period_us - (after_us - self.phase_us) % self.period_us


@dataclass(frozen=True, slots=True)
class ByCron:
    """By an expression, in a zone."""

    cron: Cron
    zone: Zone

    @property
    def gap_us(self) -> int:
        """The least between two times of a day, or of neighbouring days. Where it is long, less an
        hour: the clocks may be put forward in it.
        """
        times_s = self.cron.times_s()
        onward_s = [*times_s[1:], times_s[0] + DAY_S]
        gap_s = min(after - before for before, after in zip(times_s, onward_s, strict=True))
        return (gap_s - 3600 if gap_s > 2 * 3600 else gap_s) * SECOND_US

    def next_us(self, after_us: int) -> int:
        """As `Rhythm.next_us`."""
        return self.cron.next_s(after_us // SECOND_US, self.zone) * SECOND_US


def times_us(rhythm: Rhythm, after_us: int, until_us: int, most: int) -> list[int]:
    """The times later than `after_us` and not later than `until_us`, the first `most` of them."""
    found: list[int] = []
    at_us = rhythm.next_us(after_us)
    while at_us <= until_us and len(found) < most:
        found.append(at_us)
        at_us = rhythm.next_us(at_us)
    return found


def newest_us(rhythm: Rhythm, after_us: int, until_us: int, most: int) -> tuple[list[int], bool]:
    """As `times_us`, but the newest ones; and whether they are all.

    Where so many have passed that to go through them would take long, those within the last
    `most` gaps are told.
    """
    found = times_us(rhythm, after_us, until_us, 2 * most + 1)
    if len(found) > 2 * most:
        begin_us = max(after_us, until_us - most * rhythm.gap_us)
        return times_us(rhythm, begin_us, until_us, most), False
    return found[-most:], len(found) <= most
