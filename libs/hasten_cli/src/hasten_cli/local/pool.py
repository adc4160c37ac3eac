"""The workers of a local mesh as a pool: an autoscaler starts and stops them through here."""

import asyncio
from collections.abc import Callable
from typing import Final

from hasten_cli.local.plan import ServiceSpec
from hasten_cli.local.supervisor import Supervisor
from hasten_runtime.pools.port import Fence, PooledWorker, PoolRefused, Stage

WORKER: Final = "worker"
WORKERS_MAX: Final = 64
"""As many as `hasten up --workers` takes."""
_STAGES: Final[dict[str, Stage]] = {
    "starting": "starting",
    "restarting": "starting",
    "ready": "ready",
    "stopping": "stopping",
}


class SupervisorPool:
    """The `Pool` port over the supervisor of one run.

    Args:
        supervisor: Starts, keeps and stops them.
        spec: A worker by its name.
    """

    def __init__(self, supervisor: Supervisor, spec: Callable[[str], ServiceSpec]) -> None:
        self._supervisor = supervisor
        self._spec = spec
        self._fence = Fence()
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    async def workers(self) -> list[PooledWorker]:
        """Everybody; see the port."""
        found = [
            PooledWorker(service.spec.name, _STAGES[service.state])
            for service in self._supervisor.of_kind(WORKER)
            if service.state in _STAGES
        ]
        return sorted(found, key=lambda each: each.worker_id)

    async def start(self, worker_id: str, epoch: int) -> None:
        """Begins to start a worker; see the port."""
        self._fence.check(epoch)
        if self._closed:
            raise PoolRefused("the mesh is stopping")
        names = {service.spec.name for service in self._supervisor.services}
        if worker_id in {each.worker_id for each in await self.workers()}:
            return
        if worker_id in names:
            raise PoolRefused(f"{worker_id} is the name of another service")
        if len(self._supervisor.of_kind(WORKER)) >= WORKERS_MAX:
            raise PoolRefused(f"at most {WORKERS_MAX} workers run here")
        self._supervisor.add(self._spec(worker_id))

    async def stop(self, worker_id: str, epoch: int) -> None:
        """Begins to stop a worker; see the port."""
        self._fence.check(epoch)
        stages = {each.worker_id: each.stage for each in await self.workers()}
        if stages.get(worker_id, "stopping") == "stopping":
            return
        task = asyncio.create_task(self._supervisor.remove(worker_id), name=f"remove-{worker_id}")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)
        # So that who asks next finds it leaving.
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Starts nobody any more."""
        self._closed = True
        await asyncio.gather(*self._stopping, return_exceptions=True)
