"""Local search: copies leave the busiest worker, alone or for another one, while that gains."""

from typing import Final

import numpy as np

from hasten_plan.placement.problem import MOVEMENT_WEIGHT, ROUNDING, Flags, Floats, Problem

EVEN: Final = 1e-3
"""Weight of the squares of all use: between two moves that leave the busiest worker as it is, the
one that evens the others out.
"""
KICKS: Final = 3
"""Copies that are moved at random once no move gains."""


class LocalSearch:
    """Improves a placement. It never returns a worse one, nor one that does not fit.

    Args:
        problem: What is given.
        rng: Chance.
    """

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self._problem = problem
        self._rng = rng
        self._share, self._memory = problem.share, problem.memory_gb
        self._price = MOVEMENT_WEIGHT * problem.memory_gb / problem.total_gb
        self._movable = ~problem.pinned

    def improved(self, start: Flags, steps: int) -> Flags:
        """The best placement that was seen.

        Args:
            start: One that fits.
            steps: Moves that are made at most.
        """
        best, best_cost = start.copy(), self._problem.objective(start)
        placed = start.copy()
        for _ in range(steps):
            if not self._move(placed):
                cost = self._problem.objective(placed)
                if cost < best_cost - ROUNDING:
                    best, best_cost = placed.copy(), cost
                placed = best.copy()
                self._kick(placed)
        return placed if self._problem.objective(placed) < best_cost else best

    def _cost(self, use: Floats) -> float:
        return float(use.max() + EVEN * (use @ use))

    def _move(self, placed: Flags) -> bool:
        """Makes the best move from the busiest worker; False where none gains."""
        use, free = self._problem.use(placed), self._free(placed)
        busiest = int(np.argmax(use))
        before = self._cost(use)
        gain, step = self._best_shift(placed, use, free, busiest, before)
        swap_gain, swap = self._best_swap(placed, use, free, busiest, before)
        if max(gain, swap_gain) <= ROUNDING:
            return False
        if gain >= swap_gain:
            model, worker = step
            placed[model, busiest], placed[model, worker] = False, True
        else:
            model, other, worker = swap
            placed[model, busiest], placed[model, worker] = False, True
            placed[other, worker], placed[other, busiest] = False, True
        return True

    def _free(self, placed: Flags) -> Floats:
        return self._problem.room_gb - self._problem.used_gb(placed) + ROUNDING

    def _moved(self, model: int, worker: int, busiest: int) -> float:
        """What the movement of a copy adds to the objective."""
        current = self._problem.current[model]
        return float(self._price[model] * (float(current[busiest]) - float(current[worker])))

    def _best_shift(
        self, placed: Flags, use: Floats, free: Floats, busiest: int, before: float
    ) -> tuple[float, tuple[int, int]]:
        """The best copy to send from the busiest worker to another one."""
        problem, best, found = self._problem, 0.0, (0, 0)
        models = np.flatnonzero(placed[:, busiest] & self._movable[:, busiest])
        for model in map(int, models):
            may = problem.allowed[model] & ~placed[model] & (free >= self._memory[model])
            workers = np.flatnonzero(may)
            if not len(workers):
                continue
            worker = int(
                workers[np.argmin(use[workers] + self._share[model] / problem.speed[workers])]
            )
            after = use.copy()
            after[busiest] -= self._share[model] / problem.speed[busiest]
            after[worker] += self._share[model] / problem.speed[worker]
            gain = before - self._cost(after) - self._moved(model, worker, busiest)
            if gain > best:
                best, found = gain, (model, worker)
        return best, found

    def _best_swap(
        self, placed: Flags, use: Floats, free: Floats, busiest: int, before: float
    ) -> tuple[float, tuple[int, int, int]]:
        """The best copy of the busiest worker to change for a copy of another one."""
        problem, best, found = self._problem, 0.0, (0, 0, 0)
        speed = problem.speed
        models = np.flatnonzero(placed[:, busiest] & self._movable[:, busiest])
        # For each copy elsewhere: its model, and where it is.
        others, workers = np.nonzero(placed & self._movable)
        kept = (workers != busiest) & ~placed[others, busiest] & problem.allowed[others, busiest]
        others, workers = others[kept], workers[kept]
        # Two that are idle beside them: a pool may have fewer than three workers.
        top = np.sort(np.concatenate((use, (0.0, 0.0))))[-3:]
        for model in models:
            ok = ~placed[model, workers] & problem.allowed[model, workers]
            ok &= free[workers] + self._memory[others] >= self._memory[model]
            ok &= free[busiest] + self._memory[model] >= self._memory[others]
            less = self._share[model] - self._share[others]
            ok &= less > ROUNDING
            at = np.flatnonzero(ok)
            if not len(at):
                continue
            new_busiest = use[busiest] - less[at] / speed[busiest]
            new_other = use[workers[at]] + less[at] / speed[workers[at]]
            # The busiest of all others is the second, or the third where that is the partner.
            rest = np.where(use[workers[at]] >= top[-2], top[0], top[-2])
            peak = np.maximum(np.maximum(new_busiest, new_other), rest)
            squares = use @ use - use[busiest] ** 2 - use[workers[at]] ** 2
            cost = peak + EVEN * (squares + new_busiest**2 + new_other**2)
            current = problem.current
            cost += self._price[model] * (
                current[model, busiest].astype(float) - current[model, workers[at]].astype(float)
            )
            cost += self._price[others[at]] * (
                current[others[at], workers[at]].astype(float)
                - current[others[at], busiest].astype(float)
            )
            least = int(np.argmin(cost))
            if before - cost[least] > best:
                best = float(before - cost[least])
                found = (int(model), int(others[at[least]]), int(workers[at[least]]))
        return best, found

    def _kick(self, placed: Flags) -> None:
        """A few copies go to where there is room, at random."""
        for _ in range(KICKS):
            models, workers = np.nonzero(placed & self._movable)
            if not len(models):
                return
            pick = int(self._rng.integers(len(models)))
            model, worker = int(models[pick]), int(workers[pick])
            may = self._problem.allowed[model] & ~placed[model]
            may &= self._free(placed) >= self._memory[model]
            options = np.flatnonzero(may)
            if len(options):
                placed[model, worker] = False
                placed[model, int(self._rng.choice(options))] = True
