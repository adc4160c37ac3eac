"""When a link on which nothing is heard is given up."""

import asyncio
from typing import Final

from hasten_runtime.frames import Frames

LOOKS: Final = 4
HEAVY_BYTES_MIN: Final = 8 * 1024 * 1024
HEAVY_BYTES_PER_S: Final = 32 * 1024 * 1024
"""What even a worker on a busy machine takes in."""


class HeavyCalls:
    """The calls of one link that are sent, not answered, and so large that the worker that takes
    one in says nothing meanwhile.
    """

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    @property
    def patience_s(self) -> float:
        """What they may take beside anything else."""
        return sum(self._bytes.values()) / HEAVY_BYTES_PER_S

    def sent(self, call_id: int, size_bytes: int) -> None:
        """A call of this size was sent, heavy or not."""
        if size_bytes >= HEAVY_BYTES_MIN:
            self._bytes[call_id] = size_bytes

    def ended(self, call_id: int) -> None:
        """It was answered, or nobody waits for it any more."""
        self._bytes.pop(call_id, None)

    def clear(self) -> None:
        """The link is down."""
        self._bytes.clear()


async def end_when_silent(connection: Frames, heavy: HeavyCalls, silence_s_max: float) -> None:
    """Ends a connection on which nothing is heard: the other end may stand still, or be gone.

    Several looks must find silence: a process that stood still itself finds it once. Bytes
    count, not messages: a large answer may take long over a slow network.
    """
    pause_s = silence_s_max / LOOKS
    silent, heard = 0, connection.bytes_received
    while silent < LOOKS + heavy.patience_s / pause_s:
        await asyncio.sleep(pause_s)
        silent = silent + 1 if heard == connection.bytes_received else 0
        heard = connection.bytes_received
    connection.abort(ConnectionError(f"nothing was heard for {silence_s_max:g} s"))
