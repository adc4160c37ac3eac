"""One run of a batch, and the band of work it belongs to."""

from math import log2
from typing import Final, NamedTuple

SECONDS_MIN: Final = 1e-6
"""A run is counted as at least this long, so that ratios stay finite."""


class Run(NamedTuple):
    """One run of a batch.

    Attributes:
        rows: Rows that ran, padding included.
        size: Elements of the inputs per row, at least 1.
        seconds: It took.
        at_s: When it ended.
    """

    rows: int
    size: float
    seconds: float
    at_s: float

    @property
    def work(self) -> float:
        """Elements that ran."""
        return self.rows * self.size


def band_of(work: float) -> int:
    """The half octave that so many elements lie in."""
    return round(2.0 * log2(work)) if work > 1.0 else 0


def median(values: list[float]) -> float:
    """Middle value of a list that is not empty; the mean of the middle two of an even number."""
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else 0.5 * (values[middle - 1] + values[middle])
