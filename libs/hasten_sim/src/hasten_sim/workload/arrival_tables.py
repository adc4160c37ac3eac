"""The table [arrivals]: when requests come. The processes themselves are in `processes`."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hasten_sim.workload.base import NotNegative, Positive, Share, Span, Switch, Table


class _Rated(Table):
    """Says how many come: exactly one of the two."""

    load: Positive | None = Field(
        default=None,
        description="Rate at factor 1, as a multiple of what the mesh does with full batches.",
    )
    rate_per_s: Positive | None = Field(
        default=None, description="The same as requests a second; give one of the two."
    )

    @model_validator(mode="after")
    def _one_rate(self) -> "_Rated":
        if (self.load is None) == (self.rate_per_s is None):
            raise ValueError("exactly one of load and rate_per_s")
        return self


class _Modulated(_Rated):
    """A rate that changes; between changes the gaps have a CV."""

    cv: NotNegative = Field(
        default=1.0, description="Coefficient of variation of the gaps at a constant rate."
    )


class PoissonArrivals(_Rated):
    """Independent of each other, at a constant rate."""

    process: Literal["poisson"]


class GammaArrivals(_Rated):
    """Gaps are gamma distributed: bursts for a CV above 1, a metronome for 0."""

    process: Literal["gamma"]
    cv: NotNegative = Field(description="Coefficient of variation of the gaps.")


class MmppState(Table):
    """One state of the chain."""

    factor: NotNegative = Field(description="Rate in this state, times the rate at factor 1.")
    mean_s: Span = Field(description="Mean stay, exponential.")


class MmppArrivals(_Modulated):
    """Markov-modulated: the states follow each other in turn, each for a random time."""

    process: Literal["mmpp"]
    states: tuple[MmppState, ...] = Field(min_length=2, description="Its states.")

    @field_validator("states")
    @classmethod
    def _something_comes(cls, states: tuple[MmppState, ...]) -> tuple[MmppState, ...]:
        if not any(state.factor for state in states):
            raise ValueError("at least one state with a factor above 0")
        return states


class OnOffArrivals(_Modulated):
    """Full rate for on_s, then another for off_s, and so on."""

    process: Literal["on_off"]
    on_s: Span = Field(description="Length of the time at factor 1; it comes first.")
    off_s: Span = Field(description="Length of the time at off_factor.")
    off_factor: NotNegative = Field(default=0.0, description="Factor of the rate while off.")


class Step(Table):
    """A change of the rate."""

    at_s: NotNegative = Field(description="When.")
    factor: NotNegative = Field(description="Factor of the rate from then on.")


class StepArrivals(_Modulated):
    """Factor 1, until the first step."""

    process: Literal["step"]
    steps: tuple[Step, ...] = Field(min_length=1, description="Changes, in order of time.")

    @field_validator("steps")
    @classmethod
    def _in_order(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        if any(later.at_s <= earlier.at_s for earlier, later in pairwise(steps)):
            raise ValueError("steps with ascending at_s")
        return steps


class DiurnalArrivals(_Modulated):
    """1 - amplitude * cos(2 pi t / period_s): it begins at night."""

    process: Literal["diurnal"]
    period_s: Span = Field(description="Length of a day.")
    amplitude: Share = Field(description="0 for a constant rate, 1 for a silent night.")


class TraceArrivals(Table):
    """Replays a CSV file with the columns at_s and, if wanted, model."""

    process: Literal["trace"]
    file: str = Field(min_length=1, description="The CSV, beside the workload file.")
    load: Positive | None = Field(
        default=None, description="Replay as fast as it takes for this multiple of the capacity."
    )
    rate_per_s: Positive | None = Field(
        default=None, description="Replay as fast as it takes for this mean rate."
    )
    speed_up: Positive = Field(default=1.0, description="Replay so many times as fast.")
    scale: Positive = Field(
        default=1.0,
        description="Each arrival comes so many times: 2 doubles it, 0.5 drops every other.",
    )
    repeat: Switch = Field(default=False, description="Begin anew until the duration is over.")

    @model_validator(mode="after")
    def _one_speed(self) -> "TraceArrivals":
        said = {"load", "rate_per_s", "speed_up"} & self.model_fields_set
        if len(said) > 1:
            raise ValueError("at most one of load, rate_per_s and speed_up")
        return self


ArrivalTable = Annotated[
    PoissonArrivals
    | GammaArrivals
    | MmppArrivals
    | OnOffArrivals
    | StepArrivals
    | DiurnalArrivals
    | TraceArrivals,
    Field(discriminator="process"),
]
