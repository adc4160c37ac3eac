"""Every bundle in a whole mesh in virtual time: what is offered ends, and runs repeat."""

from collections.abc import Iterator
from random import Random

import pytest

from hasten_policy.registry import names, resolve
from hasten_sim.figures import Figures
from hasten_sim.scenario import (
    Arrival,
    BatchTimes,
    Fault,
    MeshShape,
    ModelShape,
    Noise,
    Scenario,
)
from hasten_sim.simulate import simulate

every_bundle = pytest.mark.parametrize("name", names("bundle"))
MODELS = tuple(ModelShape(f"m{n}", BatchTimes(0.005, 0.001), 8, noise=Noise(0.2)) for n in "ab")
RATE_PER_S = 2500.0
FOR_S = 0.8


def arrivals(seed: int) -> Iterator[Arrival]:
    """About twice what the mesh can do."""
    rng = Random(f"{seed}/arrivals")
    at_s = rng.expovariate(RATE_PER_S)
    while at_s < FOR_S:
        slack_s = rng.choice([0.03, 0.08, float("inf")])
        yield Arrival(at_s, rng.randrange(2), slack_s, rng.randrange(4), 0, 1, 100)
        at_s += rng.expovariate(RATE_PER_S)


def ran(name: str, seed: int, *, callers_leave: bool = True) -> Figures:
    scenario = Scenario(
        "small",
        FOR_S,
        0.0,
        MeshShape(routers=2, workers=2),
        MODELS,
        arrivals,
        faults=(Fault("crash", 0.4, 0.1, worker=1),),
        callers_leave=callers_leave,
    )
    return simulate(scenario, resolve(name), seed)


@every_bundle
@pytest.mark.parametrize("callers_leave", [True, False])
def test_all_that_is_offered_ends(name: str, callers_leave: bool) -> None:
    found = ran(name, 1, callers_leave=callers_leave)
    assert found.offered == sum(1 for _ in arrivals(1))
    ends = found.in_time + found.late + sum(found.refused.values()) + found.abandoned
    assert found.offered == ends
    assert found.in_time > 0
    if resolve(name).router.keeps_deadlines:
        assert found.executed_late == 0


@every_bundle
def test_the_same_seed_gives_the_same_figures_and_another_does_not(name: str) -> None:
    assert ran(name, 2) == ran(name, 2) != ran(name, 3)
