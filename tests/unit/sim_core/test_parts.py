"""Run times, places of models, and what a scenario says of itself."""

from math import exp
from random import Random
from typing import get_args

import pytest

from hasten_sim.lengths import ONE, choices, lognormal
from hasten_sim.placing import placed
from hasten_sim.runs import RunTimes, spec_of
from hasten_sim.scenario import (
    BatchTimes,
    MeshShape,
    ModelShape,
    Noise,
    ProfiledAt,
    capacity_per_s,
)
from tests.unit.sim_core.shapes import MODEL, OTHER, scenario


def test_measured_points_are_met_between_them_is_a_line_and_beyond_it_grows_in_proportion() -> None:
    times = BatchTimes(points=((1, 0.01), (4, 0.02), (8, 0.04)))
    assert [times.seconds(rows) for rows in (1, 4, 8)] == [0.01, 0.02, 0.04]
    assert times.seconds(2) == pytest.approx(0.01 + 0.01 / 3)
    assert times.seconds(16) == pytest.approx(0.08)
    assert BatchTimes(0.01, 0.001).seconds(5) == pytest.approx(0.015)


def test_noise_keeps_the_mean_and_has_the_spread_that_was_asked_for() -> None:
    shape = ModelShape("m", BatchTimes(0.01), noise=Noise(cv=0.5))
    times = RunTimes(shape, 2.0, Random(1))
    runs = [times.seconds(1) for _ in range(20_000)]
    mean = sum(runs) / len(runs)
    assert mean == pytest.approx(0.005, rel=0.02), "twice as fast"
    spread = (sum((run - mean) ** 2 for run in runs) / len(runs)) ** 0.5
    assert spread / mean == pytest.approx(0.5, rel=0.05)


def test_a_tail_is_as_frequent_and_as_long_as_asked_for() -> None:
    shape = ModelShape("m", BatchTimes(0.01), noise=Noise(tail_share=0.1, tail_factor=5.0))
    times = RunTimes(shape, 1.0, Random(1))
    runs = [times.seconds(1) for _ in range(10_000)]
    long = sum(run > 0.04 for run in runs)
    assert long / len(runs) == pytest.approx(0.1, abs=0.01)


def test_a_biased_profile_is_told_to_the_machine_and_not_to_the_runs() -> None:
    shape = ModelShape("m", BatchTimes(0.01), batch_max=4, profiled_factor=0.5)
    times = RunTimes(shape, 1.0, Random(1))
    spec = spec_of(times, MeshShape())
    assert [rows for rows, _, _ in spec.profile][-1] == 4
    assert all(0.0 < seconds < 0.006 for _, _, seconds in spec.profile)
    assert times.seconds(1) == pytest.approx(0.01)


def test_replicas_go_round_the_workers_and_memory_is_kept() -> None:
    models = tuple(
        ModelShape(f"m{number}", BatchTimes(0.01), replicas=2, memory_mb=100.0)
        for number in range(4)
    )
    held = placed(scenario(models=models, workers=4, memory_mb=200.0))
    assert sorted(number for each in held for number in each) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert all(len(each) == 2 for each in held)
    with pytest.raises(ValueError, match="'m0' needs 100"):
        placed(scenario(models=models, workers=4, memory_mb=50.0))


def test_capacity_is_full_batches_on_every_lane() -> None:
    mesh = MeshShape(workers=2, lanes=3, speeds=(1.0, 2.0))
    assert capacity_per_s(mesh, (MODEL,)) == pytest.approx(3 * 3.0 * 8 / 0.018)
    both = capacity_per_s(mesh, (MODEL, OTHER))
    busy_s = 0.5 * 0.018 / 8 + 0.5 * 0.02 / 8
    assert both == pytest.approx(3 * 3.0 / busy_s)


def test_a_batch_takes_longer_by_its_elements_and_by_the_square_of_its_lengths() -> None:
    times = BatchTimes(0.002, 0.0001, element_s=0.00001, square_s=0.000001)
    assert times.seconds(4, 10) == pytest.approx(0.002 + 4 * (0.0001 + 0.0001 + 0.0001))
    assert times.seconds(4) == pytest.approx(0.002 + 4 * 0.000111)
    shape = ModelShape("m", times, lengths=choices(((10, 3.0), (30, 1.0))))
    mean_s = (3 * times.seconds(4, 10) + times.seconds(4, 30)) / 4
    assert shape.mean_s(4) == pytest.approx(mean_s)


def test_lengths_are_cut_counted_once_and_keep_their_mean() -> None:
    lengths = lognormal(100.0, 1.0, 10_000)
    assert lengths.mean() == pytest.approx(100.0, rel=0.03)
    assert [length for length, _ in lengths.choices] == sorted({n for n, _ in lengths.choices})
    assert max(length for length, _ in lognormal(100.0, 1.0, 128).choices) == 128
    assert lognormal(64.4, 0.0, 512) == choices(((64, 200.0),))
    assert choices(((8, 1.0), (4, 2.0), (8, 1.0))).choices == ((4, 2.0), (8, 2.0))
    assert lengths.some(3)[0] == lengths.choices[0][0]
    assert lengths.some(3)[-1] == lengths.choices[-1][0]
    assert ONE.some(4) == (1,)


def test_drift_is_forgotten_exponentially_and_keeps_its_mean_and_spread() -> None:
    shape = ModelShape("m", BatchTimes(0.01), noise=Noise(drift_cv=0.3, drift_s=2.0))
    times = RunTimes(shape, 1.0, Random(1), Random(2))
    runs = [times.seconds(1, 1, 0.5 * number) for number in range(40_000)]
    mean = sum(runs) / len(runs)
    assert mean == pytest.approx(0.01, rel=0.03)
    spread = sum((run - mean) ** 2 for run in runs) / len(runs)
    assert spread**0.5 / mean == pytest.approx(0.3, rel=0.08)
    for steps in (1, 4):
        together = zip(runs, runs[steps:], strict=False)
        covariance = sum((one - mean) * (two - mean) for one, two in together) / len(runs)
        assert covariance / spread == pytest.approx(exp(-0.25 * steps), abs=0.06)


def test_stalls_meet_what_runs_then_and_nothing_else() -> None:
    shape = ModelShape("m", BatchTimes(0.01), noise=Noise(stall_every_s=1.0, stall_s=0.05))
    times = RunTimes(shape, 1.0, Random(1), Random(2))
    # Busy for a tenth of the time: a tenth of the stalls meet a run.
    runs = [times.seconds(1, 1, 0.1 * number) for number in range(50_000)]
    stalled = [run for run in runs if run > 0.02]
    assert len(stalled) == pytest.approx(0.01 * len(runs), rel=0.2)
    assert {round(run, 3) for run in runs} <= {0.01, 0.06, 0.11, 0.16}


def test_noise_without_a_course_draws_nothing_from_it() -> None:
    course = Random(2)
    before = course.getstate()
    RunTimes(ModelShape("m", BatchTimes(0.01), noise=Noise(cv=0.3)), 1.0, Random(1), course)
    assert course.getstate() == before


def test_a_profile_is_made_with_the_lengths_with_length_1_or_not_at_all() -> None:
    times = BatchTimes(0.01, element_s=0.001)
    lengths = choices(((8, 1.0), (16, 1.0)))
    found = {
        at: RunTimes(
            ModelShape("m", times, batch_max=2, profiled_at=at, lengths=lengths), 1.0, Random(1)
        ).profile()
        for at in get_args(ProfiledAt)
    }
    assert found["never"] == ()
    assert set(found["length_1"]) == {(1, 1, 0.011), (2, 2, 0.012)}
    assert {(rows, elements) for rows, elements, _ in found["lengths"]} == {
        (1, 8),
        (2, 16),
        (1, 16),
        (2, 32),
    }
    assert all(seconds == times.seconds(rows, n // rows) for rows, n, seconds in found["lengths"])
