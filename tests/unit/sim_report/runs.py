"""Made-up runs, and a source of tiny real ones."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.report.summary import Summary, summed_up
from hasten_sim.scenario import (
    Arrival,
    BatchTimes,
    Fault,
    MeshShape,
    ModelShape,
    Scenario,
    capacity_per_s,
)
from hasten_sim.sweep import Job

QUANTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "mean")


def figures(**changes: Any) -> Figures:
    """A run of 100 requests, 90 in time, 10 refused."""
    said = Figures(
        scenario="made up",
        policy="hasten",
        load=1.0,
        seed=1,
        measured_s=10.0,
        offered=100,
        in_time=90,
        late=0,
        refused={"overloaded": 10},
        abandoned=0,
        admitted=90,
        missed=0,
        executed_late=0,
        busy_s=8.0,
        wasted_s=0.0,
        lane_s=10.0,
        latency_ms=dict.fromkeys(QUANTILES, 12.5),
        refusal_ms=dict.fromkeys(QUANTILES, 0.5),
        batch_rows_mean=2.0,
        fairness=1.0,
        attainment_by_model={"m": 0.9},
        attainment_by_tenant={"": 0.9},
        attainment_by_priority={"1": 0.9},
        goodput_by_s=(9, 9, 0),
        offered_by_s=(10, 10, 0),
        share_by_worker=(1.0,),
        events=1000,
    )
    return replace(said, **changes)


@dataclass(frozen=True)
class Steady:
    """Poisson arrivals of one model; a plain value, as jobs need it."""

    rate_per_s: float
    duration_s: float

    def __call__(self, seed: int) -> Iterator[Arrival]:
        rng = Random(seed)
        at_s = rng.expovariate(self.rate_per_s)
        while at_s < self.duration_s:
            yield Arrival(at_s, 0, 0.05, 1, 0, 1, 100)
            at_s += rng.expovariate(self.rate_per_s)


@dataclass(frozen=True)
class Small:
    """Half a second of a small mesh."""

    fault: bool = False
    duration_s: float = 0.5

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        models = (ModelShape("m", BatchTimes(0.004, 0.001), 8),)
        mesh = MeshShape(workers=workers or 2, routers=routers or 1)
        capacity = capacity_per_s(mesh, models)
        # Said as a multiple of the capacity, as most workload files say it.
        rate = (1.2 if load is None else load) * capacity
        faults = (Fault("crash", 0.2, 0.1, 0),) if self.fault else ()
        return Scenario(
            name="small <mesh>",
            duration_s=self.duration_s,
            warmup_s=0.0,
            mesh=mesh,
            models=models,
            arrivals=Steady(rate, self.duration_s),
            faults=faults,
            offered_per_s=rate,
        )


SMALL = Small()


def summary(in_time: dict[str, dict[float, tuple[int, ...]]]) -> Summary:
    """Made-up runs of a load sweep: requests in time of 100, by policy, load and seed."""
    jobs, runs = [], []
    for policy, by_load in in_time.items():
        for load, by_seed in by_load.items():
            for seed, good in enumerate(by_seed, start=1):
                jobs.append(Job(SMALL, policy, seed, Point(load=load)))
                runs.append(
                    figures(
                        policy=policy,
                        load=load,
                        seed=seed,
                        in_time=good,
                        refused={"overloaded": 100 - good},
                        admitted=good,
                    )
                )
    return summed_up(jobs, runs)
