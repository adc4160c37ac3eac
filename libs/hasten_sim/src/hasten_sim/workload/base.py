"""What all tables of a workload file share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A whole or decimal number; text that looks like one is a mistake."""
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Whole = Annotated[int, Field(strict=True)]
Count = Annotated[Whole, Field(ge=1)]
Index = Annotated[Whole, Field(ge=0)]
Switch = StrictBool
ClassShares = Annotated[tuple[NotNegative, ...], Field(min_length=1, max_length=4)]
"""Relative shares of the priority classes, most urgent first."""


class Table(BaseModel):
    """A table of the file; a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)
