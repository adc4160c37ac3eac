"""What all tables of a workload file share."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from hasten_policy.priorities import CLASSES

LARGEST: Final = 1e9
"""No number of a file is larger: what is drawn from it, and its square, stays finite."""
COUNT_MAX: Final = 1_000_000
"""Likewise of what is counted: it fits into memory."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, le=LARGEST)]
"""A whole or decimal number; text that looks like one is a mistake."""
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Span = Annotated[Number, Field(ge=0.001)]
"""Something that comes again and again: were it shorter, a run would do little else."""
Share = Annotated[Number, Field(ge=0, le=1)]
Whole = Annotated[int, Field(strict=True, le=COUNT_MAX)]
Count = Annotated[Whole, Field(ge=1)]
Index = Annotated[Whole, Field(ge=0)]
Switch = StrictBool
ClassShares = Annotated[tuple[NotNegative, ...], Field(min_length=1, max_length=CLASSES)]
"""Relative shares of the priority classes, most urgent first."""


class Table(BaseModel):
    """A table of the file; a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
