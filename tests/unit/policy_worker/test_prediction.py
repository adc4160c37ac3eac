"""The predictor on streams of runs whose truth is known."""

from random import Random

import pytest

from hasten_policy.prediction import PredictionPolicy, ServicePredictor
from hasten_policy.prediction.sorted_ring import SortedRing


def test_a_steady_model_is_trusted_from_its_load_time_runs_on() -> None:
    predictor = ServicePredictor(
        batch_max=1, profile=((1, 1, 0.3001), (1, 1, 0.3004), (1, 1, 0.3002))
    )
    assert 0.3 <= predictor.predict_s(1, 0.95) <= 1.03 * 0.3
    for _ in range(40):
        predictor.observe(1, 0.3002, now_s=0.0)
        assert 0.3 <= predictor.predict_s(1, 0.95) <= 1.03 * 0.3


def test_a_profile_too_thin_to_show_its_spread_is_met_with_caution() -> None:
    predictor = ServicePredictor(batch_max=4, profile=((1, 1, 0.1), (4, 4, 0.2), (4, 4, 0.2)))
    assert predictor.predict_s(1, 0.95) == pytest.approx(1.5 * predictor.predict_s(1, 0.5))


def test_a_noisy_profile_is_met_with_more_caution_than_a_steady_one() -> None:
    rng = Random(1)
    noisy = tuple((1, 1, 0.1 * rng.uniform(0.9, 1.1)) for _ in range(10))
    wild = tuple((1, 1, 0.1 * rng.uniform(0.2, 1.8)) for _ in range(10))
    factors = []
    for profile in (((1, 1, 0.1),) * 10, noisy, wild):
        predictor = ServicePredictor(batch_max=1, profile=profile)
        factors.append(predictor.predict_s(1, 0.95) / predictor.predict_s(1, 0.5))
    assert factors[0] == pytest.approx(1.02)
    assert factors[0] < factors[1] < factors[2] == pytest.approx(1.5)


def test_the_median_is_not_inflated_while_cold() -> None:
    predictor = ServicePredictor(batch_max=1, profile=((1, 1, 0.1),))
    assert predictor.predict_s(1, 0.5) == pytest.approx(0.1)


@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.6])
def test_the_promised_share_of_runs_stays_within_the_prediction(sigma: float) -> None:
    rng = Random(f"{sigma}")
    predictor = ServicePredictor(
        batch_max=32, profile=tuple((b, b, 0.01 + 0.001 * b) for b in (1, 8, 32))
    )
    within = {0.5: 0, 0.95: 0}
    runs = 6000
    for _ in range(runs):
        rows = rng.randint(1, 32)
        seconds = (0.01 + 0.001 * rows) * rng.lognormvariate(0.0, sigma)
        for quantile in within:
            within[quantile] += seconds <= predictor.predict_s(rows, quantile)
        predictor.observe(rows, seconds, now_s=0.0)
    assert within[0.95] / runs == pytest.approx(0.95, abs=0.01)
    assert within[0.5] / runs == pytest.approx(0.5, abs=0.08)


def test_the_share_is_kept_when_the_noise_grows_in_the_middle() -> None:
    rng = Random(5)
    predictor = ServicePredictor(batch_max=1, profile=((1, 1, 0.1),) * 5)
    within = 0
    for run in range(4000):
        seconds = 0.1 * (rng.lognormvariate(0.0, 0.4) if run >= 2000 else 1.0)
        within += run >= 2200 and seconds <= predictor.predict_s(1, 0.95)
        predictor.observe(1, seconds, now_s=0.0)
    assert within / 1800 == pytest.approx(0.95, abs=0.015)


def test_a_model_that_becomes_slower_is_known_to_be_after_a_few_runs() -> None:
    predictor = ServicePredictor(batch_max=1, profile=((1, 1, 0.1),) * 10)
    for _ in range(100):
        predictor.observe(1, 0.1, now_s=0.0)
    for _ in range(15):
        predictor.observe(1, 0.2, now_s=0.0)
    assert predictor.predict_s(1, 0.95) >= 0.2
    for _ in range(50):
        predictor.observe(1, 0.2, now_s=0.0)
    assert predictor.predict_s(1, 0.5) == pytest.approx(0.2)


def test_sizes_never_run_lie_on_the_line_through_the_others() -> None:
    profile = tuple((rows, rows, 0.01 + 0.001 * rows) for rows in (1, 2, 32) for _ in range(3))
    predictor = ServicePredictor(batch_max=64, profile=profile)
    for rows in (5, 16, 50, 64):
        assert predictor.predict_s(rows, 0.5) == pytest.approx(0.01 + 0.001 * rows)


def test_a_bucket_above_the_line_raises_its_neighbours_in_proportion() -> None:
    steps = {1: 0.010, 2: 0.010, 4: 0.010, 8: 0.010, 16: 0.030, 32: 0.030}
    predictor = ServicePredictor(
        batch_max=32, profile=tuple((b, b, s) for b, s in steps.items() for _ in range(3))
    )
    assert predictor.predict_s(16, 0.5) == pytest.approx(0.030)
    assert predictor.predict_s(9, 0.5) < predictor.predict_s(16, 0.5)


def test_a_padded_batch_costs_what_its_padded_size_costs() -> None:
    predictor = ServicePredictor(
        batch_max=8, batch_sizes=(1, 4, 8), profile=((1, 1, 0.01), (4, 4, 0.02), (8, 8, 0.04)) * 3
    )
    assert predictor.predict_s(2, 0.5) == predictor.predict_s(4, 0.5) == pytest.approx(0.02)
    assert predictor.predict_s(5, 0.5) == predictor.predict_s(8, 0.5) == pytest.approx(0.04)
    assert predictor.rows_within(0.03, 0.5) == 4
    assert predictor.rows_within(0.001, 0.5) == 0


def test_full_buckets_do_not_make_a_half_full_one_look_slow() -> None:
    predictor = ServicePredictor(
        batch_max=32, profile=tuple((b, b, 0.01 + 0.001 * b) for b in (1, 2, 4, 8, 16, 32))
    )
    for _ in range(200):
        predictor.observe(32, 0.042, now_s=0.0)
    assert predictor.predict_s(17, 0.5) == pytest.approx(0.027)


def test_a_model_without_profile_and_runs_is_taken_for_the_policys_guess() -> None:
    predictor = ServicePredictor(batch_max=4, policy=PredictionPolicy(unknown_s=0.02))
    assert predictor.predict_s(1, 0.5) == pytest.approx(0.02)
    predictor.observe(1, 0.5, now_s=0.0)
    assert predictor.predict_s(1, 0.5) == pytest.approx(0.5)


def test_a_slow_spell_that_nothing_confirms_is_forgotten() -> None:
    predictor = ServicePredictor(batch_max=1, profile=((1, 1, 0.1),) * 5)
    for _ in range(100):
        predictor.observe(1, 0.9, now_s=50.0)
    predictor.refresh(59.0)
    assert predictor.predict_s(1, 0.5) == pytest.approx(0.9)
    predictor.refresh(60.0)
    assert predictor.predict_s(1, 0.5) == pytest.approx(0.1)


def test_what_was_learned_to_be_faster_than_the_profile_is_kept() -> None:
    predictor = ServicePredictor(batch_max=1, profile=((1, 1, 0.1),) * 5)
    for _ in range(100):
        predictor.observe(1, 0.05, now_s=50.0)
    predictor.refresh(500.0)
    assert predictor.predict_s(1, 0.5) == pytest.approx(0.05)


def test_the_reported_line_of_a_model_without_batches_is_flat() -> None:
    predictor = ServicePredictor(batch_max=1, profile=((1, 1, 0.3),) * 3)
    assert predictor.line_s(0.95) == (predictor.predict_s(1, 0.95), 0.0)


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
        {"runs_max": 0},
        {"cold_factor_min": 0.9},
        {"cold_factor_min": 1.6},
        {"admission_quantile": 0.5},
        {"level_step": -0.1},
        {"unknown_s": 0.0},
        {"stale_s": float("nan")},
    ],
)
def test_a_parameter_that_makes_no_sense_stops_the_start(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PredictionPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose
