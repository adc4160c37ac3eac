"""Tasks that wait: how many workers they need to be done by their deadlines."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Final

SPAN_S_MIN: Final = 15.0
"""What is due sooner is to be done in so long: nobody who is started for it would be quicker."""
ANY_TIME_S: Final = 600.0
"""What has no deadline is to be done in so long."""


@dataclass(frozen=True, slots=True)
class QueuedWork:
    """Tasks of one model and class that start and end about together.

    Attributes:
        model: Of the tasks.
        priority: Of the tasks, 0 to 3.
        tasks: How many.
        rows: Their rows.
        work_s: Seconds of one worker that they need; 0 when whoever told does not know.
        start_in_s: They may start after so long; 0 for now.
        left_s: Until the first of their deadlines; inf for none.
    """

    model: str
    priority: int
    tasks: int
    rows: int
    work_s: float
    start_in_s: float = 0.0
    left_s: float = inf


def workers_for(work: Iterable[QueuedWork], ahead_s: float) -> float:
    """Busy workers that finish every task by its deadline, if each takes one at a time.

    The largest, over all spans of time, of the work that must begin and end inside the span over
    its length: the demand bound of EDF (Baruah, Rosier and Howell 1990). What begins later than
    `ahead_s` from now needs nobody yet: workers that are started then will be there in time.

    Args:
        work: What waits; seconds of work that are not known count nothing.
        ahead_s: From a decision until its worker is ready.
    """
    spans = sorted(
        (
            min(each.left_s, each.start_in_s + ANY_TIME_S),
            each.start_in_s,
            each.work_s,
        )
        for each in work
        if each.work_s > 0.0 and each.start_in_s <= ahead_s
    )
    most = 0.0
    for begin_s in {start_s for _, start_s, _ in spans}:
        inside_s = 0.0
        for end_s, start_s, work_s in spans:
            if start_s >= begin_s:
                inside_s += work_s
                most = max(most, inside_s / max(SPAN_S_MIN, end_s - begin_s))
    return most
