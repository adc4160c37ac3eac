"""Means with their uncertainty, over seeds."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Final, Literal

_T_95: Final = (
    (1, 12.706),
    (2, 4.303),
    (3, 3.182),
    (4, 2.776),
    (5, 2.571),
    (6, 2.447),
    (7, 2.365),
    (8, 2.306),
    (9, 2.262),
    (10, 2.228),
    (11, 2.201),
    (12, 2.179),
    (13, 2.160),
    (14, 2.145),
    (15, 2.131),
    (16, 2.120),
    (17, 2.110),
    (18, 2.101),
    (19, 2.093),
    (20, 2.086),
    (25, 2.060),
    (30, 2.042),
    (40, 2.021),
    (60, 2.000),
    (120, 1.980),
    (1000, 1.962),
)
"""Degrees of freedom and the 97.5 % quantile of Student's t."""

Verdict = Literal["better", "worse", "no difference", "one seed"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % confidence interval.

    Attributes:
        mean: Of the values.
        half: Half the width of the interval; None when one value says nothing of it.
        count: Values.
    """

    mean: float
    half: float | None
    count: int

    @property
    def low(self) -> float:
        """Lower end; the mean when there is no interval."""
        return self.mean - (self.half or 0.0)

    @property
    def high(self) -> float:
        """Upper end; the mean when there is no interval."""
        return self.mean + (self.half or 0.0)

    def as_json(self) -> dict[str, float | None]:
        """For programs; the ends are null when there is no interval."""
        known = self.half is not None
        return {
            "mean": self.mean,
            "low": self.low if known else None,
            "high": self.high if known else None,
        }


def t_quantile(freedom: int) -> float:
    """97.5 % quantile of Student's t; between two rows of the table the wider one.

    Args:
        freedom: Degrees of freedom, >= 1.
    """
    at = bisect_right(_T_95, freedom, key=lambda row: row[0])
    return _T_95[at - 1][1]


def interval(values: Sequence[float]) -> Interval:
    """Mean and 95 % t-interval of independent values, at least one."""
    count = len(values)
    mean = fmean(values)
    if count < 2:
        return Interval(mean, None, count)
    return Interval(mean, t_quantile(count - 1) * stdev(values) / sqrt(count), count)


@dataclass(frozen=True, slots=True)
class Paired:
    """One policy against another on the same seeds.

    Attributes:
        difference: Of the one less the other, by seed.
        verdict: What the interval of the difference allows to say; more is better.
    """

    difference: Interval
    verdict: Verdict


def paired(ones: Sequence[float], others: Sequence[float]) -> Paired:
    """Compares values of the same seeds, in the same order; more is better.

    The difference by seed takes out what the seeds have in common (the arrivals), so that a
    few seeds show what the two means apart would not.
    """
    difference = interval([one - other for one, other in zip(ones, others, strict=True)])
    if difference.half is None:
        return Paired(difference, "one seed")
    if difference.low > 0.0:
        return Paired(difference, "better")
    if difference.high < 0.0:
        return Paired(difference, "worse")
    return Paired(difference, "no difference")


def highest_x_with(points: Sequence[tuple[float, float]], least: float) -> float | None:
    """The highest x at which y, interpolated linearly between the points, is at least `least`.

    Args:
        points: (x, y), ascending in x.
        least: What y has to reach.

    Returns:
        x inside the range of the points; None if y is nowhere high enough.
    """
    for (x, y), right in zip(reversed(points), [None, *reversed(points)], strict=False):
        if y < least:
            continue
        if right is None:
            return x
        right_x, right_y = right
        return x + (right_x - x) * (y - least) / (y - right_y)
    return None
