"""A placement within a second or two: greedy and local search, from several starts."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from hasten_plan.placement.greedy import greedy
from hasten_plan.placement.local import LocalSearch
from hasten_plan.placement.problem import Flags, NoRoomError, Problem

WORTH: Final = 1.5
"""A move has to gain so many times what the loading costs."""


def place(problem: Problem, rng: np.random.Generator, steps: int = 1000) -> Flags:
    """The better of local searches from what is there and from an empty pool.

    Args:
        problem: What is given.
        rng: Chance.
        steps: Moves of each search, at most; some ten thousand a second for 36 copies.

    Returns:
        A placement that fits; that of now, if it fits and nothing is better.

    Raises:
        NoRoomError: No placement was found.
    """
    search = LocalSearch(problem, rng)
    found = [search.improved(start, steps) for start in _starts(problem)]
    if not found:
        raise NoRoomError("no placement was found: the copies do not fit into the workers")
    return min(found, key=problem.objective)


def _starts(problem: Problem) -> Iterator[Flags]:
    if problem.fits(problem.current):
        yield problem.current.copy()
    for keep in (True, False):
        try:
            yield greedy(problem, keep=keep)
        except NoRoomError:
            continue


def worth_moving(problem: Problem, placed: Flags) -> bool:
    """Whether a placement pays for its loading; always where that of now does not fit."""
    if not problem.fits(problem.current):
        return True
    gain = float(problem.use(problem.current).max() - problem.use(placed).max())
    cost = problem.objective(placed) - float(problem.use(placed).max())
    return gain > WORTH * cost
