"""Explorers of placements that weigh several aims: NSGA-II, a particle swarm, and chance alone.

None is better at a single aim than local search or the exact method. They are started with those
answers and keep what nothing dominates, so that they are never worse.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hasten_plan.placement.aims import aims, dominates
from hasten_plan.placement.problem import ROUNDING, Flags, Floats, Problem

ARCHIVE_MAX: Final = 200
POPULATION: Final = 40
SWARM: Final = 30
INERTIA: Final = 0.6
PULL: Final = 1.4
"""Of a particle's own best and of the leader, as Kennedy and Eberhart (1995) have it."""
Ranks = NDArray[np.int_]
Explorer = Callable[[Problem, Sequence[Flags], int, np.random.Generator], "Archive"]


@dataclass(frozen=True, slots=True)
class Found:
    """A placement and its aims."""

    placed: Flags
    aims: Floats


class Archive:
    """Placements of which none dominates another."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self.found: list[Found] = []

    def add(self, placed: Flags) -> Found:
        """Judges a placement, and keeps it unless something dominates it."""
        new = Found(placed, aims(self._problem, placed))
        if any(dominates(each.aims, new.aims) or _same(each, new) for each in self.found):
            return new
        self.found = [each for each in self.found if not dominates(new.aims, each.aims)]
        self.found.append(new)
        if len(self.found) > ARCHIVE_MAX:
            # The most crowded one goes; the ends of the front never do.
            del self.found[int(np.argmin(crowding(self.points)))]
        return new

    @property
    def points(self) -> Floats:
        """The aims of all, one a row."""
        return np.array([each.aims for each in self.found])


def _same(one: Found, other: Found) -> bool:
    return bool((one.aims == other.aims).all())


def crowding(points: Floats) -> Floats:
    """Distance of each point to its neighbours on the front (Deb et al. 2002)."""
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        span = max(1e-12, float(column[order[-1]] - column[order[0]]))
        distance[order[[0, -1]]] = np.inf
        distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def repaired(problem: Problem, keys: Floats) -> Flags | None:
    """A placement that fits, by preference: each copy goes where its key is highest and there is
    room; None where one finds no place.

    Args:
        problem: What is given.
        keys: By model and worker; what is pinned stays whatever its key is.
    """
    placed = problem.pinned.copy()
    free = problem.room_gb - problem.used_gb(placed)
    keys = np.where(problem.allowed, keys, -np.inf)
    # Large ones first: small ones find room anywhere.
    for model in np.argsort(-problem.memory_gb, kind="stable"):
        for worker in np.argsort(-keys[model], kind="stable"):
            if placed[model].sum() >= problem.copies[model]:
                break
            fits = free[worker] + ROUNDING >= problem.memory_gb[model]
            if fits and problem.allowed[model, worker] and not placed[model, worker]:
                placed[model, worker] = True
                free[worker] -= problem.memory_gb[model]
        if placed[model].sum() < problem.copies[model]:
            return None
    return placed


def by_chance(
    problem: Problem, seeds: Sequence[Flags], evaluations: int, rng: np.random.Generator
) -> Archive:
    """Placements at random: what the others have to beat."""
    archive = _seeded(problem, seeds)
    for _ in range(evaluations - len(seeds)):
        placed = repaired(problem, rng.random(problem.current.shape))
        if placed is not None:
            archive.add(placed)
    return archive


def nsga2(
    problem: Problem, seeds: Sequence[Flags], evaluations: int, rng: np.random.Generator
) -> Archive:
    """NSGA-II (Deb, Pratap, Agarwal and Meyarivan 2002): rank by dominance, then by crowding.

    A child takes the copies of each model from one of its parents; some models are placed anew.
    """
    archive = _seeded(problem, seeds)
    people = [*archive.found]
    spent = len(seeds)
    while len(people) < POPULATION and spent < evaluations:
        spent += 1
        placed = repaired(problem, rng.random(problem.current.shape))
        if placed is not None:
            people.append(archive.add(placed))
    while spent < evaluations and people:
        ranks, distance = _ranked(people)
        children: list[Found] = []
        while len(children) < POPULATION and spent < evaluations:
            spent += 1
            pair = [_tournament(ranks, distance, rng) for _ in range(2)]
            placed = _child(problem, people[pair[0]].placed, people[pair[1]].placed, rng)
            if placed is not None:
                children.append(archive.add(placed))
        people = _survivors(people + children)
    return archive


def swarm(
    problem: Problem, seeds: Sequence[Flags], evaluations: int, rng: np.random.Generator
) -> Archive:
    """A particle swarm (Kennedy and Eberhart 1995) over preferences, drawn to members of the
    front (Coello, Pulido and Lechuga 2004).
    """
    archive = _seeded(problem, seeds)
    shape = problem.current.shape
    at = [
        _keys(seeds[number % len(seeds)], rng) if seeds else rng.random(shape)
        for number in range(SWARM)
    ]
    speed = [0.1 * rng.standard_normal(shape) for _ in range(SWARM)]
    own: list[Found | None] = [None] * SWARM
    best = [keys.copy() for keys in at]
    for number in range(max(0, evaluations - len(seeds))):
        which = number % SWARM
        placed = repaired(problem, at[which])
        if placed is not None:
            new, mine = archive.add(placed), own[which]
            if mine is None or not dominates(mine.aims, new.aims):
                own[which], best[which] = new, at[which].copy()
        if not archive.found:
            at[which] = rng.random(shape)
            continue
        leader = _keys(archive.found[int(rng.integers(len(archive.found)))].placed, rng)
        pulls = PULL * rng.random((2, *shape))
        speed[which] = INERTIA * speed[which] + pulls[0] * (best[which] - at[which])
        speed[which] += pulls[1] * (leader - at[which])
        at[which] = np.clip(at[which] + speed[which], 0.0, 2.0)
        # Some keys are drawn anew: a swarm that has met would look at one place only.
        anew = rng.random(shape) < 1.0 / problem.models
        at[which] = np.where(anew, 2.0 * rng.random(shape), at[which])
    return archive


EXPLORERS: Final[dict[str, Explorer]] = {"nsga2": nsga2, "swarm": swarm, "chance": by_chance}


def _seeded(problem: Problem, seeds: Iterable[Flags]) -> Archive:
    archive = Archive(problem)
    for seed in seeds:
        if not problem.fits(seed):
            raise ValueError("a seed does not fit")
        archive.add(seed)
    return archive


def _keys(placed: Flags, rng: np.random.Generator) -> Floats:
    """Preferences that lead to a placement, as far as it fits."""
    return placed.astype(np.float64) + rng.random(placed.shape)


def _child(problem: Problem, one: Flags, other: Flags, rng: np.random.Generator) -> Flags | None:
    mix = rng.random(problem.models) < 0.5
    keys = _keys(np.where(mix[:, None], one, other), rng)
    anew = rng.random(problem.models) < 1.5 / problem.models
    # Below 1: what is placed anew gives way to what was placed.
    keys[anew] = rng.random((int(anew.sum()), problem.workers))
    return repaired(problem, keys)


def _ranked(people: Sequence[Found]) -> tuple[Ranks, Floats]:
    """Number of the front that each belongs to, and its crowding there."""
    points = np.array([each.aims for each in people])
    better: Flags = np.all(points[:, None] <= points[None], axis=2)
    better &= np.any(points[:, None] < points[None], axis=2)
    ranks = np.full(len(people), -1)
    distance = np.zeros(len(people))
    front = 0
    while (ranks < 0).any():
        left = ranks < 0
        first = left & ~better[left].any(axis=0)
        ranks[first] = front
        distance[first] = crowding(points[first])
        front += 1
    return ranks, distance


def _tournament(ranks: Ranks, distance: Floats, rng: np.random.Generator) -> int:
    one, other = (int(each) for each in rng.integers(len(ranks), size=2))
    better = (ranks[one], -distance[one]) <= (ranks[other], -distance[other])
    return one if better else other


def _survivors(people: Sequence[Found]) -> list[Found]:
    ranks, distance = _ranked(people)
    order = np.lexsort((-distance, ranks))
    return [people[at] for at in order[:POPULATION]]
