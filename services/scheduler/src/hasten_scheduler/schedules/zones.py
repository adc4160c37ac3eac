"""Time zones of the IANA database, for the policies."""

import functools
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hasten_policy.scheduler.jobs.periods.zones import UTC as UTC_ZONE
from hasten_policy.scheduler.jobs.periods.zones import Zone
from hasten_policy.short import short
from hasten_scheduler.naming import refuse_field

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ZONES_KEPT: Final = 1024
NAME_CHARS_MAX: Final = 64


class _Named:
    """A zone of the database."""

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)

    def offset_s(self, at_s: int) -> int:
        """What local time is ahead of UTC."""
        there = (_EPOCH + timedelta(seconds=at_s)).astimezone(self._zone)
        offset = there.utcoffset() or timedelta()
        return round(offset.total_seconds())


@functools.lru_cache(maxsize=ZONES_KEPT)
def _found(name: str) -> Zone:
    return _Named(name)


def zone_of(name: str) -> Zone:
    """A zone by name; "" is UTC. Raises MeshError: INVALID_REQUEST for a name that is none."""
    if not name:
        return UTC_ZONE
    try:
        return _found(name[: NAME_CHARS_MAX + 1])
    except (ValueError, KeyError, OSError):
        refuse_field(
            "time_zone", f"must be a zone of the IANA database, as Europe/Berlin: {short(name)!r}"
        )
