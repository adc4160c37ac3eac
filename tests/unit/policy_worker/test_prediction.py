"""The predictor on streams of runs whose truth is known."""

from collections.abc import Callable
from random import Random

import pytest

from hasten_policy.prediction import PredictionPolicy, ServicePredictor
from hasten_policy.prediction.sorted_ring import SortedRing

SIZES = (1, 16, 64, 256)
ROWS = (1, 4, 16)


def encoder_s(rows: float, size: float) -> float:
    """An encoder of so many tokens a row: 2 ms, 0.3 ms a row and 60 us a token."""
    return 0.002 + 0.0003 * rows + 0.00006 * rows * size


def fixed_s(rows: float, size: float) -> float:
    """A model whose inputs are all of one size."""
    del size
    return 0.010 + 0.001 * rows


def profiled(
    run_s: Callable[[float, float], float],
    sizes: tuple[int, ...] = SIZES,
    rows: tuple[int, ...] = ROWS,
    *,
    lie: float = 1.0,
    **how: object,
) -> ServicePredictor:
    """A predictor with three load-time runs of each of these, told `lie` times too long."""
    runs = tuple((r, r * s, lie * run_s(r, s)) for s in sizes for r in rows for _ in range(3))
    return ServicePredictor(batch_max=32, profile=runs, **how)  # type: ignore[arg-type]  # a test's shorthand


# --- what the profile says ------------------------------------------------------------------


def test_what_was_measured_at_load_time_is_predicted() -> None:
    predictor = profiled(encoder_s)
    for size in SIZES:
        for rows in ROWS:
            assert predictor.typical_s(rows, size) == pytest.approx(encoder_s(rows, size), rel=0.03)
    assert predictor.usual_size == 40.0
    assert predictor.best_s == predictor.typical_s(1, 1.0)
    assert predictor.gamma_s == pytest.approx(0.00006, rel=0.05)


def test_sizes_between_those_measured_are_predicted() -> None:
    predictor = profiled(encoder_s)
    for size in (5, 24, 32, 100, 200):
        for rows in (2, 3, 6, 12):
            assert predictor.typical_s(rows, size) == pytest.approx(encoder_s(rows, size), rel=0.1)


def test_steps_of_a_model_of_one_size_are_followed() -> None:
    steps = {1: 0.010, 2: 0.010, 4: 0.010, 8: 0.010, 16: 0.030, 32: 0.030}
    predictor = profiled(lambda rows, _: steps[int(rows)], (1,), tuple(steps))
    for rows, seconds in steps.items():
        assert predictor.typical_s(rows, 1.0) == pytest.approx(seconds, rel=0.1)
    assert predictor.typical_s(8, 1.0) < predictor.typical_s(12, 1.0) < predictor.typical_s(16, 1.0)


def test_a_model_without_profile_and_runs_is_taken_for_the_policys_guess() -> None:
    predictor = ServicePredictor(batch_max=4, policy=PredictionPolicy(unknown_s=0.02))
    assert predictor.typical_s(1, 1.0) == pytest.approx(0.02)
    for _ in range(3):
        predictor.observe(1, 1.0, 0.5, now_s=0.0)
    assert predictor.typical_s(1, 1.0) == pytest.approx(0.5, rel=0.02)


def test_a_padded_batch_costs_what_its_padded_size_costs() -> None:
    profile = ((1, 1, 0.01), (4, 4, 0.02), (8, 8, 0.04)) * 3
    predictor = ServicePredictor(batch_max=8, batch_sizes=(1, 4, 8), profile=profile)
    assert [predictor.padded(rows) for rows in (1, 2, 4, 5, 8, 9)] == [1, 4, 4, 8, 8, 9]
    seconds = [predictor.typical_s(rows, 1.0) for rows in (1, 2, 4, 5, 8)]
    assert seconds == pytest.approx([0.01, 0.02, 0.02, 0.04, 0.04], rel=0.1)
    assert seconds[1] == seconds[2]
    assert seconds[3] == seconds[4]
    assert predictor.rows_within(0.03, 1.0, 0.5) == 4
    assert predictor.rows_within(0.001, 1.0, 0.5) == 0


# --- what runs say --------------------------------------------------------------------------


@pytest.mark.parametrize("lie", [0.001, 0.03, 30.0, 1000.0])
@pytest.mark.parametrize("size", [1, 24, 256])
@pytest.mark.parametrize("rows", [1, 5, 32])
def test_a_profile_that_lies_is_put_right_by_three_runs_of_any_size(
    lie: float, size: int, rows: int
) -> None:
    predictor = profiled(encoder_s, lie=lie)
    for run in range(3):
        predictor.observe(rows, size, encoder_s(rows, size), now_s=0.1 * run)
    for other_rows in (1, 4, 16):
        for other in (size, *SIZES):
            true_s = encoder_s(other_rows, other)
            assert predictor.typical_s(other_rows, other) == pytest.approx(true_s, rel=0.3)


def test_a_profile_that_never_saw_the_true_length_is_put_right() -> None:
    predictor = profiled(encoder_s, (1,))
    for run in range(5):
        predictor.observe(1, 32, encoder_s(1, 32), now_s=0.1 * run)
    assert predictor.typical_s(1, 32) == pytest.approx(encoder_s(1, 32), rel=0.1)
    for run in range(5):
        predictor.observe(8, 32, encoder_s(8, 32), now_s=1.0 + 0.1 * run)
    for rows in (1, 2, 4, 8, 16):
        assert predictor.typical_s(rows, 32) == pytest.approx(encoder_s(rows, 32), rel=0.35)


@pytest.mark.parametrize("factor", [0.01, 0.5, 2.0, 100.0])
def test_a_model_that_changes_its_speed_is_known_to_within_a_dozen_runs(factor: float) -> None:
    rng = Random(1)
    predictor = profiled(encoder_s)
    sizes = [(rng.randint(1, 32), rng.choice((8, 24, 64))) for _ in range(120)]
    for at, (rows, size) in enumerate(sizes):
        predictor.observe(rows, size, encoder_s(rows, size), now_s=0.01 * at)
    for at, (rows, size) in enumerate(sizes[:20]):
        predictor.observe(rows, size, factor * encoder_s(rows, size), now_s=2.0 + 0.01 * at)
    for rows, size in sizes:
        true_s = factor * encoder_s(rows, size)
        assert 1 / 1.3 < predictor.typical_s(rows, size) / true_s < 1.3, (rows, size)


def test_speeds_that_changed_with_the_size_leave_no_trace() -> None:
    """The small sizes were slow when they ran and the large ones quick: no one factor fits."""
    predictor = ServicePredictor(batch_max=32)
    for at in range(60):
        rows = (1, 2, 4)[at % 3]
        predictor.observe(rows, 1.0, 100 * fixed_s(rows, 1), now_s=0.01 * at)
    for at in range(20):
        rows = (8, 16)[at % 2]
        predictor.observe(rows, 1.0, fixed_s(rows, 1), now_s=1.0 + 0.01 * at)
    for rows in (8, 16):
        assert predictor.typical_s(rows, 1.0) == pytest.approx(fixed_s(rows, 1), rel=0.3)


def test_a_single_stall_moves_nothing() -> None:
    predictor = profiled(encoder_s)
    for run in range(100):
        predictor.observe(4, 24, encoder_s(4, 24), now_s=0.01 * run)
    before = [predictor.predict_s(4, 24, quantile) for quantile in (0.5, 0.75, 0.95)]
    predictor.observe(4, 24, 5.0, now_s=1.0)
    for run in range(8):
        predictor.observe(4, 24, encoder_s(4, 24), now_s=1.1 + 0.01 * run)
    after = [predictor.predict_s(4, 24, quantile) for quantile in (0.5, 0.75, 0.95)]
    assert after == pytest.approx(before)


def test_a_rare_size_is_remembered_through_any_number_of_common_ones() -> None:
    def bent_s(rows: int, size: int) -> float:
        return encoder_s(rows, size) * (3.0 if size > 100 else 1.0)

    predictor = profiled(encoder_s, (1, 24))
    for run in range(12):
        predictor.observe(1, 128, bent_s(1, 128), now_s=0.01 * run)
    for run in range(2000):
        predictor.observe(4, 24, bent_s(4, 24), now_s=1.0 + 0.01 * run)
    assert predictor.typical_s(1, 128) == pytest.approx(bent_s(1, 128), rel=0.1)


# --- the margin -----------------------------------------------------------------------------


def test_the_margin_is_a_fixed_one_until_there_are_runs_enough() -> None:
    predictor = profiled(encoder_s)
    assert predictor.factor(0.5) == 1.0
    assert predictor.factor(0.95) == predictor.factor(0.99) == 1.3
    assert 1.0 < predictor.factor(0.75) < 1.3
    for run in range(60):
        predictor.observe(4, 24, encoder_s(4, 24), now_s=0.01 * run)
    assert predictor.factor(0.95) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.2])
def test_about_the_promised_share_of_runs_is_within(sigma: float) -> None:
    rng = Random(f"{sigma}")
    predictor = profiled(encoder_s)
    within = {0.5: 0, 0.75: 0, 0.95: 0}
    runs = 3000
    for run in range(runs):
        rows, size = rng.randint(1, 16), rng.choice((8, 24, 64))
        seconds = encoder_s(rows, size) * rng.lognormvariate(0.0, sigma)
        for quantile in within:
            within[quantile] += seconds <= predictor.predict_s(rows, size, quantile)
        predictor.observe(rows, size, seconds, now_s=0.01 * run)
    assert within[0.5] / runs == pytest.approx(0.5, abs=0.1)
    assert within[0.75] / runs == pytest.approx(0.75, abs=0.1)
    # One ratio in fifty, the largest, is left out.
    assert 0.88 < within[0.95] / runs < 0.98


def test_the_margin_is_bounded_whatever_the_noise() -> None:
    rng = Random(3)
    predictor = profiled(encoder_s)
    for run in range(300):
        seconds = encoder_s(4, 24) * rng.lognormvariate(0.0, 2.0)
        predictor.observe(4, 24, seconds, now_s=0.01 * run)
    assert predictor.factor(0.999) <= 1.6


@pytest.mark.parametrize("lie", [0.001, 1000.0])
def test_predictions_that_were_wrong_once_do_not_widen_the_margin(lie: float) -> None:
    rng = Random(4)
    predictor = profiled(encoder_s, lie=lie)
    for run in range(60):
        rows = rng.choice((1, 4, 8))
        predictor.observe(rows, 24, encoder_s(rows, 24), now_s=0.01 * run)
    assert predictor.factor(0.95) <= 1.1


# --- unequal lengths ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_mixed_lengths_are_predicted_as_well_as_by_the_design(seed: int) -> None:
    """Seven lengths in one stream: 95 % of what was run took at most 1.5 times as predicted."""
    rng = Random(seed)
    predictor = profiled(encoder_s, lie=rng.choice((0.3, 1.0, 3.0)))
    ratios = []
    for run in range(600):
        size = rng.choice((8, 16, 24, 48, 64, 96, 128))
        rows = rng.choice((1, 1, 1, 2, 4))
        took_s = encoder_s(rows, size) * rng.lognormvariate(0.0, 0.15)
        if run >= 20:
            ratios.append(took_s / predictor.typical_s(rows, size))
        predictor.observe(rows, size, took_s, now_s=0.01 * run)
    ratios.sort()
    assert ratios[len(ratios) * 95 // 100] <= 1.5
    assert 0.9 <= ratios[len(ratios) // 2] <= 1.1
    assert ratios[len(ratios) * 5 // 100] >= 0.7


# --- sizes never run ------------------------------------------------------------------------


def test_work_beyond_the_largest_run_grows_by_half_of_what_proportion_would_say() -> None:
    predictor = ServicePredictor(batch_max=64)
    for run in range(20):
        predictor.observe(2, 100.0, 0.02, now_s=0.1 * run)
    one_s = predictor.typical_s(2, 100.0)
    assert one_s == pytest.approx(0.02, rel=0.01)
    assert predictor.typical_s(4, 100.0) <= 1.5 * one_s + 1e-9
    assert predictor.typical_s(1, 400.0) <= 1.5 * one_s + 1e-9


def test_batches_grow_to_twice_the_largest_run_and_no_further() -> None:
    predictor = ServicePredictor(batch_max=64)
    reached = 1
    for step in range(6):
        assert predictor.rows_within(1e9, 10.0, 0.95) == min(64, max(1, 2 * (step and reached)))
        reached = 1 << step
        for run in range(4):
            predictor.observe(reached, 10.0, fixed_s(reached, 10), now_s=step + 0.1 * run)


def test_what_the_profile_ran_counts_as_run() -> None:
    assert profiled(fixed_s, (1,)).rows_within(1e9, 1.0, 0.5) == 32
    assert profiled(fixed_s, (1,), (1, 4)).rows_within(1e9, 1.0, 0.5) == 8
    assert profiled(encoder_s).rows_within(1e9, 10_000.0, 0.5) == 1


# --- input that no model has ----------------------------------------------------------------


@pytest.mark.parametrize("size", [0.0, 1e-9, 1.0, 1e6, 1e15])
@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e6])
def test_sizes_and_times_that_make_no_sense_leave_numbers_that_do(
    size: float, seconds: float
) -> None:
    predictor = profiled(encoder_s)
    for run in range(50):
        predictor.observe(1 + run % 3, size, seconds, now_s=0.01 * run)
    for rows in (1, 3, 32, 500):
        for other in (1.0, 24.0, 1e9, 1e15):
            assert 0.0 < predictor.predict_s(rows, other, 0.95) < 1e30
    assert 0 <= predictor.rows_within(0.05, 24.0, 0.75) <= 32


def test_a_profile_without_elements_or_time_is_taken_as_it_comes() -> None:
    predictor = ServicePredictor(batch_max=8, profile=((1, 0, 0.0), (0, 0, 0.1), (4, 2, -1.0)))
    assert 0.0 < predictor.typical_s(1, 1.0) < 1.0


def test_a_ring_ranks_only_what_it_still_remembers() -> None:
    ring = SortedRing(3)
    for value in (9.0, 1.0, 5.0, 2.0):
        ring.add(value)
    assert [ring.ranked(rank) for rank in (0, 1, 2, 3, 9)] == [1.0, 1.0, 2.0, 5.0, 5.0]
    assert ring.median() == 2.0
    assert len(ring) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"band_runs_max": 0},
        {"drift_runs": 0},
        {"shift_runs": 0},
        {"shift_factor": 0.9},
        {"cold_factor": 0.9},
        {"factor_max": float("inf")},
        {"growth": 1.1},
        {"high_quantile": 0.5},
        {"unknown_s": 0.0},
        {"forget_s": float("nan")},
        {"rebuild_s": -0.1},
    ],
)
def test_a_parameter_that_makes_no_sense_stops_the_start(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PredictionPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_an_input_far_larger_than_any_before_is_not_predicted_to_take_ages() -> None:
    predictor = ServicePredictor(batch_max=8, profile=((1, 4, 0.001), (8, 32, 0.002)) * 3)
    for number in range(60):
        predictor.observe(1, 4.0, 0.001, now_s=0.1 * number)
    assert predictor.typical_s(1, 1e6) <= 0.01
    predictor.observe(1, 1e6, 0.9, now_s=7.0)
    assert predictor.typical_s(1, 1e6) > 0.05, "one run is heard"
    for number in range(3):
        predictor.observe(1, 1e6, 0.9, now_s=7.0 + number)
    assert predictor.typical_s(1, 1e6) > 0.3
    assert predictor.typical_s(1, 4.0) == pytest.approx(0.001, rel=0.1)
