"""Registries without a server: a board in memory for tests, and fixed lists of addresses."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence

from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.registry import RegistryTrouble

READ_WAIT_S = 0.5
"""A reader answers at least this often."""


class Board:
    """Where the memory registries of one process meet, as processes meet in Consul.

    Attributes:
        available: Set to False to play a dead registry.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.available = True
        self._clock = clock or SystemClock()
        self._leases: dict[tuple[str, str], tuple[Instance, float]] = {}
        self._version = 0
        self._changed = asyncio.Event()

    @property
    def version(self) -> int:
        """Grows with each change but the end of a lease."""
        return self._version

    def put(self, instance: Instance, *, ttl_s: float) -> str:
        """Notes the instance for ttl_s; see `Registry.announce`. Raises RegistryTrouble while not
        available.
        """
        self._check()
        key = (instance.service, instance.instance_id)
        before = self._leases[key][0] if key in self._leases else None
        new = before != instance
        self._leases[key] = (instance, self._clock.now_s() + ttl_s)
        if new:
            self._wake()
        return before.address if before and before.address != instance.address else ""

    def remove(self, instance: Instance) -> None:
        """Forgets the instance. Raises RegistryTrouble while not available."""
        self._check()
        self._leases.pop((instance.service, instance.instance_id), None)
        self._wake()

    def live(self, service: str) -> list[Instance]:
        """Instances whose lease has not ended. Raises RegistryTrouble while not available."""
        self._check()
        now_s = self._clock.now_s()
        self._leases = {key: lease for key, lease in self._leases.items() if lease[1] > now_s}
        return [instance for instance, _ in self._leases.values() if instance.service == service]

    def forget_everything(self) -> None:
        """Plays a registry that was restarted with empty state."""
        self._leases.clear()
        self._wake()

    async def change_from(self, version: int) -> None:
        """Returns once the version is another one, or after READ_WAIT_S."""
        if self._version == version:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READ_WAIT_S):
                    await self._changed.wait()

    def _check(self) -> None:
        if not self.available:
            raise RegistryTrouble("the board is not available")

    def _wake(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()


class MemoryRegistry:
    """One process's access to a board."""

    def __init__(self, board: Board, *, ttl_s: float = 3.0) -> None:
        self._board = board
        self._ttl_s = ttl_s

    async def announce(self, instance: Instance) -> str:
        """Makes or renews the announcement."""
        return self._board.put(instance, ttl_s=self._ttl_s)

    async def withdraw(self, instance: Instance) -> None:
        """Removes the announcement."""
        self._board.remove(instance)

    def reader(self, service: str) -> "MemoryReader":
        """A new reader."""
        return MemoryReader(self._board, service)

    async def close(self) -> None:
        """Nothing to release."""


class MemoryReader:
    """Reads one service from a board."""

    def __init__(self, board: Board, service: str) -> None:
        self._board = board
        self._service = service
        self._version = -1

    async def read(self) -> Sequence[Instance]:
        """The live instances; see `Reader`."""
        await self._board.change_from(self._version)
        self._version = -1
        instances = self._board.live(self._service)
        self._version = self._board.version
        return instances

    async def close(self) -> None:
        """Nothing to release."""


class StaticRegistry:
    """Fixed addresses by service; announcements are accepted and lead to nothing."""

    def __init__(self, addresses: Mapping[str, Iterable[str]]) -> None:
        self._instances = {
            service: tuple(Instance(service, address, address) for address in dict.fromkeys(listed))
            for service, listed in addresses.items()
        }

    async def announce(self, instance: Instance) -> str:
        """The list does not change."""
        del instance
        return ""

    async def withdraw(self, instance: Instance) -> None:
        """The list does not change."""

    def reader(self, service: str) -> "StaticReader":
        """A new reader."""
        return StaticReader(self._instances.get(service, ()))

    async def close(self) -> None:
        """Nothing to release."""


class StaticReader:
    """Says the same again and again, which keeps the view's age low."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._instances = instances
        self._waits = False

    async def read(self) -> Sequence[Instance]:
        """The instances; see `Reader`."""
        if self._waits:
            await asyncio.sleep(READ_WAIT_S)
        self._waits = True
        return self._instances

    async def close(self) -> None:
        """Nothing to release."""
