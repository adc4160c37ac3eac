"""Placements of models on workers against each other; writes docs/evaluation/placement.md.

python -m loadtest.placement [--to FOLDER]
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hasten_plan.placement.aims import AIMS, hypervolume
from hasten_plan.placement.exact import Exact, solve
from hasten_plan.placement.explorers import EXPLORERS
from hasten_plan.placement.greedy import greedy
from hasten_plan.placement.local import LocalSearch
from hasten_plan.placement.placing import place
from hasten_plan.placement.problem import Flags, Problem
from hasten_plan.placement.steps import steps
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.command import make_alone
from loadtest.evaluation.page import Claim, Page, Written, table

SHIFT: Final = 0.5
"""Load has shifted since the placement of now was made: log-normal, with this sigma."""
SEEDS: Final = 5
EVALUATIONS: Final = 2000


@dataclass(frozen=True, slots=True)
class Size:
    """One case.

    Attributes:
        copies: Of all models together.
        workers: To hold them.
        exact_s: The exact method stops after so long.
        steps: Of each local search.
    """

    copies: int
    workers: int
    exact_s: float
    steps: int

    def __str__(self) -> str:
        return f"{self.copies} copies / {self.workers} workers"


SMALL: Final = Size(14, 4, 10.0, 2000)
MIDDLE: Final = Size(36, 10, 10.0, 1500)
LARGE: Final = Size(123, 30, 30.0, 400)
SIZES: Final = (SMALL, MIDDLE, LARGE)


def problem(size: Size, seed: int) -> Problem:
    """Models of 1 to 4 copies, two thirds of all memory and of all capacity in use, and a placement
    that was good before the load shifted.
    """
    rng = np.random.default_rng(seed)
    copies: list[int] = []
    while sum(copies) < size.copies:
        most = min(4, size.workers, size.copies - sum(copies))
        copies.append(int(rng.integers(1, most + 1)))
    models = len(copies)
    memory = rng.lognormal(0.0, 0.6, models)
    load = rng.lognormal(0.0, 0.8, models) * copies
    load *= 0.65 * size.workers / load.sum()
    room = np.full(size.workers, 1.5 * float(memory @ copies) / size.workers)
    room = np.maximum(room, 2.0 * memory.max())
    nowhere = np.zeros((models, size.workers), dtype=np.bool_)
    zone = np.arange(size.workers) % 3
    before = Problem(
        memory, load, np.array(copies), room, np.ones(size.workers), nowhere, zone=zone
    )
    current = greedy(before, keep=False)
    shifted = load * rng.lognormal(0.0, SHIFT, models)
    shifted *= load.sum() / shifted.sum()
    return Problem(
        memory, shifted, np.array(copies), room, np.ones(size.workers), current, zone=zone
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one case.

    Attributes:
        objective: Mean over the seeds.
        seconds: Mean.
        placed: By seed.
    """

    objective: float
    seconds: float
    placed: tuple[Flags, ...]


def row(cases: Sequence[Problem], method: Callable[[Problem], Flags]) -> Row:
    """Runs a method on all cases."""
    began_s = time.perf_counter()
    placed = [method(each) for each in cases]
    seconds = (time.perf_counter() - began_s) / len(cases)
    return Row(_mean(cases, placed), seconds, tuple(placed))


def _mean(cases: Sequence[Problem], placed: Sequence[Flags]) -> float:
    return sum(each.objective(found) for each, found in zip(cases, placed, strict=True)) / len(
        cases
    )


def methods(size: Size) -> Mapping[str, Callable[[Problem], Flags]]:
    """Name to method."""
    return {
        "as it is": lambda each: each.current,
        "greedy from scratch": lambda each: greedy(each, keep=False),
        "local search from now": lambda each: LocalSearch(each, np.random.default_rng(1)).improved(
            each.current, size.steps
        ),
        "greedy and local search (default)": lambda each: place(
            each, np.random.default_rng(1), size.steps
        ),
    }


DEFAULT: Final = "greedy and local search (default)"


def _explored(cases: Sequence[Problem], evaluations: int) -> dict[str, float]:
    """Explorer to the mean hypervolume of its front, the seeds the same for all."""
    found = dict.fromkeys(EXPLORERS, 0.0)
    for number, each in enumerate(cases):
        seeds = [each.current, place(each, np.random.default_rng(1), 200)]
        fronts = {
            name: explore(each, seeds, evaluations, np.random.default_rng(number)).points
            for name, explore in EXPLORERS.items()
        }
        worst = np.max(np.concatenate(list(fronts.values())), axis=0) * 1.05 + 1e-9
        for name, points in fronts.items():
            drawn = np.random.default_rng(7)
            found[name] += hypervolume(points, worst, drawn) / len(cases)
    return found


def write(
    _bench: Bench,
    sizes: Sequence[Size] = SIZES,
    seeds: int = SEEDS,
    evaluations: int = EVALUATIONS,
) -> Written:
    """Measures and compares."""
    body, claims = TEXT.format(seeds=seeds, evaluations=evaluations), list[Claim]()
    rows: list[tuple[str, ...]] = []
    kept = True
    for size in sizes:
        cases = [problem(size, seed) for seed in range(1, seeds + 1)]
        made = {name: row(cases, method) for name, method in methods(size).items()}
        began_s = time.perf_counter()
        proven = [solve(each, size.exact_s, gap=0.001) for each in cases]
        exact_s = (time.perf_counter() - began_s) / len(cases)
        rows += [
            (str(size), name, f"{each.objective:.3f}", "", f"{each.seconds:.2f} s")
            for name, each in made.items()
        ]
        objective = _mean(cases, [each.placed for each in proven])
        gap = max(each.gap for each in proven)
        rows.append(
            (str(size), "exact (MILP)", f"{objective:.3f}", f"{gap:.1%}", f"{exact_s:.2f} s")
        )
        placed = [*made[DEFAULT].placed, *(each.placed for each in proven)]
        kept &= all(
            _keeps(each, found) for each, found in zip([*cases, *cases], placed, strict=True)
        )
        claims += _claims(size, cases, made[DEFAULT], proven, exact_s)
    head = ("case", "method", "objective", "gap at most", "time")
    body += table(head, rows) + "\n\n"
    cases = [problem(sizes[min(1, len(sizes) - 1)], seed) for seed in range(1, seeds + 1)]
    volumes = _explored(cases, evaluations)
    body += table(
        ("explorer", "hypervolume of its front"),
        [(name, f"{volume:.4f}") for name, volume in volumes.items()],
    )
    body += "\n"
    claims += [
        Claim(
            "no placement is over a worker's memory, and on the way to it no model loses its last "
            "ready copy",
            "all of them" if kept else "broken",
            kept,
        ),
        Claim(
            "NSGA-II and the swarm beat random search in hypervolume at equal evaluations",
            ", ".join(f"{name} {volume:.4f}" for name, volume in volumes.items()),
            min(volumes["nsga2"], volumes["swarm"]) > volumes["chance"],
        ),
    ]
    return Written(body, tuple(claims))


def _keeps(each: Problem, placed: Flags) -> bool:
    """It fits, and so does every step on the way; each model that served goes on to."""
    there, ready = each.current.copy(), each.ready.copy()
    for together in steps(each, placed):
        for step in together:
            there[step.model, step.worker] = step.load
        ready = (ready | there) & there
        if (each.used_gb(there) > each.room_gb + 1e-9).any() or not ready.any(axis=1).all():
            return False
    return each.fits(placed)


def _claims(
    size: Size, cases: Sequence[Problem], made: Row, proven: Sequence[Exact], exact_s: float
) -> list[Claim]:
    if size == MIDDLE:
        gap = max(each.gap for each in proven)
        return [
            Claim(
                "the exact method proves a gap of at most 1 % on 36 copies and 10 workers in 10 s",
                f"{gap:.2%} at most, {exact_s:.1f} s on average",
                gap <= 0.01,
            )
        ]
    if size == LARGE:
        worse = max(
            each.objective(found) / min(best.objective, each.objective(found)) - 1.0
            for each, found, best in zip(cases, made.placed, proven, strict=True)
        )
        return [
            Claim(
                "the default is within 5 % of the best known on 123 copies and 30 workers in 2 s",
                f"{worse:.1%} at most, {made.seconds:.2f} s on average",
                worse <= 0.05 and made.seconds <= 2.0,
            )
        ]
    return []


TEXT: Final = f"""\
Copies of models lie on workers; their load has shifted since. The objective is the share of time
that the busiest worker is busy, and 0.2 times the share of all memory that is moved; memory is a
hard bound, and no worker holds two copies of a model. Means of {{seeds}} random cases of each size;
the gap is the largest. The exact method is HiGHS by `scipy.optimize.milp`, and its bound says how
far from the best any placement can be. Times are those of one core of a shared machine.

Explorers weigh four aims against each other ({", ".join(AIMS)}), with {{evaluations}} placements
each, and begin with the placement of now and a short local search. The hypervolume is the share of
the box up to the worst of all fronts that a front dominates.

"""

PAGE: Final = Page(
    "placement",
    "Placements of models on workers",
    "how good each method is, how long it takes, and what explorers find",
    "python -m loadtest.placement",
    write,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    make_alone(PAGE, __doc__, arguments)


if __name__ == "__main__":
    main()
