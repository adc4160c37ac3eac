"""Batches that could start now, and which of them goes first."""

from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from operator import attrgetter
from typing import Final

from hasten_policy.batching.edf_queue import EdfQueue

ROUNDING_S: Final = 1e-9
_rank: Final = attrgetter("rank")


@dataclass(slots=True, eq=False)
class Candidate:
    """A batch that could start: from `first` in `queue`, up to `rows_max` rows."""

    queue: EdfQueue
    first: int
    rows_max: int
    rank: tuple[int, float, int]


def first_kept(found: list[Candidate], from_s: float, lanes: int, quantile: float) -> Candidate:
    """The candidate to start: the first in rank of those that are worth their time.

    Moore and Hodgson's rule (1968), which keeps the most deadlines of single jobs on one lane: they
    are planned one after the other, and whenever the next one's head would be late, the worst of
    those planned so far is left out. Worst are those of the least urgent class, and among these
    the one with the fewest rows a second. What is left out is not shed: it waits, and may yet
    find a lane. One without a deadline is never left out, or it would wait for ever, nor is one
    with a reservation.

    Args:
        found: At least one; sorted by rank here.
        from_s: When they can start, and what must be left at the end after it.
        lanes: Batches that run at once.
        quantile: Of their predicted seconds.
    """
    found.sort(key=_rank)
    ahead_s = 0.0
    planned: list[tuple[int, float, int, float]] = []
    left_out: set[int] = set()
    for at, candidate in enumerate(found):
        queue = candidate.queue
        head = queue.calls[candidate.first]
        predictor = queue.model.predictor
        rows = head.rows if queue.solo else min(candidate.rows_max, queue.rows)
        run_s = predictor.predict_s(rows, queue.size, quantile)
        # A batch that starts later than now can still be smaller: only its head must make it.
        end_s = from_s + ahead_s / lanes + predictor.predict_s(head.rows, queue.size, quantile)
        ahead_s += run_s
        if head.deadline_s != inf and not head.reserved:
            heappush(planned, (-head.priority, rows / run_s, -at, run_s))
            if end_s > head.deadline_s + ROUNDING_S:
                _, _, worst, spared_s = heappop(planned)
                left_out.add(-worst)
                ahead_s -= spared_s
    # The first alone is in time, so there is always one that is not left out.
    return next(candidate for at, candidate in enumerate(found) if at not in left_out)
