"""Days of the proleptic Gregorian calendar as numbers, counted from 1970-01-01, and back.

The algorithms are Howard Hinnant's ("chrono-compatible low-level date algorithms"): integers alone,
so that the policies need no clock module.
"""

from typing import Final, NamedTuple

DAY_S: Final = 86_400
SECOND_US: Final = 1_000_000
_ERA_DAYS: Final = 146_097
"""Of 400 years."""
_EPOCH_DAYS: Final = 719_468
"""From 0000-03-01 to 1970-01-01."""


class Day(NamedTuple):
    """A day.

    Attributes:
        year: Its year.
        month: 1 to 12.
        day: 1 to 31.
        weekday: 0 for Sunday to 6.
    """

    year: int
    month: int
    day: int
    weekday: int


def day_of(number: int) -> Day:
    """The day with this number."""
    era, of_era = divmod(number + _EPOCH_DAYS, _ERA_DAYS)
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    # Months count from March, so that the leap day is the last of its year.
    from_march = (5 * of_year + 2) // 153
    month = from_march + 3 if from_march < 10 else from_march - 9
    return Day(
        year + era * 400 + (month <= 2),
        month,
        of_year - (153 * from_march + 2) // 5 + 1,
        (number + 4) % 7,
    )


def number_of(year: int, month: int, day: int) -> int:
    """The number of a day that there is."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    from_march = month - 3 if month > 2 else month + 9
    of_year = (153 * from_march + 2) // 5 + day - 1
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH_DAYS


def iso(at_us: int) -> str:
    """A time in UTC as RFC 3339 writes it; with microseconds only where there are some.

    Args:
        at_us: Microseconds since 1970-01-01T00:00:00Z.
    """
    seconds, micros = divmod(at_us, SECOND_US)
    number, of_day = divmod(seconds, DAY_S)
    day = day_of(number)
    hour, rest = divmod(of_day, 3600)
    minute, second = divmod(rest, 60)
    fraction = f".{micros:06d}" if micros else ""
    return (
        f"{day.year:04d}-{day.month:02d}-{day.day:02d}"
        f"T{hour:02d}:{minute:02d}:{second:02d}{fraction}Z"
    )


def time_us(text: str) -> int:
    """The time that `iso` wrote."""
    day, _, clock = text.removesuffix("Z").partition("T")
    year, month, of_month = map(int, day.split("-"))
    clock, _, fraction = clock.partition(".")
    hour, minute, second = map(int, clock.split(":"))
    of_day = hour * 3600 + minute * 60 + second
    seconds = number_of(year, month, of_month) * DAY_S + of_day
    return seconds * SECOND_US + int(fraction or 0)
