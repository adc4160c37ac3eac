"""What-if: how many workers a rate needs, and what happens when one dies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Final

from hasten_sim.figures import Figures
from hasten_sim.least import WORKERS_MAX, Found, Step, least_workers
from hasten_sim.points import Point
from hasten_sim.question import Question, in_outage
from hasten_sim.sweep import Job

SPARE: Final = 8
"""The search ends at this many times the workers that full batches would need."""

RunAll = Callable[[list[Job]], list[Figures]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the simulation says.

    Attributes:
        question: What was asked.
        slo: Share of the requests that has to be in time.
        found: The least number of workers that keeps it.
        workers: The number that was asked about; that least number when none was.
        runs: Figures by number of workers, by seed.
        death: The least number that keeps it while one is dead; None when not asked.
        dead: Share in time while one is dead, by number of workers.
    """

    question: Question
    slo: float
    found: Found
    workers: int | None
    runs: dict[int, tuple[Figures, ...]]
    death: Found | None = None
    dead: dict[int, float] = field(default_factory=dict)

    def attainment(self, workers: int) -> float:
        """Share in time with so many, which were tried."""
        return fmean(run.attainment for run in self.runs[workers])


@dataclass(frozen=True, slots=True)
class Asking:
    """How to find out.

    Attributes:
        slo: Share of the requests that has to be in time.
        policy: Of the mesh.
        seeds: Each is run.
        run_all: Carries out jobs.
        on_step: Told of each number of workers that was tried, and how many of them were dead.
    """

    slo: float
    policy: str
    seeds: Sequence[int]
    run_all: RunAll
    on_step: Callable[[Step, int], None]


def answer(
    question: Question, asking: Asking, *, workers: int | None = None, outage_s: int = 0
) -> Answer:
    """Finds the least number of workers, and what the one asked about does.

    Args:
        question: Profiles, rate, deadline.
        asking: How to find out.
        workers: Ask about this number too.
        outage_s: Ask also what happens while one worker is dead for so long; 0 not to.
    """
    runs: dict[int, tuple[Figures, ...]] = {}

    def try_number(number: int) -> float:
        runs[number] = _runs(question, asking, number)
        return fmean(run.attainment for run in runs[number])

    # With a model that is too slow for the deadline no number of workers helps.
    least = question.workers_at_least()
    most = min(WORKERS_MAX, least if question.too_slow() else SPARE * least)
    found = least_workers(
        try_number,
        asking.slo,
        first=least,
        workers_max=most,
        on_step=lambda step: asking.on_step(step, 0),
    )
    number = workers or found.workers
    if number is not None:
        for more in (number - 1, number):
            if more and more not in runs:
                asking.on_step(Step(more, try_number(more)), 0)
    if not outage_s or number is None:
        return Answer(question, asking.slo, found, number, runs)
    death, dead = _deaths(question.with_death(outage_s), asking, number, most + 1)
    if death.workers is not None and death.workers not in runs:
        try_number(death.workers)
    return Answer(question, asking.slo, found, number, runs, death, dead)


def _deaths(
    question: Question, asking: Asking, number: int, most: int
) -> tuple[Found, dict[int, float]]:
    dead: dict[int, float] = {}

    def try_number(workers: int) -> float:
        runs = _runs(question, asking, workers)
        dead[workers] = fmean(in_outage(question, run) for run in runs)
        return dead[workers]

    found = least_workers(
        try_number,
        asking.slo,
        first=number,
        workers_max=max(most, number),
        on_step=lambda step: asking.on_step(step, 1),
    )
    return found, dead


def _runs(question: Question, asking: Asking, workers: int) -> tuple[Figures, ...]:
    point = Point(workers=workers)
    jobs = [Job(question, asking.policy, seed, point) for seed in asking.seeds]
    return tuple(asking.run_all(jobs))
