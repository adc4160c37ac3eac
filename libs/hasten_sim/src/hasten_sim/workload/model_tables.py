"""Tables that say what requests are for."""

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
    Span,
    Table,
)
from hasten_sim.workload.length_tables import LengthTable


class NoiseTable(Table):
    """How runs of a model differ."""

    cv: NotNegative = Field(
        default=0.0, description="Coefficient of variation of a log-normal factor of mean 1."
    )
    tail_share: Share = Field(default=0.0, description="Share of runs that take far longer.")
    tail_factor: Number = Field(default=1.0, ge=1, description="So many times as long.")
    drift_cv: NotNegative = Field(
        default=0.0,
        description="Coefficient of variation of a second such factor, which drifts: runs that "
        "follow each other are slow or fast together.",
    )
    drift_s: Span = Field(
        default=1.0, description="After so long 1/e of a deviation of the drift is left."
    )
    stall_every_s: Span | None = Field(
        default=None, description="Mean time between stalls, which come at random."
    )
    stall_ms: NotNegative = Field(
        default=0.0, description="The run that meets a stall takes so much longer."
    )

    @model_validator(mode="after")
    def _stalls_are_rare(self) -> "NoiseTable":
        if (self.stall_every_s is None) == (self.stall_ms > 0.0):
            raise ValueError("stall_every_s and stall_ms above 0 together")
        if self.stall_every_s is not None and self.stall_ms > 500.0 * self.stall_every_s:
            raise ValueError("stall_ms of at most half of stall_every_s")
        return self


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
    element_us: NotNegative = Field(
        default=0.0,
        description="Beside the line: so much more for each element of a batch; a row of length n "
        "has n.",
    )
    square_us: NotNegative = Field(
        default=0.0,
        description="Beside the line: so much more for each row, times the square of its length.",
    )
    lengths: LengthTable | None = Field(
        default=None,
        description="How long rows are; 1 unless said. Only requests of one length share a batch.",
    )
    batch_max: Count = Field(default=1, description="Most rows in a batch.")
    share: NotNegative | None = Field(
        default=None,
        description="Relative share of the requests, of the whole set; 1 for each model. 0 for "
        "what tasks alone ask for.",
    )
    zipf: NotNegative = Field(
        default=0.0, description="Within the set, the i-th model's share goes with i ** -zipf."
    )
    noise: NoiseTable = NoiseTable()
    profiled_factor: Positive = Field(
        default=1.0,
        description="The profile taken when it is loaded is so many times the truth.",
    )
    profiled_at: Literal["lengths", "length_1", "never"] = Field(
        default="lengths",
        description="That profile is taken with four of the lengths that rows have, with rows of "
        "length 1, or not at all.",
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
        if not line and (self.element_us or self.square_us):
            raise ValueError("alpha_ms and beta_ms beside element_us and square_us")
        if self.zipf and self.count is None:
            raise ValueError("count beside zipf")
        return self
