"""Grouping, goodput@99, what became of the requests, the headline."""

import pytest

from hasten_sim.points import Point
from hasten_sim.report import table
from hasten_sim.report.summary import summed_up
from hasten_sim.report.words import headline, number, percent
from hasten_sim.sweep import Job
from tests.unit.sim_report.runs import SMALL, figures, summary

SWEPT = summary(
    {
        "hasten": {0.5: (100, 100), 1.0: (100, 98), 2.0: (96, 96)},
        "dynamic": {0.5: (100, 100), 1.0: (60, 62), 2.0: (31, 31)},
    }
)


def test_runs_are_grouped_whatever_order_they_came_in() -> None:
    jobs = [Job(SMALL, "hasten", seed, Point(load=load)) for seed in (2, 1) for load in (2.0, 1.0)]
    runs = [figures(seed=job.seed, load=job.point.load) for job in jobs]
    found = summed_up(jobs, runs)
    assert [cell.load for cell in found.lines()["hasten"]] == [1.0, 2.0]
    assert found.seeds == (1, 2)


def test_goodput_at_99_is_of_the_offered_and_interpolated() -> None:
    hasten, dynamic = SWEPT.good_up_to()
    assert hasten.load == pytest.approx(1.0)
    assert hasten.goodput_per_s == pytest.approx(9.9)
    assert not hasten.whole_sweep
    # From 100 % at 0.5 to 61 % at 1.0: 99 % after one of 39 parts.
    assert dynamic.load == pytest.approx(0.5 + 0.5 / 39)


def test_goodput_at_99_says_when_the_sweep_ended_too_early() -> None:
    (one,) = summary({"hasten": {0.5: (100,), 1.0: (100,)}}).good_up_to()
    assert (one.load, one.whole_sweep) == (1.0, True)
    assert table.good_rows(summary({"a": {0.5: (100,), 1.0: (100,)}})) == [
        ("a", "1.00 or more", "10")
    ]


def test_without_a_sweep_of_the_load_there_is_no_goodput_at_99() -> None:
    assert summary({"hasten": {1.0: (90,)}}).good_up_to() == []


def test_refusals_count_as_misses_and_the_ends_add_up() -> None:
    (cell,) = summary({"hasten": {1.0: (90, 80)}}).cells
    assert cell.over_seeds("attainment").mean == pytest.approx(0.85)
    ends = cell.ends()
    assert ends["overloaded"] == pytest.approx(0.15)
    assert sum(ends.values()) == pytest.approx(1.0)


def test_the_headline_says_who_keeps_what() -> None:
    assert headline(SWEPT) == (
        "At 2\N{MULTIPLICATION SIGN} the capacity hasten keeps 96.0 % of the peak goodput; dynamic "
        "keeps 31 %. 99 % of the offered requests are in time: hasten up to "
        "1.00\N{MULTIPLICATION SIGN}; dynamic up to 0.51\N{MULTIPLICATION SIGN}."
    )


def test_the_headline_of_one_point_is_the_attainment() -> None:
    assert headline(summary({"hasten": {1.5: (66, 66)}})) == (
        "At 1.5\N{MULTIPLICATION SIGN} the capacity, hasten answers 66 % of the offered requests "
        "in time."
    )


def test_the_headline_of_a_sweep_of_workers_says_how_many_are_enough() -> None:
    jobs = [Job(SMALL, "hasten", 1, Point(workers=count)) for count in (1, 2, 3)]
    runs = [figures(in_time=good, offered=100) for good in (50, 99, 100)]
    found = summed_up(jobs, runs)
    assert found.axis == "workers"
    assert headline(found) == (
        "With 3 workers, hasten answers 100 % of the offered requests in time. 99 % are in time: "
        "hasten with 2 workers."
    )


def test_nothing_in_time_is_said_and_not_divided_by() -> None:
    assert "No request" in headline(summary({"hasten": {1.0: (0,), 2.0: (0,)}}))


def test_policies_are_compared_with_the_first_on_the_same_seeds() -> None:
    found = {each.point.load: each for each in SWEPT.comparisons()}
    assert found[0.5].attainment.verdict == "no difference"
    assert found[2.0].attainment.verdict == "worse"
    assert found[2.0].attainment.difference.mean == pytest.approx(-0.65)
    assert (
        "dynamic",
        "load 2",
        "hasten",
        "-65.0 ±0.0",
        "-6.5 ±0.0",
        "worse",
    ) in table.verdict_rows(SWEPT)


def test_the_terminal_gets_every_column_in_parts_that_fit_it() -> None:
    parts = table.parts(SWEPT)
    shown = [column for columns, _ in parts for column in columns if column not in {"policy", "at"}]
    assert sorted(shown) == sorted(table.COLUMNS[2:])
    for columns, rows in parts:
        widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
        assert sum(widths) + 2 * len(widths) <= 80


def test_two_swept_axes_make_a_line_for_each_value_of_the_shorter_one() -> None:
    jobs = [
        Job(SMALL, "hasten", 1, Point(load=load, workers=count))
        for load in (0.5, 1.0, 2.0)
        for count in (1, 2)
    ]
    found = summed_up(jobs, [figures(load=job.point.load) for job in jobs])
    assert list(found.lines()) == ["hasten, 1 workers", "hasten, 2 workers"]
    assert [cell.load for cell in found.lines()["hasten, 2 workers"]] == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.99961, "99.96 %"),
        (0.9951, "99.5 %"),
        (0.613, "61 %"),
        (0.97, "97.0 %"),
        (0.0004, "0.04 %"),
    ],
)
def test_percentages_read_as_people_say_them(share: float, said: str) -> None:
    assert percent(share) == said


def test_large_numbers_are_read_in_groups() -> None:
    assert number(12345.6) == "12\N{NARROW NO-BREAK SPACE}346"
    assert number(0.01234) == "0.0123"
