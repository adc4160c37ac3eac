"""Where workers of a simulated mesh come from."""

from dataclasses import dataclass

from hasten_policy.scaling.limits import Bounds


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
    """

    bounds: Bounds
    process_s: float = 5.0
    warm_s: float = 1.0
    start_cv: float = 0.2
    tell_s: float = 1.0
    forecast_s: float = 0.0
    day_s: float = 0.0
