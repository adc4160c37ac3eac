"""Discovery by a Consul agent."""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, Literal

import aiohttp
import consul
import consul.aio
from consul.base import Response

from hasten_runtime import logs
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.registry import RegistryTrouble

_log = logs.logger(__name__)

CALL_TIMEOUT_S: Final = 2.0
"""For everything but blocking queries."""
CONNECTIONS_MAX: Final = 16
DEREGISTER_AFTER: Final = "1m"
"""The shortest that Consul accepts; until then a dead instance is only hidden."""
GRPC_CHECK_INTERVAL: Final = "2s"
GRPC_CHECK_TIMEOUT: Final = "1s"
LAST_CONTACT_MAX_S: Final = 10.0
"""A server that has not heard of its leader for longer is not believed."""
INDEX_PAUSE_S: Final = 1.0
"""Between queries that cannot block because the server gave no usable index."""

Health = Literal["ttl", "grpc"]


class ConsulRegistry:
    """Services in a Consul agent, named `<namespace>-<service>`.

    Args:
        address: host:port of the agent's HTTP API; https:// in front makes it TLS.
        token: ACL token, None for none; CONSUL_HTTP_TOKEN in the environment wins.
        namespace: Meshes with different ones do not see each other.
        ttl_s: Without a renewal for this long an instance is no longer passing.
        wait_s: How long a blocking query waits for a change. It is short, because its end is also
            how a hanging agent is found.
        health: "ttl": the instance renews itself. "grpc": the agent asks the gRPC health service
            at the instance's address, which it must be able to reach.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        namespace: str = "hasten",
        ttl_s: float = 3.0,
        wait_s: float = 3.0,
        health: Health = "ttl",
    ) -> None:
        self._scheme, self._host, self._port = _parse(address)
        self._token = token
        self._namespace = namespace
        self._ttl_s = ttl_s
        self._wait_s = wait_s
        self._health = health
        self._announced: set[str] = set()
        self._client: Any = None

    async def announce(self, instance: Instance) -> None:
        """Registers the instance, or renews it. Raises RegistryTrouble."""
        service_id = _service_id(instance)
        async with _answers_within(CALL_TIMEOUT_S):
            if service_id not in self._announced or not await self._renew(service_id):
                await self._register(instance, service_id)
                self._announced.add(service_id)

    async def withdraw(self, instance: Instance) -> None:
        """Removes the registration. Raises RegistryTrouble."""
        service_id = _service_id(instance)
        self._announced.discard(service_id)
        async with _answers_within(CALL_TIMEOUT_S):
            await self.client.agent.service.deregister(service_id)

    def reader(self, service: str) -> "ConsulReader":
        """A new reader."""
        return ConsulReader(self, service, f"{self._namespace}-{service}", wait_s=self._wait_s)

    async def close(self) -> None:
        """Releases connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    @property
    def client(self) -> Any:  # noqa: ANN401  (py-consul has no types)
        """The HTTP client, made at its first use because it belongs to the running loop."""
        if self._client is None:
            with warnings.catch_warnings():
                # py-consul 1.8 hands aiohttp its TLS options by their old names.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._client = consul.aio.Consul(
                    self._host,
                    self._port,
                    token=self._token,
                    scheme=self._scheme,
                    verify=self._scheme == "https",
                    connections_limit=CONNECTIONS_MAX,
                    connections_timeout=CALL_TIMEOUT_S,
                )
        return self._client

    async def _renew(self, service_id: str) -> bool:
        """False when the agent does not know the instance (any more)."""
        agent = self.client.agent
        try:
            if self._health == "grpc":
                return await agent.service_definition(service_id) is not None
            return bool(await agent.check.ttl_pass(f"service:{service_id}"))
        except consul.ConsulException:
            # An agent that has forgotten the check says 404 or 500, depending on its version.
            return False

    async def _register(self, instance: Instance, service_id: str) -> None:
        host, port = _split(instance.address)
        if self._health == "grpc":
            check = consul.Check.grpc(
                instance.address, GRPC_CHECK_INTERVAL, timeout=GRPC_CHECK_TIMEOUT
            )
        else:
            check = consul.Check.ttl(_duration(self._ttl_s))
        await self.client.agent.service.register(
            f"{self._namespace}-{instance.service}",
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
        # Consul adds up to a sixteenth of jitter to the wait.
        timeout_s = CALL_TIMEOUT_S + (self._wait_s * 17 / 16 if before else 0.0)
        async with _answers_within(timeout_s):
            response = await self._query(before, timeout_s)
            index = _believable_index(response)
            if index != before:
                self._instances = _instances(self._service, json.loads(response.body))
        # An index that goes back means that the server's state is another one.
        self._index = index if before is None or index >= before else 0
        return self._instances

    async def close(self) -> None:
        """Nothing to release: the client is the registry's."""

    async def _query(self, index: int | None, timeout_s: float) -> Response:
        # Any server may answer, the leader or not; how current it is, is checked on arrival.
        params: list[tuple[str, str]] = [("passing", "1"), ("stale", "")]
        if index:
            params += [("index", str(index)), ("wait", _duration(self._wait_s))]
        client = self._registry.client
        return await client.http.get(
            lambda response: response,
            f"/v1/health/service/{self._name}",
            params=params,
            headers=client.prepare_headers(),
            connections_timeout=timeout_s,
        )


@asynccontextmanager
async def _answers_within(timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise RegistryTrouble(f"Consul did not answer within {timeout_s:g} s") from error
    except (consul.ConsulException, aiohttp.ClientError, OSError, ValueError) as error:
        raise RegistryTrouble(f"Consul: {error}") from error


def _believable_index(response: Response) -> int:
    """The reply's index. Raises RegistryTrouble for a reply that may be false."""
    if response.code != 200:
        raise RegistryTrouble(f"Consul: {response.code} {response.body[:200]}")
    headers = response.headers
    if headers.get("X-Consul-KnownLeader", "true").lower() != "true":
        raise RegistryTrouble("Consul has no leader")
    last_contact_s = int(headers.get("X-Consul-LastContact", "0")) / 1000.0
    if last_contact_s > LAST_CONTACT_MAX_S:
        raise RegistryTrouble(f"Consul's answer is {last_contact_s:g} s old")
    return max(0, int(headers.get("X-Consul-Index", "0")))


def _instances(service: str, entries: Iterable[Any]) -> list[Instance]:
    """One instance per id: after a move to another machine the newer registration counts."""
    newest: dict[str, tuple[int, Instance]] = {}
    for entry in entries:
        try:
            registered = entry["Service"]
            instance_id = registered["ID"].removeprefix(f"{service}-")
            host = registered["Address"] or entry["Node"]["Address"]
            host = f"[{host}]" if ":" in host else host
            meta = MappingProxyType(dict(registered.get("Meta") or {}))
            instance = Instance(service, instance_id, f"{host}:{registered['Port']}", meta)
            modified = int(registered.get("ModifyIndex", 0))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            _log.warning("discovery.bad_entry", watched=service, reason=repr(error))
            continue
        if instance_id not in newest or newest[instance_id][0] < modified:
            newest[instance_id] = (modified, instance)
    return [instance for _, instance in newest.values()]


def _service_id(instance: Instance) -> str:
    return f"{instance.service}-{instance.instance_id}"


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _parse(address: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises ValueError."""
    scheme, separator, rest = address.rpartition("://")
    host, port = _split(rest.rstrip("/"))
    if (separator and scheme not in {"http", "https"}) or not host:
        raise ValueError(f"a Consul address is host:port or http(s)://host:port, not {address!r}")
    return scheme or "http", host, port
