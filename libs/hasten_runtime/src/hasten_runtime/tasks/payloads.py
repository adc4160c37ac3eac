"""The port to where large inputs and outputs of tasks lie."""

from collections.abc import Collection
from typing import Protocol


class PayloadGone(Exception):  # noqa: N818  (a state of the world, not a bug)
    """There is no such payload, or it is damaged: no repeat will find it."""


class PayloadsFull(Exception):  # noqa: N818  (a state of the world, not a bug)
    """There is no room; nothing was stored."""


class PayloadStore(Protocol):
    """Keeps bytes under names that it gives. Every method may raise StoreUnavailable."""

    async def put(self, data: bytes) -> str:
        """Stores bytes; returns the reference to them once they are safe. Raises PayloadsFull."""
        ...

    async def get(self, reference: str) -> bytes:
        """The bytes, as they were put. Raises PayloadGone."""
        ...

    async def sweep(self, used: Collection[str], *, grace_s: float) -> int:
        """Forgets what is older than grace_s and not among the references in use; how much.

        The grace covers what is stored already while its task is being accepted: it is longer than
        that takes, and than the caller took to gather `used`.
        """
        ...


class MemoryPayloads:
    """The `PayloadStore` port in memory, for tests and for a mesh without a folder to share.

    Attributes:
        bytes_max: Of all payloads together; change it to play a full store.
    """

    def __init__(self, *, bytes_max: int = 256 * 1024 * 1024) -> None:
        self.bytes_max = bytes_max
        self._kept: dict[str, bytes] = {}
        self._bytes = 0
        self._number = 0

    async def put(self, data: bytes) -> str:
        """Stores bytes; see the port."""
        if self._bytes + len(data) > self.bytes_max:
            raise PayloadsFull(f"payloads have {self.bytes_max} bytes at most")
        self._number += 1
        reference = f"{self._number:032x}"
        self._kept[reference] = data
        self._bytes += len(data)
        return reference

    async def get(self, reference: str) -> bytes:
        """The bytes; see the port."""
        try:
            return self._kept[reference]
        except KeyError:
            raise PayloadGone(f"there is no payload {reference}") from None

    async def sweep(self, used: Collection[str], *, grace_s: float) -> int:
        """Forgets what is not in use; see the port. Only without grace: it knows no ages."""
        gone = [] if grace_s > 0 else [name for name in self._kept if name not in used]
        for name in gone:
            self._bytes -= len(self._kept.pop(name))
        return len(gone)
