"""The load-state port: what survives a router's restart, in Redis or in memory."""

from typing import Final, Protocol

from hasten_policy.load import WorkerReport

CHECKPOINT_BYTES_MAX: Final = 65_536


class LoadStore(Protocol):
    """Worker load and admission checkpoints. Nothing here is needed to serve a request."""

    async def publish(self, worker_id: str, report: WorkerReport, *, ttl_s: float) -> None:
        """Replaces the worker's report; it vanishes after ttl_s. Raises StoreUnavailable."""
        ...

    async def withdraw(self, worker_id: str) -> None:
        """Removes the worker's report. Raises StoreUnavailable."""
        ...

    async def reports(self) -> dict[str, WorkerReport]:
        """All live reports by worker. Raises StoreUnavailable."""
        ...

    async def save_checkpoint(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Stores a small opaque checkpoint. Raises StoreUnavailable.

        Raises ValueError for more than CHECKPOINT_BYTES_MAX bytes.
        """
        ...

    async def checkpoint(self, name: str) -> bytes | None:
        """The checkpoint, or None. Raises StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...


class StoreUnavailable(Exception):  # noqa: N818  (a state of the world, not a bug)
    """The store did not answer or refused; the caller goes on without it."""
