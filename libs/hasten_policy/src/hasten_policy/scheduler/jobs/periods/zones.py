"""Local times of a zone that is handed in.

Around a change of the clocks a local time can be missing or come twice. `instant_of` says what it
means then: a missing one is the moment at which the clocks are put forward, one that comes twice
is the first of the two.
"""

from typing import Final, Protocol

from hasten_policy.scheduler.jobs.periods.civil import DAY_S


class Zone(Protocol):
    """A time zone. Between two changes of its offset lie more than two days."""

    def offset_s(self, at_s: int) -> int:
        """What local time is ahead of UTC at an instant, in seconds; both since 1970."""
        ...


class _Utc:
    __slots__ = ()

    def offset_s(self, at_s: int) -> int:
        """None."""
        del at_s
        return 0


UTC: Final[Zone] = _Utc()


def instant_of(zone: Zone, local_s: int) -> int:
    """The instant of a local time.

    Args:
        zone: Its zone.
        local_s: Seconds from 1970-01-01T00:00 to it, as local clocks read.

    Returns:
        Seconds since 1970-01-01T00:00Z.
    """
    before_s = zone.offset_s(local_s - DAY_S)
    after_s = zone.offset_s(local_s + DAY_S)
    early_s = local_s - max(before_s, after_s)
    late_s = local_s - min(before_s, after_s)
    if zone.offset_s(early_s) == local_s - early_s:
        return early_s
    if zone.offset_s(late_s) == local_s - late_s:
        return late_s
    # The clocks jump over it, between the two.
    while late_s - early_s > 1:
        middle_s = (early_s + late_s) // 2
        if zone.offset_s(middle_s) == before_s:
            early_s = middle_s
        else:
            late_s = middle_s
    return late_s
