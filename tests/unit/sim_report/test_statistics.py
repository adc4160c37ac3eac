"""Means, intervals, comparisons, interpolation."""

import pytest

from hasten_sim.report.statistics import highest_x_with, interval, paired, t_quantile


def test_the_interval_is_students_of_the_seeds() -> None:
    found = interval([1.0, 2.0, 3.0, 4.0])
    # Mean 2.5, standard deviation 1.29099, t of 3 degrees 3.182: 3.182 * 1.29099 / 2.
    assert found.mean == 2.5
    assert found.half == pytest.approx(2.05398, abs=1e-4)
    assert (found.low, found.high) == pytest.approx((0.44602, 4.55398), abs=1e-4)


def test_one_seed_has_no_interval() -> None:
    found = interval([0.7])
    assert found.half is None
    assert found.as_json() == {"mean": 0.7, "low": None, "high": None}


@pytest.mark.parametrize(
    ("freedom", "t"), [(1, 12.706), (9, 2.262), (22, 2.086), (29, 2.060), (10**6, 1.962)]
)
def test_between_two_rows_of_the_table_the_wider_quantile_is_taken(freedom: int, t: float) -> None:
    assert t_quantile(freedom) == t


@pytest.mark.parametrize(
    ("ones", "others", "verdict"),
    [
        ([5.0, 6.0, 7.0], [1.0, 2.0, 3.1], "better"),
        ([1.0, 2.0, 3.1], [5.0, 6.0, 7.0], "worse"),
        ([1.0, 2.0, 3.0], [3.0, 1.0, 2.0], "no difference"),
        ([1.0, 2.0], [1.0, 2.0], "no difference"),
        ([9.0], [1.0], "one seed"),
    ],
)
def test_a_comparison_says_what_its_interval_allows(
    ones: list[float], others: list[float], verdict: str
) -> None:
    assert paired(ones, others).verdict == verdict


def test_pairs_show_what_two_means_apart_hide() -> None:
    # The seeds differ by 50, the policies by 1: unpaired intervals overlap widely.
    ones, others = [101.0, 51.1, 1.0], [100.0, 50.0, 0.1]
    assert interval(ones).low < interval(others).high
    assert paired(ones, others).verdict == "better"


@pytest.mark.parametrize(
    ("points", "x"),
    [
        ([(1.0, 1.0), (2.0, 0.98)], 1.5),
        ([(1.0, 1.0), (2.0, 0.99), (3.0, 0.5)], 2.0),
        ([(1.0, 1.0), (2.0, 1.0)], 2.0),
        ([(1.0, 0.5), (2.0, 0.4)], None),
        ([(1.0, 0.5), (2.0, 1.0), (3.0, 0.98)], 2.5),
        ([(1.0, 1.0), (2.0, 0.5), (3.0, 0.99)], 3.0),
    ],
)
def test_the_highest_good_load_is_interpolated(
    points: list[tuple[float, float]], x: float | None
) -> None:
    assert highest_x_with(points, 0.99) == (None if x is None else pytest.approx(x))
