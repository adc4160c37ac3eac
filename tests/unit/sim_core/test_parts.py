"""Run times, places of models, and what a scenario says of itself."""

from random import Random

import pytest

from hasten_sim.placing import placed
from hasten_sim.runs import RunTimes, spec_of
from hasten_sim.scenario import BatchTimes, MeshShape, ModelShape, Noise, capacity_per_s
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
