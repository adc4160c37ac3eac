"""From one placement to another: make before break."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hasten_plan.placement.problem import ROUNDING, Flags, Problem


@dataclass(frozen=True, slots=True)
class Step:
    """What one worker is told.

    Attributes:
        model: Which.
        worker: Where.
        load: True to load a copy, False to unload it.
    """

    model: int
    worker: int
    load: bool


def steps(problem: Problem, placed: Flags) -> list[list[Step]]:
    """Rounds of steps: those of a round may run at once, and the next one waits for their end.

    No worker is over its memory at any time, none loads two models at once, and no model loses its
    last ready copy. What cannot be reached like that is left as it is.

    Args:
        problem: Where the copies are, and which of them serve.
        placed: Where they are to be.
    """
    state = _State(problem)
    rounds: list[list[Step]] = []
    while True:
        loads = list(state.loads(placed))
        unloads = list(state.unloads(placed)) if not loads else []
        if not loads and not unloads:
            return rounds
        rounds.append(loads or unloads)


class _State:
    """Where copies are while steps are made."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._there = problem.current.copy()
        self._ready = problem.ready & problem.current

    def loads(self, placed: Flags) -> Iterator[Step]:
        """Those for which there is room now, one for each worker."""
        problem, busy = self._problem, set[int]()
        free = problem.room_gb - problem.used_gb(self._there)
        missing = placed & ~self._there
        for model in np.argsort(-problem.memory_gb, kind="stable"):
            for worker in np.flatnonzero(missing[model]):
                if worker in busy or free[worker] + ROUNDING < problem.memory_gb[model]:
                    continue
                busy.add(int(worker))
                self._there[model, worker] = True
                yield Step(int(model), int(worker), load=True)
        # What was loaded serves before anything is unloaded.
        self._ready |= self._there & placed

    def unloads(self, placed: Flags) -> Iterator[Step]:
        """Those that leave another ready copy."""
        for model, worker in np.argwhere(self._there & ~placed):
            others = self._ready[model].sum() - int(self._ready[model, worker])
            if others < 1 and placed[model].any():
                continue
            self._there[model, worker] = self._ready[model, worker] = False
            yield Step(int(model), int(worker), load=False)
