"""The workload files that come with Hasten."""

from itertools import islice

import pytest

from hasten_policy.registry import PolicySet
from hasten_sim.simulate import simulate
from hasten_sim.workload import load
from tests.unit.sim_workload.texts import WORKLOADS

NAMES = sorted(path.stem for path in WORKLOADS.glob("*.toml"))
SMALL = sorted(set(NAMES) - {"scale"})


def test_the_files_are_there() -> None:
    assert len(NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_named_described_and_says_what_to_compare(name: str) -> None:
    path = WORKLOADS / f"{name}.toml"
    found = load(path)
    assert found.name == name
    assert found.description
    assert found.policies[0] == "hasten"
    first, second = path.read_text().splitlines()[:2]
    assert first.startswith("# ")
    assert second.startswith("# ")


@pytest.mark.parametrize("name", SMALL)
def test_a_file_runs(name: str) -> None:
    figures = simulate(load(WORKLOADS / f"{name}.toml").scenario(duration_s=0.25), PolicySet(), 1)
    assert figures.offered > 0
    assert figures.in_time > 0


def test_the_largest_begins() -> None:
    scenario = load(WORKLOADS / "scale.toml").scenario()
    assert (scenario.mesh.workers, len(scenario.models)) == (1000, 4000)
    # One in a hundred more than ten million, so that no seed brings fewer.
    assert scenario.offered_per_s * scenario.duration_s == pytest.approx(1.01e7)
    first = list(islice(scenario.arrivals(1), 1000))
    assert len({arrival.model for arrival in first}) > 100
