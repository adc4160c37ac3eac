"""A placement in one pass: the heaviest copies first, each on the worker it burdens least."""

import numpy as np

from hasten_plan.placement.problem import ROUNDING, Flags, NoRoomError, Problem


def greedy(problem: Problem, *, keep: bool) -> Flags:
    """Places what is missing.

    Args:
        problem: What is given.
        keep: Copies stay where they are, as far as there are to be so many; else only pinned ones.

    Returns:
        A placement that fits.

    Raises:
        NoRoomError: A copy found no worker with room; there may still be a placement.
    """
    placed = problem.pinned.copy()
    if keep:
        placed |= _kept(problem, placed)
    load, memory = problem.share, problem.memory_gb
    # Large ones first: small ones fill what is left.
    weight = load / max(ROUNDING, load.max()) + memory / max(ROUNDING, memory.max())
    for model in np.argsort(-weight, kind="stable"):
        while placed[model].sum() < problem.copies[model]:
            placed[model, _place(problem, placed, int(model))] = True
    return placed


def _kept(problem: Problem, placed: Flags) -> Flags:
    """The copies of now that stay: of a model with too many those on the busiest workers go."""
    kept = placed.copy()
    use = problem.use(problem.current)
    for model in np.argsort(-problem.memory_gb, kind="stable"):
        there = [
            worker
            for worker in np.argsort(use, kind="stable")
            if problem.current[model, worker] and problem.allowed[model, worker]
        ]
        for worker in there:
            missing = kept[model].sum() < problem.copies[model]
            used_gb = problem.memory_gb @ kept[:, worker] + problem.memory_gb[model]
            if (
                missing
                and not kept[model, worker]
                and used_gb <= problem.room_gb[worker] + ROUNDING
            ):
                kept[model, worker] = True
    return kept


def _place(problem: Problem, placed: Flags, model: int) -> int:
    room = problem.room_gb - problem.used_gb(placed) - problem.memory_gb[model]
    use = problem.use(placed) + problem.share[model] / problem.speed
    may = problem.allowed[model] & ~placed[model] & (room >= -ROUNDING)
    if not may.any():
        raise NoRoomError(f"no worker has {problem.memory_gb[model]:g} GB left for a copy")
    # Where the copy is already it costs no loading.
    cost = np.where(may, use - 1e-6 * problem.current[model], np.inf)
    return int(np.argmin(cost))
