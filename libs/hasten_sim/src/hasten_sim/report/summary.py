"""Runs grouped by policy and point, and their figures over the seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.report.statistics import Interval, Paired, highest_x_with, interval, paired
from hasten_sim.sweep import Job

AXES: Final = ("load", "workers", "routers")
GOOD: Final = 0.99
"""Attainment that goodput@99 asks for."""

Axis = Literal["load", "workers", "routers"]
Metric = Callable[[Figures], float]


def _latency(name: str) -> Metric:
    return lambda figures: figures.latency_ms[name]


METRICS: Final[dict[str, Metric]] = {
    "attainment": lambda figures: figures.attainment,
    "goodput_per_s": lambda figures: figures.goodput_per_s,
    "offered_per_s": lambda figures: (
        figures.offered / figures.measured_s if figures.measured_s else 0.0
    ),
    "miss_given_admitted": lambda figures: figures.miss_given_admitted,
    "utilisation": lambda figures: figures.utilisation,
    "wasted_share": lambda figures: figures.wasted_share,
    "executed_late": lambda figures: float(figures.executed_late),
    "fairness": lambda figures: figures.fairness,
    "batch_rows_mean": lambda figures: figures.batch_rows_mean,
    **{
        f"latency_ms_{name}": _latency(name)
        for name in ("p50", "p90", "p99", "p99.9", "p99.99", "mean")
    },
    "refusal_ms_p99": lambda figures: figures.refusal_ms["p99"],
}
"""What is summed up over seeds, by name with unit."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs of one policy at one point.

    Attributes:
        policy: Text of the policy.
        point: What was changed.
        load: Offered load as a multiple of the capacity.
        runs: Figures by ascending seed.
    """

    policy: str
    point: Point
    load: float
    runs: tuple[Figures, ...]

    def over_seeds(self, metric: str) -> Interval:
        """A figure over the seeds, by its name in METRICS."""
        return interval([METRICS[metric](figures) for figures in self.runs])

    def ends(self) -> dict[str, float]:
        """Shares of the offered requests by how they ended: in_time, late, abandoned, and the
        refused by reason. They add up to 1.
        """
        offered = sum(figures.offered for figures in self.runs) or 1
        counts = {
            "in_time": sum(figures.in_time for figures in self.runs),
            "late": sum(figures.late for figures in self.runs),
            "abandoned": sum(figures.abandoned for figures in self.runs),
        }
        for reason in sorted({reason for figures in self.runs for reason in figures.refused}):
            counts[reason] = sum(figures.refused.get(reason, 0) for figures in self.runs)
        return {name: count / offered for name, count in counts.items()}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A policy against the first one, at one point.

    Attributes:
        policy: Which.
        against: The first.
        point: Where.
        attainment: Difference of attainment.
        goodput_per_s: Difference of goodput.
    """

    policy: str
    against: str
    point: Point
    attainment: Paired
    goodput_per_s: Paired


@dataclass(frozen=True, slots=True)
class GoodUpTo:
    """Goodput@99: the highest swept load at which 99 % of the offered are in time.

    Attributes:
        policy: Whose.
        load: That load; None when no load of the sweep was that good.
        goodput_per_s: Goodput there.
        whole_sweep: The highest load of the sweep was still good: the truth may be higher.
    """

    policy: str
    load: float | None
    goodput_per_s: float | None
    whole_sweep: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """All runs of one command.

    Attributes:
        cells: By policy in the order asked for, then by point.
        axis: What the sweep mostly changes; what plots have on the x axis.
    """

    cells: tuple[Cell, ...]
    axis: Axis

    @property
    def policies(self) -> tuple[str, ...]:
        """In the order asked for."""
        return tuple(dict.fromkeys(cell.policy for cell in self.cells))

    @property
    def points(self) -> tuple[Point, ...]:
        """In order."""
        return tuple(dict.fromkeys(cell.point for cell in self.cells))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(figures.seed for figures in self.cells[0].runs)

    def cell(self, policy: str, point: Point) -> Cell:
        """The runs of a policy at a point."""
        return next(each for each in self.cells if each.policy == policy and each.point == point)

    def x(self, cell: Cell) -> float:
        """Where the cell lies on the axis."""
        if self.axis == "load":
            return cell.load
        return float(getattr(cell.point, self.axis) or 0)

    def lines(self) -> dict[str, list[Cell]]:
        """Cells that one line of a plot joins, by its name: a policy, and what else differs."""
        others = [axis for axis in AXES if axis != self.axis and self._differs(axis)]
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            more = [f"{getattr(cell.point, axis):g} {axis}" for axis in others]
            found.setdefault(", ".join([cell.policy, *more]), []).append(cell)
        return {name: sorted(cells, key=self.x) for name, cells in found.items()}

    def comparisons(self) -> list[Comparison]:
        """Every policy against the first one, at every point."""
        first = self.policies[0]
        found = []
        for policy in self.policies[1:]:
            for point in self.points:
                one, other = self.cell(policy, point), self.cell(first, point)
                found.append(
                    Comparison(
                        policy=policy,
                        against=first,
                        point=point,
                        attainment=_paired(one, other, "attainment"),
                        goodput_per_s=_paired(one, other, "goodput_per_s"),
                    )
                )
        return found

    def good_up_to(self) -> list[GoodUpTo]:
        """Goodput@99 of every line; empty unless the load was swept."""
        if self.axis != "load" or not self._differs("load"):
            return []
        return [_good_up_to(name, cells) for name, cells in self.lines().items()]

    def _differs(self, axis: str) -> bool:
        return len({getattr(point, axis) for point in self.points}) > 1


def summed_up(jobs: Sequence[Job], figures: Sequence[Figures]) -> Summary:
    """Groups the runs of a command; jobs and figures are in the same order."""
    groups: dict[tuple[str, Point], list[Figures]] = {}
    for job, run in zip(jobs, figures, strict=True):
        groups.setdefault((job.policy, job.point), []).append(run)
    cells = tuple(
        Cell(policy, point, runs[0].load, tuple(sorted(runs, key=lambda one: one.seed)))
        for (policy, point), runs in groups.items()
    )
    values = {axis: {getattr(cell.point, axis) for cell in cells} for axis in AXES}
    # Most values; of equal ones the first, so that a single point lies at its load.
    axis: Axis = "load"
    other: Axis
    for other in ("workers", "routers"):
        if len(values[other]) > len(values[axis]):
            axis = other
    return Summary(cells, axis)


def _paired(one: Cell, other: Cell, metric: str) -> Paired:
    value = METRICS[metric]
    return paired([value(run) for run in one.runs], [value(run) for run in other.runs])


def _good_up_to(name: str, cells: Sequence[Cell]) -> GoodUpTo:
    attainment = [(cell.load, cell.over_seeds("attainment").mean) for cell in cells]
    load = highest_x_with(attainment, GOOD)
    if load is None:
        return GoodUpTo(name, None, None, whole_sweep=False)
    goodput = [(cell.load, cell.over_seeds("goodput_per_s").mean) for cell in cells]
    return GoodUpTo(name, load, _between(goodput, load), whole_sweep=load == cells[-1].load)


def _between(points: Sequence[tuple[float, float]], x: float) -> float:
    """The y at x, interpolated; x lies in the range of the points."""
    for (left_x, left_y), (right_x, right_y) in pairwise(points):
        if left_x <= x <= right_x and right_x > left_x:
            return left_y + (right_y - left_y) * (x - left_x) / (right_x - left_x)
    return points[0][1] if x <= points[0][0] else points[-1][1]
