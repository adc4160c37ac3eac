"""Runs under an autoscaler, grouped by rule and point: what was missed, what it cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.report.statistics import Interval, interval
from hasten_sim.scaling_figures import ScalingFigures
from hasten_sim.sweep import Job

Metric = Callable[[Figures, ScalingFigures], float]
METRICS: Final[dict[str, Metric]] = {
    "missed_share": lambda figures, _: 1.0 - figures.attainment,
    "refused_share": lambda figures, _: (
        sum(figures.refused.values()) / figures.offered if figures.offered else 0.0
    ),
    "replica_h": lambda _, scaling: scaling.replica_h,
    "cost": lambda _, scaling: scaling.cost,
    "changes": lambda _, scaling: float(scaling.changes),
    "reversals": lambda _, scaling: float(scaling.reversals),
    "shortage_workers_max": lambda _, scaling: scaling.shortage_max,
}
"""What is summed up over seeds, by name with unit."""

COLUMNS: Final = (
    "rule",
    "at",
    "missed %>",
    "refused %>",
    "replica-h>",
    "cost>",
    "changes>",
    "reversed>",
    "worst shortage>",
)


@dataclass(frozen=True, slots=True)
class ScaledCell:
    """The runs of one rule at one point.

    Attributes:
        rule: Its text.
        point: What was changed.
        runs: Figures by ascending seed.
    """

    rule: str
    point: Point
    runs: tuple[Figures, ...]

    def over_seeds(self, metric: str) -> Interval:
        """A figure over the seeds, by its name in METRICS."""
        of = METRICS[metric]
        return interval([of(run, run.scaling) for run in self.runs if run.scaling is not None])


def cells(jobs: Sequence[Job], figures: Sequence[Figures]) -> list[ScaledCell]:
    """Figures of jobs with a rule, grouped in the order of the jobs."""
    grouped: dict[tuple[str, Point], list[Figures]] = {}
    for job, run in zip(jobs, figures, strict=True):
        grouped.setdefault((job.rule, job.point), []).append(run)
    return [ScaledCell(rule, point, tuple(runs)) for (rule, point), runs in grouped.items()]


def rows(found: Sequence[ScaledCell]) -> list[tuple[str, ...]]:
    """One line a cell, as COLUMNS says."""
    return [
        (
            cell.rule,
            str(cell.point),
            _shown(cell.over_seeds("missed_share"), 100.0, 3),
            _shown(cell.over_seeds("refused_share"), 100.0, 3),
            _shown(cell.over_seeds("replica_h"), 1.0, 2),
            _shown(cell.over_seeds("cost"), 1.0, 2),
            _shown(cell.over_seeds("changes"), 1.0, 1),
            _shown(cell.over_seeds("reversals"), 1.0, 1),
            _shown(cell.over_seeds("shortage_workers_max"), 1.0, 1),
        )
        for cell in found
    ]


def as_json(found: Sequence[ScaledCell]) -> list[dict[str, Any]]:
    """The same for programs, each run with all of its decisions."""
    return [
        {
            "rule": cell.rule,
            "at": str(cell.point),
            **{name: cell.over_seeds(name).as_json() for name in METRICS},
            "runs": [run.as_json() for run in cell.runs],
        }
        for cell in found
    ]


def _shown(found: Interval, factor: float, digits: int) -> str:
    half = "" if found.half is None else f" ±{found.half * factor:.{digits}f}"
    return f"{found.mean * factor:.{digits}f}{half}"
