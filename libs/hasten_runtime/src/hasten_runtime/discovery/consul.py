"""Discovery by a Consul agent."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiohttp
import consul
from consul.base import Response

from hasten_runtime.consul_client import duration, open_consul, parse, split
from hasten_runtime.discovery import consul_wire
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.registry import RegistryTrouble
from hasten_runtime.protocol_names import INFERENCE_SERVICE
from hasten_runtime.unreadable import UNREADABLE

CALL_TIMEOUT_S: Final = 2.0
"""For everything but blocking queries."""
DEREGISTER_AFTER: Final = "1m"
"""The shortest that Consul accepts; until then a dead instance is only hidden."""
GRPC_CHECK_INTERVAL: Final = "2s"
GRPC_CHECK_TIMEOUT: Final = "1s"
INDEX_PAUSE_S: Final = 1.0
"""Between queries that cannot block because the server gave no usable index."""


@dataclass(frozen=True, slots=True)
class ConsulOptions:
    """How to use a Consul agent.

    Attributes:
        address: host:port of the agent's HTTP API; https:// in front makes it TLS.
        token: ACL token, None for none; CONSUL_HTTP_TOKEN in the environment wins.
        datacenter: Where to look; None for the agent's own.
        namespace: Meshes with different ones do not see each other.
        ttl_s: Without a renewal for this long an instance is no longer passing.
        wait_s: How long a blocking query waits for a change. It is short, because its end is also
            how a hanging agent is found.
        check: "ttl": the instance renews itself. "grpc": the agent asks the gRPC health service
            at the instance's address, which it must be able to reach.
    """

    address: str
    token: str | None = None
    datacenter: str | None = None
    namespace: str = "hasten"
    ttl_s: float = 3.0
    wait_s: float = 3.0
    check: Literal["ttl", "grpc"] = "ttl"


class ConsulRegistry:
    """Services in a Consul agent, named `<namespace>-<service>`."""

    def __init__(self, options: ConsulOptions) -> None:
        self._options = options
        parse(options.address)  # A bad one is told now, not at the first call.
        self._announced: set[str] = set()
        self._client: Any = None

    async def announce(self, instance: Instance) -> str:
        """Registers the instance, or renews it. Raises RegistryTrouble."""
        service_id = self._service_id(instance)
        async with _answers_within(CALL_TIMEOUT_S):
            other = await self._other_address(instance, service_id)
            known = service_id in self._announced and not other
            if not known or not await self._renew(service_id):
                await self._register(instance, service_id)
                self._announced.add(service_id)
        return other

    async def withdraw(self, instance: Instance) -> None:
        """Removes the registration. Raises RegistryTrouble."""
        service_id = self._service_id(instance)
        self._announced.discard(service_id)
        async with _answers_within(CALL_TIMEOUT_S):
            await self.client.agent.service.deregister(service_id)

    def reader(self, service: str) -> "ConsulReader":
        """A new reader."""
        return ConsulReader(self, service, self._name(service), wait_s=self._options.wait_s)

    async def close(self) -> None:
        """Releases connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def client(self) -> Any:  # noqa: ANN401  (py-consul has no types)
        """The HTTP client, made at its first use because it belongs to the running loop."""
        if self._client is None:
            self._client = open_consul(
                self._options.address,
                token=self._options.token,
                datacenter=self._options.datacenter,
                timeout_s=CALL_TIMEOUT_S + _longest_s(self._options.wait_s),
            )
        return self._client

    def _name(self, service: str) -> str:
        return f"{self._options.namespace}-{service}"

    def _service_id(self, instance: Instance) -> str:
        return f"{self._name(instance.service)}-{instance.instance_id}"

    async def _other_address(self, instance: Instance, service_id: str) -> str:
        """What the agent has under the id, if that is at another address; else ""."""
        try:
            there = await self.client.agent.service_definition(service_id)
            host, port = str(there["Address"]), int(there["Port"])
        except (consul.ConsulException, *UNREADABLE):
            return ""  # The agent does not know it: it is the first, or was forgotten.
        return "" if (host, port) == split(instance.address) else f"{host}:{port}"

    async def _renew(self, service_id: str) -> bool:
        """False when the agent does not know the instance (any more)."""
        agent = self.client.agent
        try:
            if self._options.check == "grpc":
                return await agent.service_definition(service_id) is not None
            return bool(await agent.check.ttl_pass(f"service:{service_id}"))
        except consul.ConsulException:
            # An agent that has forgotten the check says 404 or 500, depending on its version.
            return False

    async def _register(self, instance: Instance, service_id: str) -> None:
        host, port = split(instance.address)
        if self._options.check == "grpc":
            # Not the server as a whole, which one broken model makes unready: the others serve.
            check = consul.Check.grpc(
                f"{instance.address}/{INFERENCE_SERVICE}",
                GRPC_CHECK_INTERVAL,
                timeout=GRPC_CHECK_TIMEOUT,
            )
        else:
            check = consul.Check.ttl(duration(self._options.ttl_s))
        await self.client.agent.service.register(
            self._name(instance.service),
            service_id=service_id,
            address=host,
            port=port,
            meta=dict(instance.meta),
            check={
                **check,
                "CheckID": f"service:{service_id}",
                "DeregisterCriticalServiceAfter": DEREGISTER_AFTER,
                # It announces itself because it is ready.
                "Status": "passing",
            },
            replace_existing_checks=True,
        )


class ConsulReader:
    """Follows one service by blocking queries."""

    def __init__(self, registry: ConsulRegistry, service: str, name: str, *, wait_s: float) -> None:
        self._registry = registry
        self._service = service
        self._name = name
        self._wait_s = wait_s
        self._index: int | None = None
        self._instances: Sequence[Instance] = ()

    async def read(self) -> Sequence[Instance]:
        """The passing instances; see `Reader`."""
        before, self._index = self._index, None
        if before == 0:
            await asyncio.sleep(INDEX_PAUSE_S)
        async with _answers_within(CALL_TIMEOUT_S + (_longest_s(self._wait_s) if before else 0.0)):
            response = await self._query(before)
            index = consul_wire.believable_index(response)
            if before and index < before:
                raise RegistryTrouble("Consul's index went back: its state was lost")
            if not before or index != before:
                entries = json.loads(response.body)
                self._instances = consul_wire.instances(self._service, f"{self._name}-", entries)
        self._index = index
        return self._instances

    async def close(self) -> None:
        """Nothing to release: the client is the registry's."""

    async def _query(self, index: int | None) -> Response:
        # Any server may answer, the leader or not; how current it is, is checked on arrival.
        params: list[tuple[str, str]] = [("passing", "1"), ("stale", "")]
        if index:
            params += [("index", str(index)), ("wait", duration(self._wait_s))]
        client = self._registry.client
        if client.dc:
            params.append(("dc", client.dc))
        return await client.http.get(
            lambda response: response,
            f"/v1/health/service/{self._name}",
            params=params,
            headers=client.prepare_headers(),
        )


def _longest_s(wait_s: float) -> float:
    # Consul adds up to a sixteenth of jitter to the wait.
    return wait_s * 17 / 16


@asynccontextmanager
async def _answers_within(timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise RegistryTrouble(f"Consul did not answer within {timeout_s:g} s") from error
    except (consul.ConsulException, aiohttp.ClientError, OSError, *UNREADABLE) as error:
        raise RegistryTrouble(f"Consul: {error}") from error
