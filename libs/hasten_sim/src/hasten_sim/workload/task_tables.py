"""Tables of tasks: what is submitted to the scheduler, and who runs it."""

from typing import Annotated

from pydantic import Field, model_validator

from hasten_policy.priorities import LOWEST
from hasten_sim.workload.base import Count, Index, NotNegative, Positive, Table


class QueueTable(Table):
    """Schedulers and the store of their tasks."""

    schedulers: Count = Field(default=1, description="Scheduler processes.")
    shards: Count = Field(
        default=1, description="Parts of the store, each of which one scheduler owns."
    )
    store_ms: NotNegative = Field(
        default=1.0, description="From a question to the store until its answer."
    )
    lease_s: Positive = Field(
        default=3.0, description="From the death of a scheduler until others own its shards."
    )


class TaskTable(Table):
    """Tasks of one kind, submitted to the scheduler beside the requests."""

    model: Annotated[str, Field(min_length=1)] = Field(description="One of models.")
    tenant: str = Field(default="", description="Who pays.")
    priority: Annotated[Index, Field(le=LOWEST)] = Field(
        default=1, description="Class, 0 is the most urgent."
    )
    deadline_s: Positive | None = Field(
        default=None, description="After so many seconds; left out, tasks have no deadline."
    )
    rate_per_s: Positive | None = Field(
        default=None, description="Tasks a second, at random times (Poisson)."
    )
    backlog: Count | None = Field(
        default=None,
        description="Instead: so many wait at all times, whatever is done: bulk without limit.",
    )
    at_s: NotNegative = Field(default=0.0, description="When they begin to come.")
    for_s: Positive | None = Field(
        default=None, description="How long; left out, as long as requests."
    )
    attempts_max: Count = Field(default=3, description="Most attempts that count.")

    @model_validator(mode="after")
    def _one_rate(self) -> "TaskTable":
        if (self.rate_per_s is None) == (self.backlog is None):
            raise ValueError("one of rate_per_s and backlog")
        return self
