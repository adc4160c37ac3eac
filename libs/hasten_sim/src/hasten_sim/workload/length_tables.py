"""Tables that say how long the rows of a model's requests are."""

from typing import Annotated, Literal

from pydantic import Field

from hasten_sim.lengths import ONE, Lengths, choices, lognormal
from hasten_sim.workload.base import Count, NotNegative, Number, Positive, Table


class FixedLength(Table):
    """All alike."""

    kind: Literal["fixed"]
    length: Count = Field(description="Of each row.")


class MixedLengths(Table):
    """Drawn for each request."""

    kind: Literal["mixed"]
    choices: tuple[tuple[Count, Positive], ...] = Field(
        min_length=1, description="[length, relative share] pairs."
    )


class LognormalLengths(Table):
    """Many, most of them short, in 200 steps."""

    kind: Literal["lognormal"]
    mean_length: Annotated[Number, Field(ge=1)] = Field(description="Mean, before the cut at most.")
    cv: NotNegative = Field(description="Coefficient of variation.")
    most: Count = Field(default=512, description="Longer ones are cut to this.")


LengthTable = Annotated[FixedLength | MixedLengths | LognormalLengths, Field(discriminator="kind")]


def lengths_of(table: LengthTable | None) -> Lengths:
    """As the simulator takes them; length 1 where nothing is said."""
    match table:
        case FixedLength():
            return choices(((table.length, 1.0),))
        case MixedLengths():
            return choices(table.choices)
        case LognormalLengths():
            return lognormal(table.mean_length, table.cv, table.most)
        case _:
            return ONE
