"""Fits of seconds over batch size: a rising staircase and a straight line."""

from collections.abc import Sequence


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Nearest non-decreasing sequence in weighted squares (pool adjacent violators).

    Args:
        values: Observed values, in order.
        weights: Positive weight of each.

    Returns:
        As many values, none below the one before it.
    """
    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    for value, weight in zip(values, weights, strict=True):
        mean, mass, length = value, weight, 1
        while means and means[-1] > mean:
            merged = masses[-1] + mass
            mean = (means.pop() * masses.pop() + mean * mass) / merged
            mass = merged
            length += lengths.pop()
        means.append(mean)
        masses.append(mass)
        lengths.append(length)
    fitted: list[float] = []
    for mean, length in zip(means, lengths, strict=True):
        fitted.extend([mean] * length)
    return fitted


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Line `alpha + beta * x` through positive points, least in squared relative error.

    Relative, because a millisecond matters more to a batch of one than to a full one. A
    single point tells nothing of the slope: half of it is then taken as fixed cost.

    Args:
        xs: Positive, ascending.
        ys: Positive, as many, at least one.

    Returns:
        (alpha, beta), neither negative.
    """
    if len(xs) == 1:
        return 0.5 * ys[0], 0.5 * ys[0] / xs[0]
    total = sum_x = sum_y = sum_xx = sum_xy = 0.0
    for x, y in zip(xs, ys, strict=True):
        weight = 1.0 / (y * y)
        total += weight
        sum_x += weight * x
        sum_y += weight * y
        sum_xx += weight * x * x
        sum_xy += weight * x * y
    spread = total * sum_xx - sum_x * sum_x
    beta = (total * sum_xy - sum_x * sum_y) / spread if spread > 0.0 else 0.0
    if beta <= 0.0:
        return sum_y / total, 0.0
    alpha = (sum_y - beta * sum_x) / total
    if alpha < 0.0:
        return 0.0, sum_xy / sum_xx
    return alpha, beta
