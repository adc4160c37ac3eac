"""What holds of intervals, goodput@99, searches and axes, whatever the values."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hasten_sim.least import least_workers
from hasten_sim.report.axis import Scale, tick_text, ticks
from hasten_sim.report.statistics import highest_x_with, interval, paired
from hasten_sim.report.words import percent

values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)
shares = st.floats(0.0, 1.0)
curves = st.lists(shares, min_size=1, max_size=12).map(
    lambda ys: [(0.5 + 0.25 * index, y) for index, y in enumerate(ys)]
)


@given(values)
def test_an_interval_holds_its_mean_and_never_turns_over(found: list[float]) -> None:
    one = interval(found)
    assert one.half is not None
    assert one.half >= 0.0
    assert one.low <= one.mean <= one.high


@given(values, st.floats(-1e3, 1e3))
def test_an_interval_moves_with_its_values(found: list[float], by: float) -> None:
    one, moved = interval(found), interval([value + by for value in found])
    tolerance = 1e-6 * (1.0 + max(abs(value) for value in found))
    assert one.half is not None
    assert moved.half is not None
    assert abs(moved.mean - one.mean - by) <= tolerance
    assert abs(moved.half - one.half) <= 1e3 * tolerance


@given(values)
def test_a_policy_is_neither_better_nor_worse_than_itself(found: list[float]) -> None:
    assert paired(found, found).verdict == "no difference"


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=10))
def test_a_comparison_turned_round_says_the_opposite(pairs: list[tuple[float, float]]) -> None:
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    opposite = {"better": "worse", "worse": "better", "no difference": "no difference"}
    assert paired(others, ones).verdict == opposite[paired(ones, others).verdict]


@given(curves, st.floats(0.01, 1.0))
def test_the_highest_good_load_is_good_and_none_of_the_sweep_above_is(
    points: list[tuple[float, float]], least: float
) -> None:
    found = highest_x_with(points, least)
    if found is None:
        assert all(y < least for _, y in points)
        return
    assert points[0][0] <= found <= points[-1][0]
    assert all(y < least for x, y in points if x > found + 1e-9)


@given(curves, st.floats(0.01, 0.99), st.floats(0.0, 0.5))
def test_asking_for_more_never_gives_a_higher_load(
    points: list[tuple[float, float]], least: float, more: float
) -> None:
    strict = highest_x_with(points, min(1.0, least + more))
    loose = highest_x_with(points, least)
    assert strict is None or (loose is not None and strict <= loose + 1e-9)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 500))
def test_the_search_finds_the_least_number(need: int, first: int, most: int) -> None:
    found = least_workers(
        lambda workers: 1.0 if workers >= need else 0.5, 0.99, first=first, workers_max=most
    )
    assert found.workers == (need if need <= most else None)
    tried = [step.workers for step in found.steps]
    assert len(tried) == len(set(tried))
    assert len(tried) <= 20


@given(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9))
def test_ticks_span_the_values_evenly_and_read_apart(low: float, span: float) -> None:
    shown = ticks(0.0, span)
    assert shown[-1] >= span * (1 - 1e-9)
    assert 2 <= len(shown) <= 7
    texts = [tick_text(tick, shown) for tick in shown]
    assert len(set(texts)) == len(texts)
    shifted = ticks(low, low + max(span, low * 1e-3))
    assert shifted[0] <= low * (1 + 1e-9)
    assert all(b > a for a, b in pairwise(shifted))


@given(st.floats(-1e9, 1e9))
def test_nothing_is_drawn_outside_the_frame(value: float) -> None:
    assert 10.0 <= Scale(0.0, 1.0, 10.0, 90.0).at(value) <= 90.0


@given(shares)
def test_a_percentage_near_one_is_never_rounded_up(share: float) -> None:
    said = float(percent(share).removesuffix(" %"))
    if share >= 0.9:
        assert said <= share * 100 + 1e-6
    assert abs(said - share * 100) <= 0.5
