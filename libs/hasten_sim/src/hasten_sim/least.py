"""The least number of workers that is enough."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

WORKERS_MAX: Final = 4096
"""Nobody is told to start more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One number of workers that was tried, and the share of requests in time."""

    workers: int
    attainment: float


@dataclass(frozen=True, slots=True)
class Found:
    """What the search found.

    Attributes:
        workers: The least number that is enough; None if none up to the limit is.
        steps: What was tried, in order.
    """

    workers: int | None
    steps: tuple[Step, ...]

    def attainment(self, workers: int) -> float | None:
        """What that number reached; None if it was not tried."""
        return next((step.attainment for step in self.steps if step.workers == workers), None)


def least_workers(
    attainment: Callable[[int], float],
    slo: float,
    *,
    first: int = 1,
    workers_max: int = WORKERS_MAX,
    on_step: Callable[[Step], None] | None = None,
) -> Found:
    """Searches for the least number of workers whose attainment is at least `slo`.

    Doubles until a number is enough, then halves the span between it and the largest one that
    is not. Takes for granted that more workers do not harm.

    Args:
        attainment: Tries a number of workers.
        slo: Share of the offered requests that has to be in time.
        first: Where to begin, between 1 and workers_max.
        workers_max: Most workers to try.
        on_step: Told of each try.
    """
    steps: list[Step] = []

    def enough(workers: int) -> bool:
        step = Step(workers, attainment(workers))
        steps.append(step)
        if on_step is not None:
            on_step(step)
        return step.attainment >= slo

    too_few, high = 0, min(first, workers_max)
    while not enough(high):
        if high == workers_max:
            return Found(None, tuple(steps))
        too_few, high = high, min(2 * high, workers_max)
    while high - too_few > 1:
        middle = (too_few + high) // 2
        if enough(middle):
            high = middle
        else:
            too_few = middle
    return Found(high, tuple(steps))
