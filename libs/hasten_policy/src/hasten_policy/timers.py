"""Times at which a machine wants to look at something again."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")

COMPACT_ABOVE = 4096


@dataclass(slots=True)
class Woke:
    """Event of every machine: a time asked for by WakeAt has come."""


@dataclass(slots=True)
class WakeAt:
    """Effect of every machine: send Woke at this time (absolute). A later WakeAt replaces it."""

    at_s: float


class Timers(Generic[T]):
    """A heap of (time, sequence, kind, subject). Entries are not withdrawn: whoever handles one
    checks whether its subject still cares. `compact` drops those that no longer do.
    """

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int, T]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, at_s: float, kind: int, subject: T) -> None:
        """Asks to be told at `at_s`."""
        self._sequence += 1
        heappush(self._heap, (at_s, self._sequence, kind, subject))

    def next_s(self) -> float | None:
        """The earliest time asked for."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now_s: float) -> tuple[int, T] | None:
        """The earliest entry whose time has come."""
        if not self._heap or self._heap[0][0] > now_s:
            return None
        _, _, kind, subject = heappop(self._heap)
        return kind, subject

    def compact(self, live: int, cares: Callable[[int, T], bool]) -> None:
        """Drops dead entries when they outnumber `live` subjects by far."""
        if len(self._heap) > COMPACT_ABOVE + 4 * live:
            self._heap = [entry for entry in self._heap if cares(entry[2], entry[3])]
            heapify(self._heap)
