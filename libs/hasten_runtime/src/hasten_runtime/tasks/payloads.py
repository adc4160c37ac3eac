"""Stand-in until the store of payloads is merged."""

from typing import Protocol


class PayloadGone(Exception):  # noqa: N818
    """There is no such payload."""


class PayloadsFull(Exception):  # noqa: N818
    """There is no room."""


class PayloadStore(Protocol):
    """Keeps long payloads."""

    async def put(self, data: bytes) -> str:
        """Where it lies."""
        ...

    async def get(self, reference: str) -> bytes:
        """The bytes. Raises PayloadGone."""
        ...


class MemoryPayloads:
    """In memory."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def put(self, data: bytes) -> str:
        """Where it lies."""
        reference = str(len(self._kept))
        self._kept[reference] = data
        return reference

    async def get(self, reference: str) -> bytes:
        """The bytes."""
        try:
            return self._kept[reference]
        except KeyError:
            raise PayloadGone from None
