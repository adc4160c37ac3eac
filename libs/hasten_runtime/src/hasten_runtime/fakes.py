"""Stores and registries in memory, for tests of services and for users' own tests.

They pass the same contract tests as the real servers.
"""

from hasten_policy.load import WorkerReport
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.discovery.memory import Board, MemoryRegistry
from hasten_runtime.discovery.registry_discovery import RegistryDiscovery
from hasten_runtime.load_store import CHECKPOINT_BYTES_MAX, StoreUnavailable
from hasten_runtime.tasks.memory import MemoryTaskQueue
from hasten_runtime.tasks.memory_jobs import MemoryJobStore
from hasten_runtime.tasks.payloads import MemoryPayloads

__all__ = [
    "Board",
    "MemoryJobStore",
    "MemoryLoadStore",
    "MemoryPayloads",
    "MemoryTaskQueue",
    "memory_discovery",
]


class MemoryLoadStore:
    """The `LoadStore` port in memory.

    Attributes:
        available: Set to False to play a dead store.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.available = True
        self._clock = clock or SystemClock()
        self._reports: dict[str, tuple[WorkerReport, float]] = {}
        self._checkpoints: dict[str, tuple[bytes, float]] = {}

    async def publish(self, worker_id: str, report: WorkerReport, *, ttl_s: float) -> None:
        """Replaces the worker's report; see the port."""
        self._check()
        self._reports[worker_id] = (report, self._clock.now_s() + ttl_s)

    async def withdraw(self, worker_id: str) -> None:
        """Removes the worker's report; see the port."""
        self._check()
        self._reports.pop(worker_id, None)

    async def reports(self) -> dict[str, WorkerReport]:
        """All live reports by worker; see the port."""
        self._check()
        now_s = self._clock.now_s()
        self._reports = {key: entry for key, entry in self._reports.items() if entry[1] > now_s}
        return {worker_id: report for worker_id, (report, _) in self._reports.items()}

    async def save_checkpoint(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Stores a checkpoint; see the port."""
        if len(value) > CHECKPOINT_BYTES_MAX:
            raise ValueError(f"a checkpoint has at most {CHECKPOINT_BYTES_MAX} bytes")
        self._check()
        self._checkpoints[name] = (value, self._clock.now_s() + ttl_s)

    async def checkpoint(self, name: str) -> bytes | None:
        """The checkpoint, or None; see the port."""
        self._check()
        value, ends_s = self._checkpoints.get(name, (b"", 0.0))
        return value if name in self._checkpoints and ends_s > self._clock.now_s() else None

    async def close(self) -> None:
        """Nothing to release."""

    def _check(self) -> None:
        if not self.available:
            raise StoreUnavailable("the memory store is not available")


def memory_discovery(
    board: Board, *, ttl_s: float = 3.0, renew_s: float = 1.0, settle_s: float = 5.0
) -> RegistryDiscovery:
    """Discovery for one of several services that meet on the same board."""
    return RegistryDiscovery(MemoryRegistry(board, ttl_s=ttl_s), renew_s=renew_s, settle_s=settle_s)
