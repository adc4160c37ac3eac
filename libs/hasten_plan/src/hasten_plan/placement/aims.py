"""What explorers weigh against each other: misses, cost, movement, exposure."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hasten_plan.placement.problem import Flags, Floats, Problem

AIMS: Final = ("late_share", "price_per_h", "moved_share", "exposed_share")
PATIENCE: Final = 4.0
"""Calls can wait so many runs until their deadline."""


def aims(problem: Problem, placed: Flags) -> Floats:
    """The four, each smaller for better.

    - Late: the share of calls that wait longer than they can, by the exponential tail of a queue
      (M/M/1) on the worker that each copy lies on.
    - Price: of the workers that hold anything.
    - Moved: the share of all memory that is loaded.
    - Exposed: the share of the load that is lost with the worst zone.
    """
    use = problem.use(placed)
    tail = np.where(use < 1.0, use * np.exp(-PATIENCE * (1.0 - use)), 1.0)
    load = problem.share[:, None] * placed
    total = max(1e-12, float(load.sum()))
    zones = np.zeros(int(problem.zone.max()) + 1)
    np.add.at(zones, problem.zone, load.sum(axis=0))
    return np.array(
        [
            float((load @ tail).sum()) / total,
            float(problem.price_per_h @ placed.any(axis=0)),
            problem.moved_gb(placed) / problem.total_gb,
            float(zones.max()) / total,
        ]
    )


def dominates(one: Floats, other: Floats) -> bool:
    """At least as good in all, and better in one."""
    return bool((one <= other).all() and (one < other).any())


def hypervolume(
    points: NDArray[np.float64], worst: Floats, rng: np.random.Generator, samples: int = 20_000
) -> float:
    """Share of the box from 0 to `worst` that some point dominates, by so many random samples."""
    drawn = rng.random((samples, len(worst))) * worst
    covered = np.zeros(samples, dtype=np.bool_)
    for point in points:
        covered |= (point <= drawn).all(axis=1)
    return float(covered.mean())
