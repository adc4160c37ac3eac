"""What would be with other demand or another number of workers, if it stayed like that."""

from dataclasses import dataclass
from math import inf
from typing import Final

from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.queueing import at_use, servers_for, wait_above

USE_MAX: Final = 0.9
LATE_SHARE_MAX: Final = 0.01
UNTIL_DEADLINE: Final = 0.5
"""So much of the time until the deadline may be spent waiting."""
VARIABILITY: Final = 0.5
"""Arrivals by chance, and runs that are alike."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The facts of a pool at rest.

    Attributes:
        load: Busy workers that demand asks for.
        rate_per_s: Calls a second that one worker does.
        lanes: Batches that a worker runs at once.
        slack_s: Time until the deadline that calls typically have; inf for none.
        queued: Busy workers that waiting tasks need.
    """

    load: float
    rate_per_s: float
    lanes: int = 1
    slack_s: float = inf
    queued: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What would be.

    Attributes:
        needed: Workers that keep the deadlines, within the bounds.
        workers: Those that the rest is for.
        use: Their busy share; at most 1.
        late_share: Share of the calls that wait longer than half of their time.
        price_per_h: What they cost an hour.
        load: Busy workers that demand asks for.
        limited_by: The bound that keeps it from what is needed; "" for none.
    """

    needed: int
    workers: int
    use: float
    late_share: float
    price_per_h: float
    load: float
    limited_by: str


def what_if(
    standing: Standing, bounds: Bounds, *, demand_factor: float = 1.0, workers: int | None = None
) -> Answer:
    """The answer.

    Args:
        standing: The facts.
        bounds: Of the pool.
        demand_factor: Demand is multiplied by this.
        workers: So many there would be; None for as many as are needed.

    Raises:
        ValueError: The factor is negative or not finite, or the number is negative.
    """
    if not 0.0 <= demand_factor < inf:
        raise ValueError("demand_factor must be a number, 0 or more")
    if workers is not None and workers < 0:
        raise ValueError("workers must not be negative")
    load = standing.load * demand_factor
    lanes, rate_per_s = standing.lanes, max(standing.rate_per_s, 1e-9) / standing.lanes
    wait_s = standing.slack_s * UNTIL_DEADLINE
    few_wait = servers_for(load * lanes, rate_per_s, wait_s, LATE_SHARE_MAX, VARIABILITY)
    wanted = max(-(-few_wait // lanes), at_use(load + standing.queued, USE_MAX))
    needed = max(bounds.workers_min, min(bounds.most, wanted))
    limited_by = ""
    if needed < wanted:
        limited_by = "budget" if bounds.most < bounds.workers_max else "workers_max"
    count = needed if workers is None else workers
    late_share = 0.0
    if load > 0.0:
        late_share = (
            wait_above(count * lanes, load * lanes, rate_per_s, wait_s, VARIABILITY)
            if count
            else 1.0
        )
    return Answer(
        needed=needed,
        workers=count,
        use=min(1.0, (load + standing.queued) / count) if count else float(load > 0.0),
        late_share=late_share,
        price_per_h=count * bounds.price_per_h,
        load=load,
        limited_by=limited_by,
    )
