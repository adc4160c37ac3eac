"""Small scenarios for tests of the simulated mesh."""

from collections.abc import Iterator
from random import Random

from hasten_sim.scenario import (
    Arrival,
    BatchTimes,
    Fault,
    MeshShape,
    ModelShape,
    Network,
    Noise,
    Scenario,
)

MODEL = ModelShape("m", BatchTimes(0.010, 0.001), batch_max=8, noise=Noise(cv=0.1))
OTHER = ModelShape("n", BatchTimes(points=((1, 0.005), (8, 0.02))), batch_max=8)


def scenario(
    *faults: Fault,
    rate_per_s: float = 300.0,
    duration_s: float = 3.0,
    warmup_s: float = 0.0,
    routers: int = 2,
    workers: int = 2,
    models: tuple[ModelShape, ...] = (MODEL, OTHER),
    slack_s: float = 0.1,
    network: Network | None = None,
    **mesh: object,
) -> Scenario:
    """Requests for models in turn of chance, Poisson, all with the same slack."""

    def arrivals(seed: int) -> Iterator[Arrival]:
        rng = Random(f"{seed}/arrivals")
        at_s = rng.expovariate(rate_per_s)
        while at_s < duration_s:
            model = rng.randrange(len(models))
            yield Arrival(at_s, model, slack_s, rng.randrange(4), rng.randrange(2), 1, 100)
            at_s += rng.expovariate(rate_per_s)

    shape = MeshShape(routers, workers, network=network or Network(), **mesh)  # type: ignore[arg-type]  # a test's shorthand
    return Scenario(
        "test",
        duration_s,
        warmup_s,
        shape,
        models,
        arrivals,
        tenants=("a", "b"),
        faults=faults,
        offered_per_s=rate_per_s,
    )
