"""A what-if question: measured profiles, a rate and a deadline, as a source of scenarios."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from random import Random
from typing import Final

from hasten_policy.priorities import NORMAL
from hasten_sim.figures import Figures
from hasten_sim.scenario import (
    Arrival,
    BatchTimes,
    Fault,
    MeshShape,
    ModelShape,
    Noise,
    Scenario,
    capacity_per_s,
)

REQUESTS: Final = 20_000
"""About so many are simulated for each answer: enough to tell 99 % from 98.5 %."""
MEASURED_S_MIN: Final = 10.0
MEASURED_S_MAX: Final = 120.0
WARMUP_S: Final = 2.0
BEFORE_DEATH_S: Final = 3
AFTER_DEATH_S: Final = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """One model as it was measured.

    Attributes:
        model: Name.
        batch_max: Most rows in a batch.
        times: Median seconds of a batch.
        cv: Coefficient of variation of a run about its median.
        share: Its share of the requests, relative to the others'.
    """

    model: str
    batch_max: int
    times: BatchTimes
    cv: float = 0.0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class _Poisson:
    """Requests of one row at random instants; a plain value, for other processes."""

    rate_per_s: float
    duration_s: float
    deadline_s: float
    shares: tuple[float, ...]

    def __call__(self, seed: int) -> Iterator[Arrival]:
        rng = Random(f"{seed}/whatif")
        models = range(len(self.shares))
        at_s = rng.expovariate(self.rate_per_s)
        while at_s < self.duration_s:
            (model,) = rng.choices(models, self.shares)
            yield Arrival(at_s, model, self.deadline_s, NORMAL, 0, 1, 0)
            at_s += rng.expovariate(self.rate_per_s)


@dataclass(frozen=True, slots=True)
class Question:
    """What the user asks; a `hasten_sim.points.Source`.

    Attributes:
        profiles: Models, at least one.
        rate_per_s: Requests a second, all models together.
        deadline_s: Of each request.
        lanes: Batches that a worker runs at once.
        outage_s: A worker that dies is back after this; 0 when none dies.
    """

    profiles: tuple[Profile, ...]
    rate_per_s: float
    deadline_s: float
    lanes: int = 1
    outage_s: int = 0

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        """As `Source`; one worker unless said."""
        mesh = MeshShape(routers=routers or 1, workers=workers or 1, lanes=self.lanes)
        models = tuple(
            ModelShape(
                name=one.model,
                times=one.times,
                batch_max=one.batch_max,
                share=one.share,
                noise=Noise(cv=one.cv),
            )
            for one in self.profiles
        )
        rate = self.rate_per_s if load is None else load * capacity_per_s(mesh, models)
        duration_s = self._duration_s(rate)
        shares = tuple(one.share for one in self.profiles)
        return Scenario(
            name=f"{rate:g} requests a second, {self.deadline_s * 1e3:g} ms",
            duration_s=duration_s,
            warmup_s=WARMUP_S,
            mesh=mesh,
            models=models,
            arrivals=_Poisson(rate, duration_s, self.deadline_s, shares),
            faults=self._faults(),
            offered_per_s=rate,
        )

    @property
    def dies_at_s(self) -> int:
        """When one worker dies, if one does."""
        return int(WARMUP_S) + BEFORE_DEATH_S

    def with_death(self, outage_s: int) -> "Question":
        """The same, and one worker dies for so long."""
        return replace(self, outage_s=outage_s)

    def too_slow(self) -> list[Profile]:
        """Models that an idle worker cannot run in time."""
        return [one for one in self.profiles if one.times.seconds(1) > self.deadline_s]

    def workers_at_least(self) -> int:
        """Workers that full batches at all times would need."""
        one = self.scenario(load=1.0)
        return max(1, ceil(self.rate_per_s / one.offered_per_s))

    def _duration_s(self, rate_per_s: float) -> float:
        if self.outage_s:
            return float(self.dies_at_s + self.outage_s + AFTER_DEATH_S)
        measured_s = min(MEASURED_S_MAX, max(MEASURED_S_MIN, REQUESTS / rate_per_s))
        return WARMUP_S + ceil(measured_s)

    def _faults(self) -> tuple[Fault, ...]:
        if not self.outage_s:
            return ()
        return (Fault("crash", at_s=float(self.dies_at_s), for_s=float(self.outage_s), worker=0),)


def in_outage(question: Question, figures: Figures) -> float:
    """Share of the requests offered while one worker was dead that were answered in time."""
    span = slice(question.dies_at_s, question.dies_at_s + question.outage_s)
    offered = sum(figures.offered_by_s[span])
    return sum(figures.goodput_by_s[span]) / offered if offered else 1.0
