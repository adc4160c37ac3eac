"""Seconds of a batch as a plane over its rows and elements, fitted to what was measured."""

from collections.abc import Sequence
from typing import Final, NamedTuple

RIDGE: Final = 0.02
"""Weight of the guess that settles what the points leave open, in points."""
SUBSETS: Final = ((0, 1, 2), (0, 1), (0, 2), (1, 2), (0,), (1,), (2,))
"""Which of the three parts may be positive together; all three come first."""
FIXED_MIN: Final = 0.001
"""Least fixed part, in shares of the least point: no batch is ever taken to cost nothing."""


class Point(NamedTuple):
    """A measured size.

    Attributes:
        rows: Rows of the batch.
        size: Elements per row.
        seconds: Its typical seconds, positive.
        weight: Positive.
    """

    rows: float
    size: float
    seconds: float
    weight: float


class Plane(NamedTuple):
    """`alpha + rows * (beta + gamma * max(0, size - floor))` seconds, no part negative.

    Attributes:
        alpha: Seconds of any batch.
        beta: Seconds a row of `floor` elements.
        gamma: Seconds an element more.
        floor: Least elements per row that were measured.
    """

    alpha: float
    beta: float
    gamma: float
    floor: float

    def at(self, rows: float, size: float) -> float:
        """Seconds of a batch of `rows` rows of `size` elements each."""
        more = size - self.floor
        return self.alpha + rows * (self.beta + (self.gamma * more if more > 0.0 else 0.0))


def fit(points: Sequence[Point]) -> Plane:
    """The plane nearest to the points in squared relative error, by non-negative least squares.

    Relative, because a millisecond matters more to a batch of one than to a full one. Where the
    points tell nothing of a part (all of one size) half of the cost is taken as fixed.

    Args:
        points: At least one.
    """
    floor = min(point.size for point in points)
    scale = max(floor, max(point.size for point in points) - floor)
    # A float by name: mypyc takes one sum over another for a division of integers.
    weight: float = sum(point.weight for point in points)
    rows = sum(point.rows * point.weight for point in points) / weight
    typical_s = sum(point.seconds * point.weight for point in points) / weight
    # Each unknown is a multiple of its guess, so that the ridge means the same for all.
    units = (0.5 * typical_s, 0.5 * typical_s / rows, 0.5 * typical_s / rows / scale)
    guess = (1.0, 1.0, 1.0)
    matrix = [[RIDGE if row == column else 0.0 for column in range(3)] for row in range(3)]
    right = [RIDGE * each for each in guess]
    for point in points:
        along = (
            units[0] / point.seconds,
            units[1] * point.rows / point.seconds,
            units[2] * point.rows * (point.size - floor) / point.seconds,
        )
        for row in range(3):
            right[row] += point.weight * along[row]
            for column in range(3):
                matrix[row][column] += point.weight * along[row] * along[column]
    best = _least(matrix, right)
    alpha = max(best[0] * units[0], FIXED_MIN * min(point.seconds for point in points))
    return Plane(alpha, best[1] * units[1], best[2] * units[2], floor)


def _least(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The x of no negative part that makes x'Mx / 2 - r'x least."""
    best = [0.0, 0.0, 0.0]
    least = float("inf")
    for subset in SUBSETS:
        x = _solved(matrix, right, subset)
        if min(x) < 0.0:
            continue
        if len(subset) == 3:
            return x
        value = -0.5 * sum(x[at] * right[at] for at in subset)
        if value < least:
            least, best = value, x
    return best


def _solved(matrix: list[list[float]], right: list[float], subset: Sequence[int]) -> list[float]:
    """Solves for the unknowns of `subset`, all others 0, by elimination (M is positive)."""
    rows = [[*(matrix[at][to] for to in subset), right[at]] for at in subset]
    count = len(subset)
    for at in range(count):
        # Never less but for rounding, which leaves 0 where the points are many decades apart.
        pivot = rows[at][at] = max(rows[at][at], RIDGE)
        for below in range(at + 1, count):
            factor = rows[below][at] / pivot
            for to in range(at, count + 1):
                rows[below][to] -= factor * rows[at][to]
    found = [0.0, 0.0, 0.0]
    for at in range(count - 1, -1, -1):
        rest = rows[at][count] - sum(
            rows[at][to] * found[subset[to]] for to in range(at + 1, count)
        )
        found[subset[at]] = rest / rows[at][at]
    return found
