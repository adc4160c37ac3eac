"""The router's waiting calls of one model, in order."""

from bisect import bisect_left, insort
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """What the queue needs of a call."""

    order_s: float
    """The sort key: as shipped the deadline put forward by priority, see `orders`."""
    call_id: int
    """Breaks ties; earlier calls have smaller numbers."""
    cost_s: float
    """Predicted busy seconds of a worker."""


W = TypeVar("W", bound=Waiting)


class HoldQueue(Generic[W]):
    """A sorted list: at its bounded length an insertion costs a short move of memory, and the
    rank of a deadline, which admission asks for, comes for free.
    """

    __slots__ = ("_calls", "_keys", "cost_s")

    def __init__(self) -> None:
        self._keys: list[tuple[float, int]] = []
        self._calls: dict[int, W] = {}
        self.cost_s = 0.0

    def __len__(self) -> int:
        return len(self._keys)

    def push(self, call: W) -> None:
        """Adds a call that is not in the queue."""
        insort(self._keys, (call.order_s, call.call_id))
        self._calls[call.call_id] = call
        self.cost_s += call.cost_s

    def first(self, count: int) -> list[W]:
        """The calls that go first, at most `count` of them."""
        return [self._calls[call_id] for _, call_id in self._keys[:count]]

    def remove(self, call: W) -> None:
        """Takes out a call that is in the queue."""
        at = bisect_left(self._keys, (call.order_s, call.call_id))
        del self._keys[at]
        del self._calls[call.call_id]
        self.cost_s = self.cost_s - call.cost_s if self._keys else 0.0

    def ahead_s(self, order_s: float) -> float:
        """Predicted busy seconds of the calls that would go before a new one with this key."""
        if not self._keys:
            return 0.0
        rank = bisect_left(self._keys, (order_s, 1 << 62))
        return self.cost_s * rank / len(self._keys)

    def following(self, order_s: float, most: int) -> list[W]:
        """At most `most` calls that a new one with this key would go before, in order."""
        rank = bisect_left(self._keys, (order_s, 1 << 62))
        return [self._calls[call_id] for _, call_id in self._keys[rank : rank + most]]

    def calls(self) -> list[W]:
        """The calls in order."""
        return [self._calls[call_id] for _, call_id in self._keys]


class AdaptiveLifoQueue(HoldQueue[W]):
    """First come, first served, until more than `above` calls wait: then the newest goes first,
    as it alone still has time (Facebook's adaptive LIFO; Maurer, "Fail at scale", 2015).
    """

    __slots__ = ("_above",)

    def __init__(self, above: int) -> None:
        super().__init__()
        self._above = above

    def first(self, count: int) -> list[W]:
        """As `HoldQueue.first`."""
        if len(self._keys) <= self._above:
            return super().first(count)
        return [self._calls[call_id] for _, call_id in self._keys[: -count - 1 : -1]]
