"""How many requests a second a workload offers."""

from dataclasses import dataclass
from itertools import pairwise
from math import pi, sin

from hasten_sim.workload.arrival_tables import (
    ArrivalTable,
    DiurnalArrivals,
    MmppArrivals,
    OnOffArrivals,
    StepArrivals,
    TraceArrivals,
)
from hasten_sim.workload.file_table import FileTable
from hasten_sim.workload.trace import Trace


@dataclass(frozen=True, slots=True)
class Rate:
    """What is offered.

    Attributes:
        per_s: At factor 1; of a replay, on average.
        speed_up: Of a replay.
        mean_per_s: On average over the duration.
    """

    per_s: float
    speed_up: float
    mean_per_s: float


def offered(
    table: FileTable,
    trace: Trace | None,
    *,
    load: float | None,
    capacity_per_s: float,
    duration_s: float,
) -> Rate:
    """The rate for a load, or the file's own where that is None."""
    said = table.arrivals
    wanted = said.load if load is None and said.rate_per_s is None else load
    per_s = said.rate_per_s if wanted is None else wanted * capacity_per_s
    if isinstance(said, TraceArrivals) and trace is not None:
        recorded_per_s = len(trace.times_s) * said.scale / trace.length_s
        speed_up = said.speed_up if per_s is None else per_s / recorded_per_s
        return Rate(recorded_per_s * speed_up, speed_up, recorded_per_s * speed_up)
    per_s = (per_s or 0.0) * _asked_for(table)
    return Rate(per_s, 1.0, per_s * mean_factor(said, duration_s))


def _asked_for(table: FileTable) -> float:
    """What the tenants ask for, as a multiple of their shares."""
    if not table.tenants:
        return 1.0
    shares = sum(tenant.share for tenant in table.tenants)
    return sum(tenant.share * tenant.rate_factor for tenant in table.tenants) / shares


def mean_factor(said: ArrivalTable, duration_s: float) -> float:
    """Mean factor of the rate, over the duration where that is certain, else in the long run."""
    if isinstance(said, MmppArrivals):
        stays = sum(state.mean_s for state in said.states)
        return sum(state.factor * state.mean_s for state in said.states) / stays
    if isinstance(said, OnOffArrivals):
        period_s = said.on_s + said.off_s
        whole, rest_s = divmod(duration_s, period_s)
        on_s = whole * said.on_s + min(rest_s, said.on_s)
        return (on_s + (duration_s - on_s) * said.off_factor) / duration_s
    if isinstance(said, StepArrivals):
        ends = [(0.0, 1.0), *((step.at_s, step.factor) for step in said.steps), (duration_s, 0.0)]
        cut = [(min(at_s, duration_s), factor) for at_s, factor in ends]
        passed = sum((later[0] - begin[0]) * begin[1] for begin, later in pairwise(cut))
        return passed / duration_s
    if isinstance(said, DiurnalArrivals):
        turn = 2.0 * pi * duration_s / said.period_s
        return 1.0 - said.amplitude * sin(turn) / turn
    return 1.0
