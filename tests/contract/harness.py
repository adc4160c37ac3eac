"""The registries behind the discovery contract, each with the faults that it can have."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from hasten_runtime.discovery.consul import ConsulOptions, ConsulRegistry
from hasten_runtime.discovery.memory import Board, MemoryRegistry
from hasten_runtime.discovery.port import Discovery, Instance, View
from hasten_runtime.discovery.redis_leases import RedisRegistry
from hasten_runtime.discovery.registry import Registry
from hasten_runtime.discovery.registry_discovery import RegistryDiscovery
from tests.support.servers import ConsulAgent, RedisServer
from tests.support.waiting import PATIENCE_S, eventually

RENEW_S = 0.2
TTL_S = 60.0
"""Of who lives and renews: longer than a busy machine may have this process stand still."""
SHORT_TTL_S = 1.0
"""Of who is to be missed."""
PATIENT_SETTLE_S = 60.0
"""The same for who is back after an outage."""
SETTLE_S = 1.0
"""Where a loss is to be believed in the end."""


class Harness(ABC):
    """One registry, shared by the discoveries of several make-believe processes.

    Attributes:
        renew_s: Pace at which each instance renews its lease.
        ttl_s: Life of a lease.
        settle_s: How long losses of a troubled registry are not believed.
    """

    def __init__(self) -> None:
        self.renew_s = RENEW_S
        self.ttl_s = TTL_S
        self.settle_s = PATIENT_SETTLE_S
        self._opened: list[RegistryDiscovery] = []

    @abstractmethod
    def registry(self, ttl_s: float) -> Registry:
        """A process's access to the registry."""

    def discovery(self) -> Discovery:
        """One process's discovery; closed with the harness."""
        discovery = RegistryDiscovery(
            self.registry(self.ttl_s), renew_s=self.renew_s, settle_s=self.settle_s
        )
        self._opened.append(discovery)
        return discovery

    async def announce_once(self, instance: Instance, ttl_s: float) -> None:
        """What remains of a process that died right after it had registered."""
        registry = self.registry(ttl_s)
        await registry.announce(instance)
        await registry.close()

    async def close(self) -> None:
        for discovery in self._opened:
            await discovery.close()

    @abstractmethod
    async def kill(self) -> None:
        """The registry is gone, connections are refused."""

    @abstractmethod
    async def start_empty(self) -> None:
        """The registry is back and has forgotten everything."""

    @abstractmethod
    async def pause(self) -> None:
        """The registry hangs: connections stay open, nothing answers."""

    @abstractmethod
    async def resume(self) -> None:
        """It goes on."""


class MemoryHarness(Harness):
    def __init__(self) -> None:
        super().__init__()
        self.board = Board()

    def registry(self, ttl_s: float) -> Registry:
        return MemoryRegistry(self.board, ttl_s=ttl_s)

    async def kill(self) -> None:
        self.board.available = False

    async def start_empty(self) -> None:
        self.board.forget_everything()
        self.board.available = True

    async def pause(self) -> None:
        self.board.available = False

    async def resume(self) -> None:
        self.board.available = True


class ServerHarness(Harness):
    """Redis or Consul as a process of its own."""

    def __init__(self, server: RedisServer | ConsulAgent) -> None:
        super().__init__()
        self.server = server

    def registry(self, ttl_s: float) -> Registry:
        if isinstance(self.server, RedisServer):
            return RedisRegistry(self.server.url, ttl_s=ttl_s, poll_s=0.1)
        return ConsulRegistry(ConsulOptions(self.server.address, ttl_s=ttl_s, wait_s=0.5))

    async def kill(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def start_empty(self) -> None:
        if isinstance(self.server, RedisServer):
            await asyncio.to_thread(self.server.restart_empty)
        else:
            await asyncio.to_thread(self.server.restart)

    async def pause(self) -> None:
        self.server.pause()

    async def resume(self) -> None:
        self.server.resume()


class Watcher:
    """Collects the views of one service in the background."""

    def __init__(self, discovery: Discovery, service: str = "worker") -> None:
        self.views: list[View] = []
        self.ended = False
        self._discovery = discovery
        self._service = service
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._collect())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def ids(self) -> list[str]:
        """Of the newest view."""
        return _ids(self.views[-1]) if self.views else []

    @property
    def fresh(self) -> bool:
        """Of the newest view."""
        return bool(self.views) and self.views[-1].fresh

    async def sees(self, *ids: str, fresh: bool = True, timeout_s: float = PATIENCE_S) -> View:
        """Waits until the newest view has exactly these instances."""

        def seen() -> bool:
            assert self.views, "no view yet"
            assert (self.ids, self.fresh) == (list(ids), fresh), f"it is {self.views[-1]}"
            return True

        await eventually(seen, timeout_s, what=f"the view is {ids}, fresh={fresh}")
        return self.views[-1]

    async def passes(self, *ids: str, fresh: bool) -> None:
        """Waits until some view had exactly these instances, be it over by now."""
        await eventually(
            lambda: (list(ids), fresh) in [(_ids(view), view.fresh) for view in self.views],
            what=f"a view was {ids}, fresh={fresh}",
        )

    def saw(self, instance_id: str) -> bool:
        """Some view had the instance, be it gone again by now."""
        return any(instance_id in _ids(view) for view in self.views)

    async def _collect(self) -> None:
        async for view in self._discovery.watch(self._service):
            self.views.append(view)
        self.ended = True


def _ids(view: View) -> list[str]:
    return [instance.instance_id for instance in view.instances]


def worker(instance_id: str, **meta: str) -> Instance:
    return Instance("worker", instance_id, f"10.0.0.1:{8000 + len(instance_id)}", meta)


@asynccontextmanager
async def opened(harness: Harness) -> AsyncIterator[Harness]:
    try:
        yield harness
    finally:
        await harness.close()
