"""The one thread of a service that takes decisions: it does one thing after the other."""

from collections import deque
from typing import Any, Final

from hasten_sim.cpu import Process, Work
from hasten_sim.loop import Act

LEAST_S: Final = 1e-6
"""Nothing that a thread does takes less: it has to run to do it."""

Item = tuple[float, Act, Any]
"""CPU seconds, what is done then, and with what."""


class Thread:
    """Does what is at hand in the order in which it came, and only then takes a call from the door.

    So does the event loop of a service that drowns in calls: what its workers send is read in every
    round, while new calls wait in a queue of the transport's.

    Args:
        process: Its CPU.
        door_max: Most that wait at the door; 0 for no limit.
    """

    __slots__ = ("_at_hand", "_doing", "_door", "_door_max", "_process")

    def __init__(self, process: Process, door_max: int = 0) -> None:
        self._process = process
        self._door_max = door_max
        self._at_hand: deque[Item] = deque()
        self._door: deque[Item] = deque()
        self._doing: Work | None = None

    def do(self, cost_s: float, act: Act, payload: Any = None) -> None:  # noqa: ANN401  (whatever the act takes)
        """Will do this after what is at hand."""
        self._at_hand.append((cost_s, act, payload))
        self._go_on()

    def do_next(self, cost_s: float, act: Act, payload: Any = None) -> None:  # noqa: ANN401  (as above)
        """Will do this before anything else."""
        self._at_hand.appendleft((cost_s, act, payload))
        self._go_on()

    def let_in(self, act: Act, payload: Any = None) -> bool:  # noqa: ANN401  (as above)
        """Will do this when nothing is at hand; False where no more may wait for that."""
        if 0 < self._door_max <= len(self._door):
            return False
        self._door.append((LEAST_S, act, payload))
        self._go_on()
        return True

    def clear(self) -> None:
        """Forgets everything: its process died."""
        if self._doing is not None:
            self._process.stop(self._doing)
            self._doing = None
        self._at_hand.clear()
        self._door.clear()

    def _go_on(self, *, awake: bool = False) -> None:
        if self._doing is not None:
            return
        queue = self._at_hand or self._door
        if queue:
            cost_s, act, payload = queue.popleft()
            self._doing = self._process.start(
                max(cost_s, LEAST_S), 1, self._done, (act, payload), awake=awake
            )

    def _done(self, item: tuple[Act, Any]) -> None:
        act, payload = item
        # What it brings about comes after what is at hand already.
        act(payload)
        self._doing = None
        self._go_on(awake=True)
