"""What holds of every prediction."""

from random import Random

import hypothesis.strategies as st
from hypothesis import given

from hasten_policy.prediction import PredictionPolicy, ServicePredictor
from hasten_policy.prediction.curves import isotonic, line

runs = st.lists(st.tuples(st.integers(1, 32), st.floats(1e-4, 2.0)), max_size=120)
quantiles = st.floats(0.0, 1.0)


def _sized(history: list[tuple[int, float]]) -> list[tuple[int, int, float]]:
    return [(rows, rows, seconds) for rows, seconds in history]


def learned(history: list[tuple[int, float]], *, padding: bool = False) -> ServicePredictor:
    sizes = (1, 2, 4, 8, 16, 32) if padding else ()
    predictor = ServicePredictor(batch_max=32, batch_sizes=sizes, profile=_sized(history[:10]))
    for rows, seconds in history[10:]:
        predictor.observe(predictor.padded(rows), seconds, now_s=0.0)
    return predictor


@given(history=runs, quantile=quantiles, padding=st.booleans())
def test_more_rows_never_take_less_time(
    history: list[tuple[int, float]], quantile: float, padding: bool
) -> None:
    predictor = learned(history, padding=padding)
    seconds = [predictor.predict_s(rows, quantile) for rows in range(1, 40)]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0.0


@given(history=runs, rows=st.integers(1, 32), low=quantiles, high=quantiles)
def test_a_higher_quantile_never_promises_less_time(
    history: list[tuple[int, float]], rows: int, low: float, high: float
) -> None:
    predictor = learned(history)
    low, high = sorted((low, high))
    assert predictor.predict_s(rows, low) <= predictor.predict_s(rows, high)


@given(history=runs, budget_s=st.floats(0.0, 5.0), quantile=quantiles, padding=st.booleans())
def test_the_rows_that_fit_a_budget_are_as_many_as_can_be(
    history: list[tuple[int, float]], budget_s: float, quantile: float, padding: bool
) -> None:
    predictor = learned(history, padding=padding)
    fitting = predictor.rows_within(budget_s, quantile)
    brute = max(
        (rows for rows in range(1, 33) if predictor.predict_s(rows, quantile) <= budget_s),
        default=0,
    )
    # The budget is divided by the factor rather than the prediction multiplied by it.
    near = {predictor.rows_within(budget_s * (1.0 + tiny), quantile) for tiny in (-1e-9, 1e-9)}
    assert fitting == brute or brute in near


@given(history=runs, quantile=quantiles)
def test_the_reported_line_meets_one_row_and_the_full_batch(
    history: list[tuple[int, float]], quantile: float
) -> None:
    predictor = learned(history)
    alpha_s, beta_s = predictor.line_s(quantile)
    assert alpha_s >= 0.0
    assert beta_s >= 0.0
    full_s = predictor.predict_s(32, quantile)
    assert abs(alpha_s + 32 * beta_s - full_s) <= 1e-9 * full_s or alpha_s == 0.0
    assert alpha_s + beta_s >= predictor.predict_s(1, quantile) - 1e-9


@given(history=runs, order=st.randoms(use_true_random=False))
def test_the_order_of_the_load_time_profile_does_not_matter(
    history: list[tuple[int, float]], order: Random
) -> None:
    shuffled = order.sample(history, len(history))
    policy = PredictionPolicy(runs_max=200)
    one = ServicePredictor(batch_max=32, profile=_sized(history), policy=policy)
    other = ServicePredictor(batch_max=32, profile=_sized(shuffled), policy=policy)
    for rows in (1, 3, 17, 32):
        assert one.predict_s(rows, 0.95) == other.predict_s(rows, 0.95)


@given(
    points=st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(0.5, 9.0)), min_size=1, max_size=12)
)
def test_the_staircase_rises_and_keeps_the_weighted_sum(points: list[tuple[float, float]]) -> None:
    values = [value for value, _ in points]
    weights = [weight for _, weight in points]
    fitted = isotonic(values, weights)
    assert fitted == sorted(fitted)
    total = sum(value * weight for value, weight in points)
    assert abs(sum(map(float.__mul__, fitted, weights)) - total) <= 1e-9 * total
    assert isotonic(fitted, weights) == fitted


@given(alpha=st.floats(1e-6, 1.0), beta=st.floats(1e-6, 0.1))
def test_points_on_a_line_give_that_line(alpha: float, beta: float) -> None:
    xs = [1.0, 2.0, 8.0, 32.0]
    found_alpha, found_beta = line(xs, [alpha + beta * x for x in xs])
    for x in xs:
        assert abs(found_alpha + found_beta * x - alpha - beta * x) <= 1e-6 * (alpha + beta * x)
