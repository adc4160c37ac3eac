"""A worker that cannot be interrupted and a set of periodic tasks, in whole steps of time."""

import heapq
from collections.abc import Sequence

from hasten_policy.scheduler.jobs.periods.feasibility import Need, by_rank


def worst_responses(
    needs: Sequence[Need], offsets: dict[str, int], block: int, until: int
) -> dict[str, int]:
    """The longest response of each task when the first turns come at these offsets.

    A run of something else, `block` long, begins just before time 0 and never again: later it could
    only begin on an idle worker, and then blocks as this one does at time 0 of another offset.
    """
    rank = {need.name: at for at, need in enumerate(by_rank(needs))}
    turns = sorted(
        (at, rank[need.name], need.run, need.name)
        for need in needs
        for at in range(offsets[need.name], until, need.period)
    )
    worst = dict.fromkeys(rank, 0)
    ready: list[tuple[int, int, int, str]] = []
    now = 0
    first = block - 1 if block else 0  # it began one step before 0
    now = max(0, first)
    at = 0
    while at < len(turns) or ready:
        if not ready:
            now = max(now, turns[at][0])
        while at < len(turns) and turns[at][0] <= now:
            came, place, run, name = turns[at]
            heapq.heappush(ready, (place, came, run, name))
            at += 1
        _, came, run, name = heapq.heappop(ready)
        now += run
        worst[name] = max(worst[name], now - came)
    return worst
