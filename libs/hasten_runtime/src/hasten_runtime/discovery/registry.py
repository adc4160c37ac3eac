"""What a registry must offer, so that `RegistryDiscovery` can make discovery of it."""

from collections.abc import Sequence
from typing import Protocol

from hasten_runtime.discovery.port import Instance


class RegistryTrouble(Exception):  # noqa: N818  (a state of the world, not a bug)
    """The registry did not answer, or said that it cannot be believed now."""


class Reader(Protocol):
    """One watcher's connection to the registry, for one service."""

    async def read(self) -> Sequence[Instance]:
        """The service's live instances; no instance id twice.

        The first call, and the first after a RegistryTrouble, answers at once; later ones when
        something changed or after a few seconds. Always ends within a known time.
        """
        ...

    async def close(self) -> None:
        """Releases what the reader holds; never raises for a dead registry."""
        ...


class Registry(Protocol):
    """Consul, Redis or memory. Every call ends within a known time."""

    async def announce(self, instance: Instance) -> str:
        """Makes the announcement, or renews it; called about once a second.

        A registry that has forgotten the instance learns it again. Raises RegistryTrouble.

        Returns:
            The address that stood there under the same id and is another one; "" for none.
        """
        ...

    async def withdraw(self, instance: Instance) -> None:
        """Removes the announcement. Raises RegistryTrouble."""
        ...

    def reader(self, service: str) -> Reader:
        """A new reader; it does no IO before its first `read`."""
        ...

    async def close(self) -> None:
        """Releases connections; never raises for a dead registry."""
        ...
