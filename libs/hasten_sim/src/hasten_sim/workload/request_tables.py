"""Tables that say what a request is like: deadline, priority, tenant, size."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hasten_sim.workload.base import (
    ClassShares,
    Count,
    Index,
    NotNegative,
    Positive,
    Switch,
    Table,
)


class Deadlines(Table):
    """What all that have some share."""

    callers_leave: Switch = Field(
        default=True, description="Callers cancel at their deadline, as gRPC clients do."
    )


class NoDeadlines(Table):
    """Requests wait as long as it takes."""

    kind: Literal["none"]


class FixedDeadlines(Deadlines):
    """All alike."""

    kind: Literal["fixed"]
    ms: Positive = Field(description="From arrival to deadline.")


class ScaledDeadlines(Deadlines):
    """Each model its own."""

    kind: Literal["scaled"]
    factor: Positive = Field(description="Times the model's time for a batch of one row.")


class DeadlineChoice(Table):
    """One of several deadlines."""

    ms: Positive | None = Field(
        default=None, description="From arrival to deadline; left out for no deadline."
    )
    share: Positive = Field(description="Relative share of the requests.")


class MixedDeadlines(Deadlines):
    """Drawn for each request."""

    kind: Literal["mixed"]
    choices: tuple[DeadlineChoice, ...] = Field(min_length=1, description="What is drawn from.")


DeadlineTable = Annotated[
    NoDeadlines | FixedDeadlines | ScaledDeadlines | MixedDeadlines, Field(discriminator="kind")
]


def _some(shares: tuple[float, ...]) -> tuple[float, ...]:
    if not any(shares):
        raise ValueError("at least one share above 0")
    return shares


class PriorityTable(Table):
    """Classes 0 (most urgent) to 3."""

    shares: ClassShares = Field(description="Relative shares of classes 0, 1, 2 and 3.")

    _some_share = field_validator("shares")(_some)


class TenantTable(Table):
    """Who asks."""

    name: str = Field(description="Unique.")
    share: Positive = Field(default=1.0, description="Relative share of the requests.")
    rate_factor: NotNegative = Field(
        default=1.0,
        description="It asks for so many times its share, on top of what the others ask for.",
    )
    priorities: ClassShares | None = Field(
        default=None, description="Its own shares of the classes, in place of [priorities]."
    )

    @field_validator("priorities")
    @classmethod
    def _some_share(cls, shares: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if shares is None else _some(shares)


class FixedPayload(Table):
    """All alike."""

    kind: Literal["fixed"]
    bytes: Index = Field(description="Size of a request.")


class LognormalPayload(Table):
    """Sizes differ."""

    kind: Literal["lognormal"]
    mean_bytes: Positive = Field(description="Mean size of a request.")
    cv: NotNegative = Field(description="Coefficient of variation.")


PayloadTable = Annotated[FixedPayload | LognormalPayload, Field(discriminator="kind")]


class FixedRows(Table):
    """All alike."""

    kind: Literal["fixed"]
    rows: Count = Field(description="Rows of a request.")


class UniformRows(Table):
    """Any count between two, with equal probability."""

    kind: Literal["uniform"]
    least: Count = Field(description="Fewest rows.")
    most: Count = Field(description="Most rows.")

    @model_validator(mode="after")
    def _in_order(self) -> "UniformRows":
        if self.most < self.least:
            raise ValueError("most to be at least least")
        return self


class RowsChoice(Table):
    """One of several counts."""

    rows: Count = Field(description="Rows of a request.")
    share: Positive = Field(description="Relative share of the requests.")


class MixedRows(Table):
    """Drawn for each request."""

    kind: Literal["mixed"]
    choices: tuple[RowsChoice, ...] = Field(min_length=1, description="What is drawn from.")


RowsTable = Annotated[FixedRows | UniformRows | MixedRows, Field(discriminator="kind")]
