"""Discovery without Consul: each instance is a lease in Redis, renewed while it lives."""

import json
from collections.abc import Sequence
from typing import Final

from hasten_runtime import logs
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.reading import instance_of
from hasten_runtime.discovery.registry import RegistryTrouble
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import RedisClients
from hasten_runtime.redis_store.leased_map import LeasedMap
from hasten_runtime.redis_store.nudges import Nudges
from hasten_runtime.unreadable import UNREADABLE

_log = logs.logger(__name__)

CONNECTIONS_MAX: Final = 16
"""Each watched service keeps one connection for its nudges."""
REASON_CHARS: Final = 300
"""Of why a lease is left out, so much is logged."""


class RedisRegistry:
    """Leases in Redis; time to live is measured by the server alone, no clocks are compared.

    Keys: `{<namespace>:instances:<service>}:*` is a leased map of instance id to JSON. A join, a
    change or a withdrawal is published on `<namespace>:instances:<service>`, so that watchers see
    it at once; a lease that runs out is seen at the next poll.
    """

    def __init__(
        self, url: str, *, namespace: str = "hasten", ttl_s: float = 3.0, poll_s: float = 0.5
    ) -> None:
        self._clients = RedisClients(url, connections_max=CONNECTIONS_MAX)
        self._namespace = namespace
        self._ttl_s = ttl_s
        self._poll_s = poll_s
        self._maps: dict[str, LeasedMap] = {}

    async def announce(self, instance: Instance) -> str:
        """Makes or renews the lease. Raises RegistryTrouble."""
        value = json.dumps({"address": instance.address, "meta": dict(instance.meta)})
        try:
            before = await self._map(instance.service).put(
                instance.instance_id, value.encode(), ttl_s=self._ttl_s
            )
        except StoreUnavailable as error:
            raise RegistryTrouble(str(error)) from error
        if before is None or before == value.encode():
            return ""
        try:
            other = str(json.loads(before)["address"])
        except UNREADABLE:
            return ""
        return "" if other == instance.address else other

    async def withdraw(self, instance: Instance) -> None:
        """Removes the lease. Raises RegistryTrouble."""
        try:
            await self._map(instance.service).remove(instance.instance_id)
        except StoreUnavailable as error:
            raise RegistryTrouble(str(error)) from error

    def reader(self, service: str) -> "RedisReader":
        """A new reader."""
        channel = self._channel(service)
        nudges = Nudges(self._clients.of(channel), channel)
        return RedisReader(service, self._map(service), nudges, poll_s=self._poll_s)

    async def close(self) -> None:
        """Releases connections."""
        await self._clients.aclose()

    def _channel(self, service: str) -> str:
        return f"{self._namespace}:instances:{service}"

    def _map(self, service: str) -> LeasedMap:
        if service not in self._maps:
            channel = self._channel(service)
            client = self._clients.of(channel)
            self._maps[service] = LeasedMap(client, channel, channel=channel)
        return self._maps[service]


class RedisReader:
    """Polls one service's leases; a nudge makes it poll at once."""

    def __init__(self, service: str, leases: LeasedMap, nudges: Nudges, *, poll_s: float) -> None:
        self._service = service
        self._leases = leases
        self._nudges = nudges
        self._poll_s = poll_s
        self._unreadable: dict[str, bytes] = {}

    async def read(self) -> Sequence[Instance]:
        """The live instances; see `Reader`."""
        try:
            await self._nudges.wait(self._poll_s)
            entries = await self._leases.entries()
        except StoreUnavailable as error:
            self._nudges.missed()
            raise RegistryTrouble(str(error)) from error
        self._unreadable = {
            instance_id: value
            for instance_id, value in self._unreadable.items()
            if entries.get(instance_id) == value
        }
        return [
            instance
            for instance_id, value in entries.items()
            if (instance := self._instance(instance_id, value))
        ]

    async def close(self) -> None:
        """Gives the nudges' connection back."""
        await self._nudges.close()

    def _instance(self, instance_id: str, value: bytes) -> Instance | None:
        if self._unreadable.get(instance_id) == value:
            return None
        try:
            facts = json.loads(value)
            return instance_of(self._service, instance_id, facts["address"], facts["meta"])
        except UNREADABLE as error:
            # Said once, and not at each of two looks a second.
            self._unreadable[instance_id] = value
            _log.warning(
                "discovery.bad_lease",
                watched=self._service,
                instance=ascii(instance_id)[:REASON_CHARS],
                reason=ascii(error)[:REASON_CHARS],
            )
            return None
