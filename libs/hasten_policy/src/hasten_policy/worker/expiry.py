"""When waiting calls can no longer start."""

from heapq import heapify, heappop, heappush
from math import inf

from hasten_policy.batching.edf_queue import WaitingCall

SLOP_S = 0.0001
"""A call is shed this long after its last moment to start, so that a timer that fires at
that very moment finds something to do."""

DEAD_SHARE = 2
"""The heap is cleaned when it holds this many entries per waiting call."""


class Expiry:
    """Timers of waiting calls, by their last moment to start.

    Entries of calls that have left stay until their time comes or until they outnumber the
    living, so removing a call costs nothing.
    """

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, WaitingCall]] = []

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_s(self) -> float:
        """Absolute time of the next entry; math.inf for none."""
        return self._heap[0][0] if self._heap else inf

    def add(self, call: WaitingCall, latest_start_s: float) -> None:
        """Sets the timer of a waiting call; none when it may start at any time."""
        if latest_start_s != inf:
            heappush(self._heap, (latest_start_s + SLOP_S, call.call_id, call))

    def due(self, now_s: float) -> WaitingCall | None:
        """Takes out the next waiting call whose time has come."""
        heap = self._heap
        while heap and heap[0][0] <= now_s:
            call = heappop(heap)[2]
            if call.queue is not None:
                return call
        return None

    def clean(self, waiting: int) -> None:
        """Drops the entries of calls that have left, if they are the majority."""
        if len(self._heap) > DEAD_SHARE * waiting + 64:
            self._heap = [entry for entry in self._heap if entry[2].queue is not None]
            heapify(self._heap)
