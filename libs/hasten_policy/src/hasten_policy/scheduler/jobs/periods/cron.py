"""Cron expressions: five fields (minute, hour, day, month, weekday), as Vixie's cron reads them.

A field is `*`, a number, a name (`jan`, `mon`), a range `a-b`, any of them with a step `/n`, or a
list of these with commas. When both day and weekday are restricted, either may match. `@hourly`,
`@daily`, `@weekly`, `@monthly` and `@yearly` stand for expressions.

Where the clocks change, an expression whose hours begin with `*` goes by elapsed time: it has no
times in the hour that is skipped, and times in both of the hours that are the same. One with named
hours has each of its local times once, as `zones.instant_of` says.
"""

from dataclasses import dataclass
from typing import Final

from hasten_policy.scheduler.jobs.periods.civil import DAY_S, Day, day_of
from hasten_policy.scheduler.jobs.periods.zones import Zone, instant_of
from hasten_policy.short import short

CHARS_MAX: Final = 256
"""Of an expression."""
DAYS_MAX: Final = 366 * 9
"""Every day that there is comes again within so many: 2096 and 2104 are eight years apart."""
_MARGIN_S: Final = 3 * 3600
"""More than clocks are ever changed by."""
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SHORT_FOR: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that was read; see `cron_of`.

    Attributes:
        minutes: Those that match, in order.
        hours: Likewise.
        days: Of the month.
        months: 1 to 12.
        weekdays: 0 for Sunday to 6.
        by_elapsed_time: The hours begin with `*`.
        either: Day or weekday may match; else both must.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    by_elapsed_time: bool
    either: bool

    def next_s(self, after_s: int, zone: Zone) -> int:
        """The first time later than an instant; both in seconds since 1970-01-01T00:00Z."""
        if self.by_elapsed_time:
            return self._next_elapsed_s(after_s, zone)
        local_s = after_s + zone.offset_s(after_s) - _MARGIN_S
        number = self._next_day(local_s // DAY_S)
        times_s = self.times_s()
        while True:
            for of_day_s in times_s:
                if number * DAY_S + of_day_s >= local_s:
                    at_s = instant_of(zone, number * DAY_S + of_day_s)
                    if at_s > after_s:
                        return at_s
            number = self._next_day(number + 1)

    def times_s(self) -> list[int]:
        """Its times on a day on which it has some, in seconds after midnight, in order."""
        return [hour * 3600 + minute * 60 for hour in self.hours for minute in self.minutes]

    def _next_elapsed_s(self, after_s: int, zone: Zone) -> int:
        at_s = after_s // 60 * 60 + 60
        while True:
            local_s = at_s + zone.offset_s(at_s)
            number, of_day_s = divmod(local_s, DAY_S)
            ahead = self._next_day(number) - number
            if ahead:
                # To shortly before that day, as the clocks may change on the way.
                at_s += max(60, ahead * DAY_S - of_day_s - _MARGIN_S)
                continue
            hour, of_hour_s = divmod(of_day_s, 3600)
            minute = of_hour_s // 60
            if hour not in self.hours:
                at_s += (60 - minute) * 60
            elif minute in self.minutes and not of_hour_s % 60:
                return at_s
            else:
                at_s += 60 - of_hour_s % 60

    def _next_day(self, number: int) -> int:
        """The first day, from this one on, on which it has times."""
        while not self._has(day_of(number)):
            number += 1
        return number

    def _has(self, day: Day) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.weekday in self.weekdays
        return in_month or in_week if self.either else in_month and in_week


def cron_of(expression: str) -> Cron:
    """Reads an expression.

    Raises:
        ValueError: It is none, or no day ever matches; the sentence names the field.
    """
    if len(expression) > CHARS_MAX:
        raise ValueError(f"must have at most {CHARS_MAX} characters, not {len(expression)}")
    text = expression.strip().lower()
    texts = _SHORT_FOR.get(text, text).split()
    if len(texts) != len(_FIELDS):
        raise ValueError(
            "must have five fields, minute hour day month weekday, or be one of "
            f"{', '.join(_SHORT_FOR)}; not {short(expression)!r}"
        )
    minutes, hours, days, months, weekdays = (
        _values(field, part) for field, part in zip(_FIELDS, texts, strict=True)
    )
    either = not (texts[2].startswith("*") or texts[4].startswith("*"))
    if not either and min(days) > max(_LONGEST[month - 1] for month in months):
        raise ValueError(f"names a day that none of its months has: {short(expression)!r}")
    return Cron(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(day % 7 for day in weekdays),
        by_elapsed_time=texts[1].startswith("*"),
        either=either,
    )


def _values(field: _Field, text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(field, step_text) if slash else 1
        if step < 1:
            raise ValueError(f"{field.name} has a step that is not positive: {short(part)!r}")
        if span == "*":
            # Seven is Sunday too: with a step from Sunday it must not count twice.
            least, most = field.least, 6 if field.name == "weekday" else field.most
        else:
            first, dash, last = span.partition("-")
            least = _value(field, first)
            most = _value(field, last) if dash else field.most if slash else least
        if most < least:
            raise ValueError(f"{field.name} has a range that runs backwards: {short(part)!r}")
        found.update(range(least, most + 1, step))
    return found


def _value(field: _Field, text: str) -> int:
    if text in field.names:
        # Names of months count from one, those of weekdays from zero, as their fields do.
        return field.names.index(text) + field.least
    value = _number(field, text)
    if not field.least <= value <= field.most:
        raise ValueError(f"{field.name} must lie from {field.least} to {field.most}, not {value}")
    return value


def _number(field: _Field, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4):
        raise ValueError(f"{field.name} has {short(text)!r} where a number should be")
    return int(text)
