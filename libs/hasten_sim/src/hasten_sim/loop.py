"""Virtual time: what is due next, and its order."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Act = Callable[[Any], None]
"""What is done when its time has come; it is given the payload that was scheduled with it."""


class Loop:
    """A heap of (time, sequence, act, payload). What is due at one time happens in the order in
    which it was asked for, so a run depends on nothing but its inputs.

    Args:
        start_s: Virtual time at the start.

    Attributes:
        now_s: Virtual seconds.
    """

    __slots__ = ("_heap", "_sequence", "now_s")

    def __init__(self, start_s: float = 0.0) -> None:
        self.now_s = start_s
        self._heap: list[tuple[float, int, Act, Any]] = []
        self._sequence = 0

    def at(self, at_s: float, act: Act, payload: Any = None) -> None:  # noqa: ANN401  (whatever the act takes)
        """Asks for `act(payload)` at `at_s`, which is not in the past."""
        self._sequence += 1
        heappush(self._heap, (at_s, self._sequence, act, payload))

    def run_before(self, until_s: float) -> None:
        """Does all that is due before `until_s`, and then it is `until_s`."""
        heap = self._heap
        while heap and heap[0][0] < until_s:
            self.now_s, _, act, payload = heappop(heap)
            act(payload)
        self.now_s = until_s
