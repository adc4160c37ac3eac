"""A socket between a parent and each of its router processes.

Its end tells the child that the parent is gone, however that came about. Its silence tells the
parent that the child stands still: such a one keeps its share of the connections and answers none.
"""

import asyncio
import contextlib
import os
import socket
import sys
from typing import Final

BEAT_S: Final = 0.5
READ_BYTES: Final = 4096


class Pulse:
    """The parent's end.

    Attributes:
        child_end: For the child's standard input; close it once the child has it.
    """

    def __init__(self) -> None:
        self._ours, self.child_end = socket.socketpair()
        self._ours.setblocking(False)  # noqa: FBT003  (the library's signature)

    async def stood_still(self, silent_s_max: float) -> None:
        """Returns when the child was silent for so long, counted from its first beat.

        Time in which the parent stood still itself proves nothing, so it does not count.
        """
        loop = asyncio.get_running_loop()
        await self._first()
        silent_s = 0.0
        while silent_s < silent_s_max:
            before_s = loop.time()
            await asyncio.sleep(BEAT_S)
            passed_s = loop.time() - before_s
            if self._heard():
                silent_s = 0.0
            elif passed_s < 2 * BEAT_S:
                silent_s += passed_s

    async def _first(self) -> None:
        await asyncio.get_running_loop().sock_recv(self._ours, 1)

    def _heard(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(self._ours.recv(READ_BYTES))
        return False

    def close(self) -> None:
        """Lets go of the child, which leaves."""
        self._ours.close()
        self.child_end.close()


async def parent_gone() -> None:
    """The child's end: tells the parent that it runs, until the parent is gone; then returns."""
    beating = asyncio.create_task(_beat(), name="beat")
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        # One that is killed with beats unread resets the connection.
        with contextlib.suppress(ConnectionError):
            while await reader.read(READ_BYTES):
                pass
    finally:
        beating.cancel()
        transport.close()


async def _beat() -> None:
    while True:
        # A parent that does not read, or has gone, is no reason to stop.
        with contextlib.suppress(OSError):
            os.write(sys.stdin.fileno(), b".")
        await asyncio.sleep(BEAT_S)
