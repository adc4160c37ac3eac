"""The source of random choices that a machine is given: `random.Random`, or what is like it."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Chance(Protocol):
    """Random choices, the same ones for the same seed."""

    def random(self) -> float:
        """A number from 0 to 1, without 1."""
        ...

    def uniform(self, low: float, high: float, /) -> float:
        """A number from `low` to `high`."""
        ...

    def choice(self, among: Sequence[T], /) -> T:
        """One of these."""
        ...

    def choices(self, among: Sequence[T], weights: Sequence[float], /, *, k: int = 1) -> list[T]:
        """`k` of these in proportion to the weights, each drawn from all."""
        ...
