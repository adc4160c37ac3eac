"""Where scenarios come from, and the points of a sweep over them."""

from dataclasses import dataclass, replace
from math import isclose
from typing import TYPE_CHECKING, Final, Protocol

from hasten_sim.scenario import Scenario

if TYPE_CHECKING:
    from hasten_sim.workload import Workload


class Source(Protocol):
    """Makes scenarios; a plain value, so that it can go to another process.

    `Lasting` is one; so is a `hasten_sim.question.Question`.
    """

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        """The scenario with some of it changed; load 1.0 is the capacity.

        Raises ValueError where that cannot be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Lasting:
    """A workload that lasts longer or shorter than its file says; a `Source`.

    Attributes:
        workload: Which.
        duration_s: How long; None for as long as it says.
    """

    workload: "Workload"
    duration_s: float | None = None

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        """As `Source`."""
        return self.workload.scenario(
            load=load, workers=workers, routers=routers, duration_s=self.duration_s
        )


@dataclass(frozen=True, slots=True)
class Point:
    """What a run changes in its scenario; None keeps what the scenario says.

    Attributes:
        load: Offered load as a multiple of the capacity.
        workers: Workers. Without `load` the offered rate stays what it was.
        routers: Routers.
    """

    load: float | None = None
    workers: int | None = None
    routers: int | None = None

    def __str__(self) -> str:
        said = [
            f"{value:g}x load" if name == "load" else f"{value} {name}"
            for name in ("load", "workers", "routers")
            if (value := getattr(self, name)) is not None
        ]
        return ", ".join(said) or "the workload's load"


AS_SAID: Final = Point()
"""Changes nothing."""


def scenario_at(source: Source, point: Point) -> Scenario:
    """The scenario at a point.

    More or fewer workers meet the same offered rate: a workload that gives its rate as a
    multiple of the capacity is not offered more because there are more workers.
    """
    if point.load is None and point.workers is not None:
        as_said = source.scenario(routers=point.routers)
        changed = source.scenario(workers=point.workers, routers=point.routers)
        if isclose(changed.offered_per_s, as_said.offered_per_s):
            return changed
        point = at_rate(source, as_said.offered_per_s, point)
    return source.scenario(load=point.load, workers=point.workers, routers=point.routers)


def at_rate(source: Source, rate_per_s: float, point: Point) -> Point:
    """The point with the load that is this rate there."""
    return replace(point, load=rate_per_s / capacity_at(source, point))


def capacity_at(source: Source, point: Point) -> float:
    """Requests a second that are the load 1.0 there."""
    full = source.scenario(load=1.0, workers=point.workers, routers=point.routers)
    return full.offered_per_s


def load_at(source: Source, point: Point, scenario: Scenario) -> float:
    """Offered load of the scenario of that point, as a multiple of the capacity."""
    if point.load is not None:
        return point.load
    # Six digits: what was worked out by division reads as what it stands for.
    return round(scenario.offered_per_s / capacity_at(source, point), 6)
