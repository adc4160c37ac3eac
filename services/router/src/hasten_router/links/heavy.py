"""Calls so large that the worker that takes one in says nothing meanwhile."""

from typing import Final

BYTES_MIN: Final = 8 * 1024 * 1024
BYTES_PER_S: Final = 32 * 1024 * 1024
"""What even a worker on a busy machine takes in."""


class HeavyCalls:
    """The heavy calls of one link that are sent and not answered."""

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    @property
    def patience_s(self) -> float:
        """What they may take beside anything else."""
        return sum(self._bytes.values()) / BYTES_PER_S

    def sent(self, call_id: int, size_bytes: int) -> None:
        """A call of this size was sent, heavy or not."""
        if size_bytes >= BYTES_MIN:
            self._bytes[call_id] = size_bytes

    def ended(self, call_id: int) -> None:
        """It was answered, or nobody waits for it any more."""
        self._bytes.pop(call_id, None)

    def clear(self) -> None:
        """The link is down."""
        self._bytes.clear()
