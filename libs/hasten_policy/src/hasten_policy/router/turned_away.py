"""Calls that a router refused for want of time, until a worker is told of them."""

from typing import Final, Generic, TypeVar

from hasten_policy.reasons import Reason

WANT_OF_TIME: Final = frozenset(
    {Reason.OVERLOADED, Reason.SHED_BEFORE_START, Reason.DEADLINE_PASSED}
)
"""The mesh was too slow for them. A deadline that no mesh could keep is none of these reasons."""


M = TypeVar("M")
"""What a shell calls a model."""


class TurnedAway(Generic[M]):
    """Counts them by model. Kept by the shell: no decision of the router hangs on it."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: dict[M, int] = {}

    def refused(self, model: M, reason: Reason, calls: int = 1) -> None:
        """Calls of the model were refused."""
        if reason in WANT_OF_TIME:
            self._calls[model] = self._calls.get(model, 0) + calls

    def tell(self, model: M) -> int:
        """Those that the worker which gets the next call of the model is told of."""
        return self._calls.pop(model, 0) if self._calls else 0
