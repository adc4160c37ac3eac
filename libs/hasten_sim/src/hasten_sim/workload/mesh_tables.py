"""Tables that say what there is: routers, workers, models, and what befalls them."""

from itertools import pairwise
from typing import Literal

from pydantic import Field, field_validator, model_validator

from hasten_sim.workload.base import (
    Count,
    Index,
    NotNegative,
    Number,
    Positive,
    Share,
    Switch,
    Table,
)


class NetworkTable(Table):
    """Between routers and workers."""

    latency_ms: NotNegative = Field(default=0.2, description="One way.")
    jitter_ms: NotNegative = Field(
        default=0.0, description="Mean of an exponential addition to it."
    )
    report_period_ms: Number = Field(
        default=250.0, ge=1, description="Between two full load reports of a worker."
    )
    report_loss: Share = Field(default=0.0, description="Share of full reports that are lost.")


class MeshTable(Table):
    """Routers and workers."""

    routers: Count = Field(default=1, description="Arrivals are spread over them in turn.")
    workers: Count = Field(default=1, description="Workers.")
    lanes: Count = Field(default=1, description="Batches that a worker runs at once.")
    speeds: tuple[Positive, ...] = Field(
        default=(1.0,),
        min_length=1,
        description="Speed of each worker, repeated in turn; 2 is twice as fast.",
    )
    weights_known: Switch = Field(
        default=False,
        description="Routers are told the speeds, as weights set by an operator, but for balancer "
        "hasten, which measures them and would count them twice.",
    )
    weights: tuple[Positive, ...] = Field(
        default=(),
        description="What they are told instead of the speeds, repeated in turn; needs "
        "weights_known.",
    )
    memory_mb: NotNegative = Field(
        default=0.0, description="Memory of a worker for models; 0 for no limit."
    )
    network: NetworkTable = NetworkTable()

    @model_validator(mode="after")
    def _weights_are_used(self) -> "MeshTable":
        if self.weights and not self.weights_known:
            raise ValueError("weights_known = true beside weights")
        return self


class NoiseTable(Table):
    """How runs of a model differ."""

    cv: NotNegative = Field(
        default=0.0, description="Coefficient of variation of a log-normal factor of mean 1."
    )
    tail_share: Share = Field(default=0.0, description="Share of runs that take far longer.")
    tail_factor: Number = Field(default=1.0, ge=1, description="So many times as long.")


class ModelTable(Table):
    """A model, or with `count` a set of alike ones."""

    name: str = Field(
        min_length=1, description="Unique; with count, numbers from 0 are appended to it."
    )
    count: Count | None = Field(default=None, description="So many models, differing in share.")
    alpha_ms: NotNegative | None = Field(
        default=None, description="A batch of b rows takes alpha_ms + beta_ms * b."
    )
    beta_ms: NotNegative | None = Field(
        default=None, description="See alpha_ms; 0 when only alpha_ms is given."
    )
    points: tuple[tuple[Count, Positive], ...] | None = Field(
        default=None,
        min_length=1,
        description="Instead of the line: measured [rows, ms] pairs, ascending in rows.",
    )
    batch_max: Count = Field(default=1, description="Most rows in a batch.")
    share: Positive | None = Field(
        default=None,
        description="Relative share of the requests, of the whole set; 1 for each model.",
    )
    zipf: NotNegative = Field(
        default=0.0, description="Within the set, the i-th model's share goes with i ** -zipf."
    )
    noise: NoiseTable = NoiseTable()
    profiled_factor: Positive = Field(
        default=1.0,
        description="The profile taken when it is loaded is so many times the truth.",
    )
    replicas: Index = Field(default=0, description="Workers that hold it; 0 for all.")
    memory_mb: NotNegative = Field(default=0.0, description="What it takes on a worker.")
    load_s: NotNegative = Field(
        default=0.0, description="Until a worker that begins to load it is warm."
    )

    @field_validator("points")
    @classmethod
    def _ascending(
        cls, points: tuple[tuple[int, float], ...] | None
    ) -> tuple[tuple[int, float], ...] | None:
        if points and any(later[0] <= earlier[0] for earlier, later in pairwise(points)):
            raise ValueError("points ascending in rows")
        return points

    @model_validator(mode="after")
    def _one_timing(self) -> "ModelTable":
        line = self.alpha_ms is not None or self.beta_ms is not None
        if line == (self.points is not None):
            raise ValueError("either alpha_ms and beta_ms, or points")
        if line and not ((self.alpha_ms or 0.0) + (self.beta_ms or 0.0)):
            raise ValueError("alpha_ms or beta_ms above 0")
        if self.zipf and self.count is None:
            raise ValueError("count beside zipf")
        return self


class FaultTable(Table):
    """Something that goes wrong."""

    kind: Literal["crash", "hang", "slow", "partition", "store_loss", "join"] = Field(
        description="crash (the process dies), hang (it stands still), slow (runs take factor "
        "times as long), partition (no message comes through), store_loss (discovery finds "
        "nobody new), join (the worker is not there before at_s).",
    )
    at_s: NotNegative = Field(description="When it begins.")
    for_s: Positive | None = Field(default=None, description="How long; left out, for good.")
    worker: Index | Literal["random"] | None = Field(
        default=None,
        description='Which, from 0, or "random"; every kind but store_loss needs it.',
    )
    factor: Positive | None = Field(default=None, description="Of slow, and needed there.")

    @model_validator(mode="after")
    def _complete(self) -> "FaultTable":
        if (self.worker is None) != (self.kind == "store_loss"):
            raise ValueError("worker for every kind but store_loss")
        if (self.factor is None) == (self.kind == "slow"):
            raise ValueError("factor for slow, and for nothing else")
        return self
