"""Tables of tasks: what is submitted to the scheduler, and who runs it."""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from hasten_policy.priorities import LOWEST
from hasten_sim.workload.base import Count, Index, NotNegative, Number, Positive, Switch, Table

PERIOD_MS_MIN: Final = 1.0

Period = Annotated[Number, Field(ge=PERIOD_MS_MIN)]


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
    period_ms: Period | None = Field(
        default=None, description="Instead: a schedule submits one each so many milliseconds."
    )
    phase_ms: NotNegative = Field(
        default=0.0, description="With period_ms: when in the period; less than the period."
    )
    hard: Switch = Field(
        default=False,
        description="With period_ms: the schedule reserves a part of a worker. Needs a deadline"
        " of at most the period.",
    )
    catch_up: Literal["skip", "one", "all"] = Field(
        default="skip", description="With period_ms: what becomes of times that were missed."
    )
    overlap: Literal["skip", "allow", "wait"] = Field(
        default="skip",
        description="With period_ms: what becomes of a time at which the task before goes on.",
    )
    at_s: NotNegative = Field(default=0.0, description="When they begin to come.")
    for_s: Positive | None = Field(
        default=None, description="How long; left out, as long as requests."
    )
    attempts_max: Count = Field(default=3, description="Most attempts that count.")

    @model_validator(mode="after")
    def _one_rate(self) -> "TaskTable":
        if sum(rate is not None for rate in (self.rate_per_s, self.backlog, self.period_ms)) != 1:
            raise ValueError("one of rate_per_s, backlog and period_ms")
        return self

    @model_validator(mode="after")
    def _a_schedule(self) -> "TaskTable":
        said = {"phase_ms", "hard", "catch_up", "overlap"} & self.model_fields_set
        if self.period_ms is None:
            if said:
                raise ValueError(f"period_ms beside {min(said)}")
            return self
        if self.phase_ms >= self.period_ms:
            raise ValueError("phase_ms less than period_ms")
        if self.hard and (self.deadline_s is None or self.deadline_s * 1e3 > self.period_ms):
            raise ValueError("deadline_s of at most the period, as it is hard")
        if self.hard and (self.catch_up != "skip" or self.overlap != "skip"):
            raise ValueError("catch_up and overlap skip, as it is hard")
        return self
