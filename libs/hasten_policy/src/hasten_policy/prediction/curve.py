"""Typical seconds over the rows of a batch, for rows of one size."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence


class Curve:
    """A rising line through a few row counts.

    One is made for each size after each fit and never changes, so whoever has computed something
    from one may keep it for as long as the predictor gives out this very object.

    Args:
        rows: Ascending row counts, the first of them 1.
        seconds: Typical seconds of each, rising.
        rows_cap: Most rows that a batch may have as yet, at least 1.
        padded: Batches are padded up to one of `rows`; without, any count runs as it is.
    """

    __slots__ = ("_padded", "_rows", "_seconds", "_table", "rows_cap")

    def __init__(
        self, rows: Sequence[int], seconds: Sequence[float], rows_cap: int, *, padded: bool
    ) -> None:
        self._rows = rows
        self._seconds = seconds
        self._padded = padded
        self._table: dict[int, float] = {}
        self.rows_cap = rows_cap

    def seconds(self, rows: int) -> float:
        """Typical seconds of a batch of `rows` >= 1 rows; beyond the last along the last piece."""
        found = self._table.get(rows)
        if found is None:
            found = self._table[rows] = self._between(rows)
        return found

    def rows_within(self, seconds: float) -> int:
        """Most rows of a batch that takes at most so long, 0 for none; at most `rows_cap`."""
        at = bisect_right(self._seconds, seconds)
        if not at:
            return 0
        rows = self._rows[at - 1]
        if at < len(self._rows) and not self._padded:
            first, last = self._seconds[at - 1], self._seconds[at]
            share = (seconds - first) / (last - first)
            rows += int(share * (self._rows[at] - rows))
            # Division rounds: never promise what `seconds` denies.
            while rows > self._rows[at - 1] and self.seconds(rows) > seconds:
                rows -= 1
        return min(rows, self.rows_cap)

    def _between(self, rows: int) -> float:
        points = self._rows
        at = bisect_left(points, rows)
        if at < len(points) and (self._padded or points[at] == rows):
            return self._seconds[at]
        if at == len(points):
            return self._beyond(rows)
        first, last = self._seconds[at - 1], self._seconds[at]
        return first + (last - first) * (rows - points[at - 1]) / (points[at] - points[at - 1])

    def _beyond(self, rows: int) -> float:
        last_s = self._seconds[-1]
        if len(self._rows) == 1:
            return last_s * (0.5 + 0.5 * rows / self._rows[-1])
        slope = (last_s - self._seconds[-2]) / (self._rows[-1] - self._rows[-2])
        return last_s + slope * (rows - self._rows[-1])


def grid(batch_max: int) -> tuple[int, ...]:
    """1, 2, 3, 4, 6, 8, 12, 16, ... and `batch_max`: two to an octave."""
    found = [1]
    step = 2
    while step < batch_max:
        found.append(step)
        if step * 3 // 2 < batch_max and step > 1:
            found.append(step * 3 // 2)
        step *= 2
    if batch_max > 1:
        found.append(batch_max)
    return tuple(found)
