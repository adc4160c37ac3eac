"""Where workers of a simulated mesh come from."""

from dataclasses import dataclass

from hasten_policy.scaling.limits import Bounds


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Tasks that come at a time which is known.

    Attributes:
        at_s: They may start then.
        work_s: Seconds of one worker that they need, all together.
        tasks: How many they are.
        due_s: They are to be done by then.
        known_s: Schedulers tell of them so long before they may start.
    """

    at_s: float
    work_s: float
    tasks: int
    due_s: float
    known_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class PoolShape:
    """A pool of workers that comes and goes.

    Attributes:
        bounds: How many there may be, and what they cost.
        process_s: Mean seconds until the process of a new worker runs.
        warm_s: Mean seconds from the end of loading to the first call.
        start_cv: Coefficient of variation of each stage of a start.
        tell_s: Routers and workers tell the autoscaler every so many seconds.
        forecast_s: Demand is forecast over periods of so many seconds; 0 for no forecast.
        day_s: Length of what may come again, for the forecast; 0 for nothing.
        planned: Batches of tasks beside the calls.
    """

    bounds: Bounds
    process_s: float = 5.0
    warm_s: float = 1.0
    start_cv: float = 0.2
    tell_s: float = 1.0
    forecast_s: float = 0.0
    day_s: float = 0.0
    planned: tuple[PlannedBatch, ...] = ()
