"""A pool in memory, for tests."""

from hasten_runtime.pools.port import Fence, PooledWorker, PoolRefused, PoolUnavailable, Stage


class MemoryPool:
    """The `Pool` port in memory.

    Attributes:
        available: Set to False to play a pool that does not answer.
        quota: Most workers that it gives.
        there: Its workers; put some here to play somebody else.
        started: Names in the order of their starts.
        stopped: Names in the order of their stops.
    """

    def __init__(self, quota: int = 1000) -> None:
        self.available = True
        self.quota = quota
        self.there: dict[str, Stage] = {}
        self.started: list[str] = []
        self.stopped: list[str] = []
        self._fence = Fence()

    async def workers(self) -> list[PooledWorker]:
        """Everybody; see the port."""
        self._check()
        return [PooledWorker(name, stage) for name, stage in sorted(self.there.items())]

    async def start(self, worker_id: str, epoch: int) -> None:
        """Begins to start a worker; see the port."""
        self._check()
        self._fence.check(epoch)
        if worker_id in self.there:
            return
        if len(self.there) >= self.quota:
            raise PoolRefused(f"the quota is {self.quota} workers")
        self.there[worker_id] = "starting"
        self.started.append(worker_id)

    async def stop(self, worker_id: str, epoch: int) -> None:
        """Stops a worker; see the port."""
        self._check()
        self._fence.check(epoch)
        if self.there.pop(worker_id, None) is not None:
            self.stopped.append(worker_id)

    async def close(self) -> None:
        """Nothing to release."""

    def become_ready(self) -> None:
        """Everybody who starts serves."""
        self.there = dict.fromkeys(self.there, "ready")

    def _check(self) -> None:
        if not self.available:
            raise PoolUnavailable("the pool is not available")
