"""Times of cron expressions and periods, beside the standard library's calendar."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hasten_policy.scheduler.jobs.periods.civil import day_of, iso, number_of, time_us
from hasten_policy.scheduler.jobs.periods.cron import cron_of
from hasten_policy.scheduler.jobs.periods.rhythm import ByCron, Every, newest_us, times_us
from hasten_policy.scheduler.jobs.periods.zones import instant_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")


class Named:
    """A zone as the scheduler hands it in."""

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)

    def offset_s(self, at_s: int) -> int:
        offset = (EPOCH + timedelta(seconds=at_s)).astimezone(self._zone).utcoffset()
        assert offset is not None
        return round(offset.total_seconds())


def at(text: str) -> int:
    return round((datetime.fromisoformat(text) - EPOCH).total_seconds())


def times(expression: str, zone: str, begin: str, count: int) -> list[str]:
    rhythm = ByCron(cron_of(expression), Named(zone))
    found = times_us(rhythm, at(begin) * 1_000_000, 1 << 62, count)
    return [iso(each)[:16] for each in found]


# --- the calendar ------------------------------------------------------------------------


@given(st.integers(-700_000, 2_900_000))
@example(0)
def test_days_are_those_of_the_standard_library(number: int) -> None:
    try:
        there = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)
    except OverflowError:
        return
    day = day_of(number)
    assert day == (there.year, there.month, there.day, there.isoweekday() % 7)
    assert number_of(day.year, day.month, day.day) == number


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_are_written_as_rfc_3339_has_them(at_us: int) -> None:
    text = iso(at_us)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == EPOCH + timedelta(microseconds=at_us)
    assert time_us(text) == at_us


# --- expressions -------------------------------------------------------------------------


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    part = st.one_of(number.map(str), span, st.builds("{}/{}".format, span, st.integers(1, 9)))
    return st.one_of(
        st.just("*"),
        st.integers(1, 9).map("*/{}".format),
        st.lists(part, min_size=1, max_size=3).map(",".join),
    )


expressions = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(
    " ".join
)
# The weeks round the changes of the clocks of 2026, and any other.
instants = st.one_of(
    st.sampled_from(["2026-03-28T20:00Z", "2026-10-24T20:00Z", "2026-03-07T20:00Z"]).map(at),
    st.integers(at("2024-01-01T00:00Z"), at("2030-01-01T00:00Z")),
)


@given(expressions, st.sampled_from(ZONES), instants)
def test_the_next_time_matches_and_none_before_it_does(
    expression: str, zone: str, after_s: int
) -> None:
    named, cron = Named(zone), cron_of(expression)
    found = cron.next_s(after_s, named)
    assert found > after_s

    def matches(local_s: int) -> bool:
        there = EPOCH + timedelta(seconds=local_s)
        in_month, in_week = there.day in cron.days, there.isoweekday() % 7 in cron.weekdays
        return (
            there.minute in cron.minutes
            and there.hour in cron.hours
            and there.month in cron.months
            and (in_month or in_week if cron.either else in_month and in_week)
        )

    looked_at = range((after_s // 60 + 1) * 60, min(found, after_s + 86_400) + 1, 60)
    for minute_s in looked_at:
        local_s = minute_s + named.offset_s(minute_s)
        repeated = named.offset_s(minute_s - 7200) > named.offset_s(minute_s)
        if matches(local_s) and (cron.by_elapsed_time or not repeated):
            assert found == minute_s or found < minute_s
            break
    if cron.by_elapsed_time:
        assert matches(found + named.offset_s(found))


@given(st.sampled_from(ZONES), st.integers(at("2024-01-01T00:00Z"), at("2030-01-01T00:00Z")))
def test_a_local_time_is_found_again_where_there_is_one(zone: str, at_s: int) -> None:
    named = Named(zone)
    local_s = at_s + named.offset_s(at_s)
    found = instant_of(named, local_s)
    assert found <= at_s
    assert found + named.offset_s(found) == local_s


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("expression", "zone", "begin", "expected"),
    [
        # A local time that is skipped is the moment at which the clocks are put forward.
        ("30 2 * * *", BERLIN, "2026-03-28T02:00Z", "2026-03-29T01:00 2026-03-30T00:30"),
        # One that comes twice is the first of the two.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00Z", "2026-10-25T00:30 2026-10-26T01:30"),
        # By elapsed time: both hours, and none of the skipped one.
        ("30 */1 * * *", BERLIN, "2026-10-25T00:00Z", "2026-10-25T00:30 2026-10-25T01:30"),
        ("30 * * * *", BERLIN, "2026-03-29T00:00Z", "2026-03-29T00:30 2026-03-29T01:30"),
        ("0 */2 * * *", BERLIN, "2026-03-28T23:30Z", "2026-03-29T02:00 2026-03-29T04:00"),
        ("0 0 29 feb *", "UTC", "2096-03-01T00:00Z", "2104-02-29T00:00"),
        ("0 9 13 * fri", "UTC", "2026-12-05T00:00Z", "2026-12-11T09:00 2026-12-13T09:00"),
        ("0 0 * * 7", "UTC", "2026-12-01T00:00Z", "2026-12-06T00:00"),
        ("@monthly", "UTC", "2026-12-01T00:00Z", "2027-01-01T00:00"),
        ("59 23 31 12 *", "Asia/Kathmandu", "2026-12-01T00:00Z", "2026-12-31T18:14"),
    ],
)
def test_times_by_example(expression: str, zone: str, begin: str, expected: str) -> None:
    wanted = expected.split()
    assert times(expression, zone, begin, len(wanted)) == wanted


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("* * * *", "five fields"),
        ("@often", "five fields"),
        ("60 * * * *", "minute must lie from 0 to 59"),
        ("* * 0 * *", "day must lie from 1 to 31"),
        ("* * * jun-feb *", "month has a range that runs backwards"),
        ("*/0 * * * *", "step that is not positive"),
        ("* * * * moo", "weekday has 'moo' where a number should be"),
        ("1,,2 * * * *", "minute has '' where a number should be"),
        ("0 0 31 feb,apr *", "names a day that none of its months has"),
        ("² * * * *", "where a number should be"),
        ("* " * 200, "at most 256 characters"),
    ],
)
def test_what_is_no_expression_is_refused_by_name(expression: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cron_of(expression)


# --- rhythms -----------------------------------------------------------------------------

periods = st.integers(1, 10**12)
stamps = st.integers(0, 4 * 10**15)


@given(periods, st.integers(0, 10**12), stamps)
def test_times_of_a_period_are_the_same_for_whoever_asks(
    period_us: int, phase_us: int, after_us: int
) -> None:
    rhythm = Every(period_us, phase_us % period_us)
    found = rhythm.next_us(after_us)
    assert after_us < found <= after_us + period_us
    assert (found - phase_us) % period_us == 0
    assert rhythm.next_us(found - 1) == found


@given(expressions, st.sampled_from(ZONES), instants)
def test_no_two_times_are_closer_than_the_gap_where_the_clocks_stay(
    expression: str, zone: str, after_s: int
) -> None:
    rhythm = ByCron(cron_of(expression), Named("UTC" if zone != "Asia/Kathmandu" else zone))
    found = times_us(rhythm, after_s * 1_000_000, 1 << 62, 20)
    assert all(later - sooner >= rhythm.gap_us for sooner, later in pairwise(found))


@given(st.integers(1, 50), st.integers(0, 2000), st.integers(1, 20))
def test_the_newest_times_of_a_long_while_are_told(period_us: int, span_us: int, most: int) -> None:
    rhythm = Every(period_us)
    every = list(range(period_us, span_us + 1, period_us))
    found, all_of_them = newest_us(rhythm, 0, span_us, most)
    assert found == every[-most:]
    assert all_of_them == (len(every) <= most)
