"""A running quantile in two numbers, for values of which no history is kept."""


class QuantileTracker:
    """Follows the q-quantile of a stream by stochastic approximation.

    Each value moves the estimate up by step * q or down by step * (1 - q); the step follows
    the spread of the values (Robbins and Monro, 1951, with an adaptive gain).
    """

    __slots__ = ("_q", "_spread", "value")

    def __init__(self, start: float, q: float) -> None:
        self.value = start
        self._q = q
        self._spread = start

    def add(self, sample: float) -> None:
        """Takes one value into account."""
        off = sample - self.value
        self._spread += 0.05 * ((off if off >= 0 else -off) - self._spread)
        if off > 0:
            self.value += self._spread * self._q * 0.5
        else:
            self.value -= self._spread * (1.0 - self._q) * 0.5
