"""Counting that no caller waits for."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from hasten_runtime import logs

T = TypeVar("T")

_log = logs.logger(__name__)


class DeferredCounts:
    """Keeps what ended until the event loop's next round, when its answers are on their way."""

    def __init__(self) -> None:
        self._settlers: list[Callable[[], None]] = []
        self._due = False

    def kind(self, count: Callable[[T], None]) -> Callable[[T], None]:
        """Where things of one kind are handed in, each of which `count` is called with later.

        In a round, kinds are counted in the order in which they were made.
        """
        kept: list[T] = []

        def later(ended: T) -> None:
            kept.append(ended)
            if not self._due:
                self._due = True
                asyncio.get_running_loop().call_soon(self.settle)

        def settle() -> None:
            if kept:
                ended = kept.copy()
                kept.clear()
                _count_each(count, ended)

        self._settlers.append(settle)
        return later

    def settle(self) -> None:
        """Counts everything now."""
        self._due = False
        for settle in self._settlers:
            settle()


def _count_each(count: Callable[[T], None], ended: Iterable[T]) -> None:
    """Counts each of them; a fault of ours costs the count of one, not of all that come after it.

    The faults of a round make one line in the log, with the traceback of the last.
    """
    failed = 0
    fault: Exception | None = None
    for one in ended:
        try:
            count(one)
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are counted)
            failed += 1
            fault = error
    if fault is not None:
        _log.error("counting.failed", failed=failed, exc_info=fault)
