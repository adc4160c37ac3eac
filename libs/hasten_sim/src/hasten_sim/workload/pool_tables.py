"""The table [pool]: where an autoscaler takes workers from."""

from pydantic import Field, model_validator

from hasten_policy.scaling.limits import Bounds
from hasten_sim.pool import PoolShape
from hasten_sim.workload.base import Count, Index, NotNegative, Positive, Table


class PoolTable(Table):
    """Workers that an autoscaler starts and drains (`hasten simulate FILE --autoscaler RULE`);
    without an autoscaler it says nothing.
    """

    workers_min: Index = Field(default=1, description="Never fewer; 0 allows none at all.")
    workers_max: Count = Field(description="Never more.")
    price_per_h: NotNegative = Field(
        default=1.0, description="What a worker costs an hour, in any unit."
    )
    budget_per_h: NotNegative = Field(
        default=0.0, description="Most that all of them may cost an hour; 0 for no limit."
    )
    process_s: NotNegative = Field(
        default=5.0, description="Mean time until the process of a new worker runs."
    )
    warm_s: NotNegative = Field(
        default=1.0,
        description="Mean time from the end of loading (load_s of the models) to the first call.",
    )
    start_cv: NotNegative = Field(
        default=0.2, description="Coefficient of variation of each stage of a start."
    )
    tell_s: Positive = Field(
        default=1.0, description="Routers and workers tell the autoscaler so often."
    )
    forecast_s: NotNegative = Field(
        default=0.0,
        description="Demand is forecast over periods of so many seconds; 0 for no forecast.",
    )
    day_s: NotNegative = Field(
        default=0.0,
        description="What demand does is looked for again after so long, as a day; 0 for nothing.",
    )
    rules: tuple[str, ...] = Field(
        default=(), description="Rules worth comparing on it, as --autoscaler takes them."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "PoolTable":
        pool_of(self)
        if self.day_s and not self.day_s >= 2.0 * self.forecast_s > 0.0:
            raise ValueError("day_s of at least two forecast_s, which is above 0")
        return self


def pool_of(table: PoolTable | None) -> PoolShape | None:
    """What the simulator takes. Raises ValueError where the bounds contradict each other."""
    if table is None:
        return None
    bounds = Bounds(table.workers_min, table.workers_max, table.price_per_h, table.budget_per_h)
    return PoolShape(
        bounds=bounds,
        process_s=table.process_s,
        warm_s=table.warm_s,
        start_cv=table.start_cv,
        tell_s=table.tell_s,
        forecast_s=table.forecast_s,
        day_s=table.day_s,
    )
