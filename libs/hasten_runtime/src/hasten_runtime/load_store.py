"""The load-state port: what survives a router's restart, and what services tell autoscalers."""

from enum import Enum
from typing import Final, Protocol

from hasten.common.v1.load_pb2 import WorkerState
from hasten_policy.load import WorkerReport

CHECKPOINT_BYTES_MAX: Final = 65_536


class Topic(Enum):
    """What services tell of themselves beside their load. The value is part of a key."""

    DEMAND = "demand"
    """What a router or scheduler was asked for: hasten.common.v1.DemandState."""
    BACKLOG = "backlog"
    """What waits at a scheduler: hasten.common.v1.BacklogState."""


class LoadStore(Protocol):
    """Worker load, demand and checkpoints. Nothing here is needed to serve a request."""

    async def publish(self, state: WorkerState, *, ttl_s: float) -> None:
        """Replaces the worker's state; it vanishes after ttl_s. Raises StoreUnavailable."""
        ...

    async def withdraw(self, worker_id: str) -> None:
        """Removes the worker's report. Raises StoreUnavailable."""
        ...

    async def reports(self) -> dict[str, WorkerReport]:
        """All live reports by worker. Raises StoreUnavailable."""
        ...

    async def states(self) -> dict[str, WorkerState]:
        """All live states by worker, not checked. Raises StoreUnavailable."""
        ...

    async def tell(self, topic: Topic, teller_id: str, value: bytes, *, ttl_s: float) -> None:
        """Replaces what the teller said of the topic; it vanishes after ttl_s. Raises
        StoreUnavailable.
        """
        ...

    async def told(self, topic: Topic) -> dict[str, bytes]:
        """What was said of the topic, by teller. Raises StoreUnavailable."""
        ...

    async def hush(self, topic: Topic, teller_id: str) -> None:
        """Forgets what the teller said of the topic. Raises StoreUnavailable."""
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
