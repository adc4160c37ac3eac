"""Counting that no caller waits for."""

import asyncio
from collections.abc import Callable

from hasten_runtime.counting import count_each
from hasten_worker.shell.batch import Batch
from hasten_worker.shell.call import Call


class Afterwards:
    """Keeps what ended until the event loop's next round, when its answers are on their way.

    Args:
        count_batch: Called for each batch.
        count_call: Called for each answered call, after the batches.
    """

    def __init__(
        self, count_batch: Callable[[Batch], None], count_call: Callable[[Call], None]
    ) -> None:
        self._count_batch = count_batch
        self._count_call = count_call
        self._batches: list[Batch] = []
        self._calls: list[Call] = []
        self._due = False

    def batch(self, batch: Batch) -> None:
        """A batch ended; its answers have been handed to their links."""
        self._batches.append(batch)
        self._soon()

    def answered(self, call: Call) -> None:
        """A call's answer has been handed to its link."""
        self._calls.append(call)
        self._soon()

    def settle(self) -> None:
        """Counts everything now."""
        batches, self._batches = self._batches, []
        calls, self._calls = self._calls, []
        self._due = False
        count_each(self._count_batch, batches)
        count_each(self._count_call, calls)

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self.settle)
