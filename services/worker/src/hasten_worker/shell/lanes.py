"""The threads that run batches."""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable

from hasten_runtime.clock import Clock
from hasten_worker.shell.batch import Batch
from hasten_worker.tensors import Regions


class Lanes:
    """A fixed number of threads; the machine starts no more batches than there are.

    A plain queue and a plain deque are used in place of an executor: a batch of a small model
    takes less time than the futures would.
    """

    def __init__(self, count: int, *, clock: Clock, regions: Regions) -> None:
        self._clock = clock
        self._regions = regions
        # Unbounded in form only: its length is bounded by the machine's count of lanes.
        self._waiting: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._ended: deque[Batch] = deque()
        self._told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_ended: Callable[[Batch], None] | None = None
        # Daemons: a model that never returns must not keep a process that gives up on it.
        self._threads = [
            threading.Thread(target=self._work, name=f"lane-{number}", daemon=True)
            for number in range(count)
        ]

    def open(self, on_ended: Callable[[Batch], None]) -> None:
        """Starts the threads; on_ended is called on the running loop for each ended batch."""
        self._loop = asyncio.get_running_loop()
        self._on_ended = on_ended
        for thread in self._threads:
            thread.start()

    def start(self, batch: Batch) -> None:
        """Gives the batch to a free lane."""
        self._waiting.put(batch)

    def close(self) -> None:
        """Tells the threads to end after what they run; does not wait for them."""
        for _ in self._threads:
            self._waiting.put(None)

    def _work(self) -> None:
        while (batch := self._waiting.get()) is not None:
            batch.carry_out(self._clock, self._regions)
            self._ended.append(batch)
            # Waking the loop is a system call: one is enough for all that ended before it looks.
            if not self._told:
                self._told = True
                self._wake_loop()

    def _wake_loop(self) -> None:
        assert self._loop is not None  # noqa: S101  (threads start after open)
        try:
            self._loop.call_soon_threadsafe(self._collect)
        except RuntimeError:  # The loop has closed: nobody waits for this batch any more.
            return

    def _collect(self) -> None:
        assert self._on_ended is not None  # noqa: S101  (as above)
        self._told = False  # Before looking: what ends from here on wakes the loop again.
        while self._ended:
            self._on_ended(self._ended.popleft())
