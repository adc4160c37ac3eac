"""The table [pool]: where an autoscaler takes workers from."""

from math import inf

from pydantic import Field, model_validator

from hasten_policy.scaling.limits import Bounds
from hasten_sim.pool import PlannedBatch, PoolShape
from hasten_sim.workload.base import Count, Index, NotNegative, Positive, Table


class PlannedTable(Table):
    """Batches of tasks that are known in advance. The demand level alone shows them."""

    at_s: NotNegative = Field(description="The first one may start then.")
    every_s: Positive | None = Field(
        default=None, description="Another one comes each so many seconds; left out, none does."
    )
    work_s: Positive = Field(description="Seconds of one worker that a batch needs.")
    tasks: Count = Field(description="Tasks of a batch.")
    deadline_s: Positive = Field(description="A batch is to be done so long after its start.")
    known_s: NotNegative | None = Field(
        default=None,
        description="Schedulers tell of it so long before it may start; left out, from the first.",
    )

    def batches(self, until_s: float) -> tuple[PlannedBatch, ...]:
        """Those that are due within a run."""
        known_s = inf if self.known_s is None else self.known_s
        count = 1 if self.every_s is None else int(max(0.0, until_s - self.at_s) / self.every_s) + 1
        starts = (self.at_s + number * (self.every_s or 0.0) for number in range(count))
        return tuple(
            PlannedBatch(at_s, self.work_s, self.tasks, at_s + self.deadline_s, known_s)
            for at_s in starts
            if at_s + self.deadline_s <= until_s
        )


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
    planned: tuple[PlannedTable, ...] = Field(
        default=(), description="Batches of tasks that are known in advance."
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


def pool_of(table: PoolTable | None, duration_s: float = 0.0) -> PoolShape | None:
    """What the simulator takes, for a run of so many seconds.

    Raises ValueError where the bounds contradict each other.
    """
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
        planned=tuple(batch for each in table.planned for batch in each.batches(duration_s)),
    )
