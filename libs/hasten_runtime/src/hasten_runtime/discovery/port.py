"""The discovery port: what the services need to know of each other's addresses."""

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

WEIGHT_FACT: Final = "weight"
"""Name of the fact that carries an instance's weight."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a service.

    Attributes:
        service: "worker", "router", …
        instance_id: Unique within the service, stable over the process's life.
        address: "host:port" of its gRPC server.
        meta: Small facts: metrics address, pid, weight. Values are text.
    """

    service: str
    instance_id: str
    address: str
    meta: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def weight(self) -> float:
        """Its share of calls beside others of the service: 2 for twice as many. 1 where nobody
        has set one, and where the fact is no positive number.
        """
        try:
            weight = float(self.meta.get(WEIGHT_FACT, "1"))
        except ValueError:
            return 1.0
        return weight if 0.0 < weight < math.inf else 1.0


@dataclass(frozen=True, slots=True)
class View:
    """Who is there, as last known.

    Attributes:
        instances: Sorted by instance_id.
        fresh: False when the registry did not answer and this is the last known good view, and
            for a few seconds after it has lost instances in its trouble that may yet be announced
            again. Empty and not fresh means that nothing is known yet.
    """

    instances: tuple[Instance, ...]
    fresh: bool


class Registration(Protocol):
    """A standing registration; it is renewed in the background until closed."""

    @property
    def well(self) -> bool:
        """The registry took the last announcement; false while it is dead, full or read-only."""
        ...

    async def close(self) -> None:
        """Withdraws the registration. Idempotent; never raises for a dead registry."""
        ...


class Discovery(Protocol):
    """Who is there. Adapters: Consul, Redis leases, memory; one contract test for all."""

    async def register(self, instance: Instance) -> Registration:
        """Announces the instance and keeps it announced.

        A registry that is down is no error: the announcement is made once it is back.
        """
        ...

    def watch(self, service: str) -> AsyncIterator[View]:
        """Yields the present view, then one view for each change of it.

        An error or an empty answer of a registry in trouble never empties the view: the last
        known good one is yielded with fresh=False. A registry that is well and says that the
        last instance has left does empty it. A slow reader gets the newest view next. Ends only
        when the iterator or the discovery is closed.
        """
        ...

    def age_s(self, service: str) -> float:
        """Seconds since the registry last answered the watch; math.inf before the first."""
        ...

    async def close(self) -> None:
        """Releases connections; registrations are closed too."""
        ...
