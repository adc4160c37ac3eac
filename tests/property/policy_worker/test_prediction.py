"""What holds of every prediction."""

from math import isfinite
from random import Random

import hypothesis.strategies as st
from hypothesis import example, given

from hasten_policy.prediction import PredictionPolicy, ServicePredictor
from hasten_policy.prediction.curve import Curve, grid, rising
from hasten_policy.prediction.fit import Fit
from hasten_policy.prediction.memory import Memory
from hasten_policy.prediction.plane import Plane, Point, fit
from hasten_policy.prediction.run import Run, band_of
from hasten_policy.prediction.spread import Spread

ROWS_MAX = 32
History = list[tuple[int, float, float]]
"""(rows, elements per row, seconds)."""

sizes = st.sampled_from([1.0, 3.0, 24.0, 64.0, 1000.0])
runs = st.lists(st.tuples(st.integers(1, ROWS_MAX), sizes, st.floats(1e-6, 1e3)), max_size=120)
weird = st.lists(
    st.tuples(st.integers(1, 1000), st.floats(0.0, 1e12), st.floats(-1.0, 1e7)), max_size=60
)
quantiles = st.floats(0.0, 1.0)


def true_s(rows: int, size: float) -> float:
    """A model of 2 ms, 0.3 ms a row and 60 us an element."""
    return 0.002 + 0.0003 * rows + 0.00006 * rows * size


def learned(history: History, *, padding: bool = False) -> ServicePredictor:
    """The first ten are of the load-time profile."""
    profile = [(rows, int(rows * size), seconds) for rows, size, seconds in history[:10]]
    predictor = ServicePredictor(
        batch_max=ROWS_MAX, batch_sizes=(1, 2, 4, 8, 16, 32) if padding else (), profile=profile
    )
    for at, (rows, size, seconds) in enumerate(history[10:]):
        predictor.observe(predictor.padded(rows), size, seconds, now_s=0.01 * at)
    return predictor


@given(history=runs, size=sizes, quantile=quantiles, padding=st.booleans())
def test_more_rows_never_take_less_time(
    history: History, size: float, quantile: float, padding: bool
) -> None:
    predictor = learned(history, padding=padding)
    seconds = [predictor.predict_s(rows, size, quantile) for rows in range(1, 40)]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0.0


@given(history=runs, rows=st.integers(1, 32), size=sizes, low=quantiles, high=quantiles)
def test_a_higher_quantile_never_promises_less_time(
    history: History, rows: int, size: float, low: float, high: float
) -> None:
    predictor = learned(history)
    low, high = sorted((low, high))
    assert predictor.predict_s(rows, size, low) <= predictor.predict_s(rows, size, high)
    typical_s = predictor.typical_s(rows, size)
    assert typical_s <= predictor.predict_s(rows, size, low)
    assert predictor.predict_s(rows, size, high) <= 1.6 * typical_s


@given(
    history=runs,
    size=sizes,
    budget_s=st.floats(0.0, 5.0),
    quantile=quantiles,
    padding=st.booleans(),
)
def test_the_rows_that_fit_a_budget_are_as_many_as_can_be(
    history: History, size: float, budget_s: float, quantile: float, padding: bool
) -> None:
    predictor = learned(history, padding=padding)
    fitting = predictor.rows_within(budget_s, size, quantile)
    cap = predictor.curve(size).rows_cap
    brute = max(
        (
            rows
            for rows in range(1, cap + 1)
            if predictor.predict_s(rows, size, quantile) <= budget_s
        ),
        default=0,
    )
    # The budget is divided by the factor rather than the prediction multiplied by it.
    near = {
        predictor.rows_within(budget_s * (1.0 + tiny), size, quantile) for tiny in (-1e-9, 1e-9)
    }
    assert fitting == brute or brute in near


@given(history=runs, size=sizes)
def test_no_batch_is_formed_of_more_than_twice_the_most_work_that_ran(
    history: History, size: float
) -> None:
    predictor = learned(history)
    most = max((rows * each for rows, each, _ in history), default=0.0)
    rows = predictor.rows_within(1e12, size, 0.5)
    assert rows == 1 or rows * size <= 2.0 * most


@given(history=runs, size=sizes)
def test_beyond_the_most_work_that_ran_twice_the_rows_cost_at_most_half_as_much_again(
    history: History, size: float
) -> None:
    predictor = learned(history)
    most = max((rows * each for rows, each, _ in history), default=0.0)
    for rows in (1, 2, 4, 8, 16):
        if rows * size >= most > 0.0:
            twice_s = predictor.typical_s(2 * rows, size)
            assert twice_s <= (2.0 + 1e-9) * predictor.typical_s(rows, size)
            if rows * size == most:
                assert twice_s <= (1.5 + 1e-9) * predictor.typical_s(rows, size)


@given(history=weird, profile=weird, rows=st.integers(1, 2000), size=st.floats(1.0, 1e15))
def test_whatever_was_measured_a_prediction_is_a_number(
    history: History, profile: History, rows: int, size: float
) -> None:
    predictor = ServicePredictor(
        batch_max=ROWS_MAX,
        profile=[(each, int(elements), seconds) for each, elements, seconds in profile],
    )
    for at, (each, elements, seconds) in enumerate(history):
        predictor.observe(each, elements, seconds, now_s=0.01 * at)
    for quantile in (0.5, 0.95):
        seconds = predictor.predict_s(rows, size, quantile)
        assert isfinite(seconds)
        assert seconds > 0.0
    assert 0 <= predictor.rows_within(0.05, size, 0.75) <= ROWS_MAX


@given(history=runs, order=st.randoms(use_true_random=False))
def test_the_order_of_the_load_time_profile_does_not_matter(
    history: History, order: Random
) -> None:
    profile = [(rows, int(rows * size), seconds) for rows, size, seconds in history]
    one = ServicePredictor(batch_max=ROWS_MAX, profile=profile)
    other = ServicePredictor(batch_max=ROWS_MAX, profile=order.sample(profile, len(profile)))
    for rows in (1, 3, 17, 32):
        assert one.predict_s(rows, 24.0, 0.95) == other.predict_s(rows, 24.0, 0.95)


# --- whatever came before ---------------------------------------------------------------------

speeds = st.floats(-2.0, 2.0).map(lambda power: 10.0**power)
pasts = st.lists(
    st.tuples(speeds, st.integers(1, 40), st.sampled_from([0.0, 0.2, 0.5])), max_size=6
)
"""(speed, runs, noise) one after the other."""
lies = st.floats(-3.0, 3.0).map(lambda power: 10.0**power)
profiles = st.sampled_from([(), (1,), (1, 16, 64, 256)])


def after(
    past: list[tuple[float, int, float]], measured: tuple[int, ...], lie: float, rng: Random
) -> ServicePredictor:
    """A predictor whose profile lies and whose model was of many speeds, in any sizes."""
    predictor = ServicePredictor(
        batch_max=ROWS_MAX,
        profile=[
            (rows, rows * size, lie * true_s(rows, size))
            for size in measured
            for rows in (1, 4, 16)
        ],
    )
    at_s = 0.0
    for speed, count, noise in past:
        for _ in range(count):
            rows, size = rng.randint(1, ROWS_MAX), rng.choice((1, 8, 24, 64, 128))
            took_s = speed * true_s(rows, size) * rng.lognormvariate(0.0, noise)
            predictor.observe(rows, size, took_s, now_s=at_s)
            at_s += rng.choice((0.0001, 0.01, 1.0))
    return predictor


@given(
    past=pasts,
    measured=profiles,
    lie=lies,
    speed=speeds,
    ran=st.tuples(st.integers(1, ROWS_MAX), st.sampled_from([1, 8, 24, 64, 128])),
    rng=st.integers(0, 10**6).map(Random),
)
@example(
    past=[(1.0, 33, 0.0), (31.6, 22, 0.0)],
    measured=(),
    lie=1.0,
    speed=1.0,
    ran=(4, 1),
    rng=Random(0),
)
@example(
    past=[(1.0, 3, 0.0), (1.0, 40, 0.0), (100.0, 37, 0.2)],
    measured=(1,),
    lie=1.0,
    speed=0.01,
    ran=(6, 8),
    rng=Random(6038),
)
def test_after_twenty_runs_at_a_new_speed_the_prediction_is_near_it_whatever_came_before(
    past: list[tuple[float, int, float]],
    measured: tuple[int, ...],
    lie: float,
    speed: float,
    ran: tuple[int, int],
    rng: Random,
) -> None:
    predictor = after(past, measured, lie, rng)
    rows, size = ran
    wanted_s = speed * true_s(rows, size)
    for run in range(20):
        predictor.observe(rows, size, wanted_s, now_s=1000.0 + 0.01 * run)
    assert wanted_s / 1.3 <= predictor.typical_s(rows, size) <= 1.3 * wanted_s
    # And what was true of others before does not widen the margin.
    assert predictor.predict_s(rows, size, 0.95) <= 1.3 * 1.3 * wanted_s


@given(
    lie=lies,
    measured=profiles,
    rows=st.integers(1, ROWS_MAX),
    size=st.sampled_from([1, 8, 24, 64, 128]),
)
def test_a_profile_that_lies_is_put_right_by_five_runs_of_any_one_size(
    lie: float, measured: tuple[int, ...], rows: int, size: int
) -> None:
    predictor = after([], measured, lie, Random(0))
    for run in range(5):
        predictor.observe(rows, size, true_s(rows, size), now_s=0.1 * run)
    ratio = predictor.typical_s(rows, size) / true_s(rows, size)
    assert 1 / 1.5 <= ratio <= 1.5


@given(
    past=pasts,
    rows=st.integers(1, ROWS_MAX),
    size=sizes,
    stall_s=st.floats(1.0, 1e4),
    rng=st.integers(0, 10**6).map(Random),
)
def test_one_stall_moves_nothing_that_is_well_known(
    past: list[tuple[float, int, float]], rows: int, size: float, stall_s: float, rng: Random
) -> None:
    predictor = after(past, (1, 16, 64), 1.0, rng)
    at_s = 1000.0
    for _ in range(60):
        at_s += 0.01
        predictor.observe(rows, size, true_s(rows, size), now_s=at_s)
    before_s = predictor.predict_s(rows, size, 0.95)
    predictor.observe(rows, size, stall_s, now_s=at_s)
    for _ in range(20):
        at_s += 0.01
        assert predictor.predict_s(rows, size, 0.95) <= 1.05 * before_s
        predictor.observe(rows, size, true_s(rows, size), now_s=at_s)


# --- parts ------------------------------------------------------------------------------------

points = st.lists(
    st.builds(
        Point,
        rows=st.integers(1, 64).map(float),
        size=sizes,
        seconds=st.floats(1e-6, 1e4),
        weight=st.floats(0.5, 16.0),
    ),
    min_size=1,
    max_size=20,
)


@given(points)
def test_no_part_of_the_plane_is_negative_and_no_batch_costs_nothing(found: list[Point]) -> None:
    plane = fit(found)
    assert min(plane.alpha, plane.beta, plane.gamma) >= 0.0
    assert plane.alpha > 0.0
    assert plane.floor == min(point.size for point in found)
    assert all(isfinite(plane.at(point.rows, point.size)) for point in found)


@given(
    alpha=st.floats(1e-4, 1.0),
    beta=st.floats(1e-5, 0.1),
    gamma=st.floats(1e-6, 1e-3),
)
def test_points_on_a_plane_give_that_plane(alpha: float, beta: float, gamma: float) -> None:
    exact = Plane(alpha, beta, gamma, 8.0)
    found = fit(
        [
            Point(rows, size, exact.at(rows, size), 16.0)
            for rows in (1.0, 4.0, 16.0)
            for size in (8.0, 32.0, 128.0)
        ]
    )
    for rows in (1.0, 2.0, 16.0):
        for size in (4.0, 8.0, 64.0, 128.0):
            wanted_s = exact.at(rows, size)
            assert abs(found.at(rows, size) - wanted_s) <= 0.02 * wanted_s


@given(st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(0.5, 9.0)), min_size=1, max_size=12))
def test_the_staircase_rises_and_keeps_the_weighted_sum(
    pairs: list[tuple[float, float]],
) -> None:
    values = [value for value, _ in pairs]
    weights = [weight for _, weight in pairs]
    fitted = rising(values, weights)
    assert fitted == sorted(fitted)
    total = sum(value * weight for value, weight in pairs)
    assert abs(sum(map(float.__mul__, fitted, weights)) - total) <= 1e-9 * total
    assert rising(fitted, weights) == fitted


@given(
    st.integers(1, 300),
    st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=20),
    st.floats(0.0, 20.0),
)
def test_a_curve_says_the_same_in_both_directions(
    batch_max: int, seconds: list[float], budget_s: float
) -> None:
    rows = grid(batch_max)
    assert list(rows) == sorted(set(rows))
    assert (rows[0], rows[-1]) == (1, batch_max)
    values = sorted((seconds * len(rows))[: len(rows)])
    curve = Curve(rows, values, batch_max, padded=False)
    assert [curve.seconds(each) for each in rows] == values
    fitting = curve.rows_within(budget_s)
    if fitting:
        assert curve.seconds(fitting) <= budget_s
    if fitting < batch_max:
        assert curve.seconds(fitting + 1) > budget_s * (1.0 - 1e-9)


ran = st.builds(
    Run, rows=st.integers(1, 64), size=sizes, seconds=st.floats(1e-6, 10.0), at_s=st.just(0.0)
)


@given(st.lists(ran, max_size=300))
def test_a_band_remembers_its_newest_runs_whatever_else_runs(history: list[Run]) -> None:
    policy = PredictionPolicy()
    memory = Memory(policy)
    for run in history:
        memory.add(run)
    for band, kept in memory.bands.items():
        own = [run for run in history if band_of(run.work) == band]
        assert list(kept) == own[-policy.band_runs_max :]
    assert memory.count == len(history)
    assert list(memory.recent) == history[-policy.spread_runs_max :]


@given(st.lists(ran, min_size=8, max_size=60), st.lists(st.booleans(), min_size=8, max_size=8))
def test_a_shift_tells_what_was_before_at_the_new_speed_or_forgets_it(
    history: list[Run], new: list[bool]
) -> None:
    for factor in (0.0, 3.0):
        memory = Memory(PredictionPolicy())
        for run in history:
            memory.add(run)
        memory.shift(factor, new)
        wanted = []
        for run, is_new in zip(history, [False] * (len(history) - 8) + new, strict=True):
            if is_new:
                wanted.append(run)
            elif factor:
                wanted.append(run._replace(seconds=run.seconds * factor))
        assert list(memory.recent) == wanted
        assert sum(map(len, memory.bands.values())) <= len(wanted)
        assert all(memory.bands.values())


@given(st.lists(ran, max_size=128), quantiles, quantiles)
def test_the_margin_rises_with_the_quantile_within_its_bounds(
    history: list[Run], low: float, high: float
) -> None:
    spread = Spread(history, Fit(Plane(0.001, 0.001, 0.0, 1.0), (), 1.0), PredictionPolicy(), 0.0)
    low, high = sorted((low, high))
    assert 1.0 <= spread.factor(low) <= spread.factor(high) <= 1.6
