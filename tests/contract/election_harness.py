"""The stores behind the election contract, each with the faults that it can have."""

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from typing import Any

from hasten_runtime.election.consul import ConsulElection
from hasten_runtime.election.memory import MemoryElection
from hasten_runtime.election.port import Election, Term
from hasten_runtime.redis_store.client import bounded, open_redis
from hasten_runtime.redis_store.election import RedisElection
from tests.support.servers import ConsulAgent, RedisServer
from tests.support.waiting import eventually

LONG_S = 60.0
"""A lease that does not end in a test by itself."""


class ElectionHarness(ABC):
    """One store, in which the elections of several make-believe processes meet."""

    def __init__(self) -> None:
        self._opened: list[Election] = []

    def election(self) -> Election:
        """One process's access; closed with the harness."""
        election = self.open()
        self._opened.append(election)
        return election

    async def close(self) -> None:
        for election in self._opened:
            await election.close()

    @abstractmethod
    def open(self, port: int | None = None) -> Election:
        """An access, over this port of loopback if one is given."""

    @abstractmethod
    async def lapse(self, name: str) -> None:
        """The lease of whoever has it ends now."""

    @abstractmethod
    async def copy(self, name: str) -> Any:
        """What the store has of a name, to be put back by `restore`."""

    @abstractmethod
    async def restore(self, name: str, copy: Any) -> None:
        """The store was restored from this copy, made a while ago: no lease in it lasts."""

    @abstractmethod
    async def kill(self) -> None:
        """The store is gone."""

    @abstractmethod
    async def start_empty(self) -> None:
        """The store is back and has forgotten everything."""


class MemoryHarness(ElectionHarness):
    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryElection()

    def open(self, port: int | None = None) -> Election:
        assert port is None
        return self.store

    async def lapse(self, name: str) -> None:
        assert (await self.store.holder(name)) is not None
        del self.store.held[name]

    async def copy(self, name: str) -> Any:
        return self.store.held[name]

    async def restore(self, name: str, copy: Any) -> None:
        self.store.held[name] = copy
        await self.lapse(name)

    async def kill(self) -> None:
        self.store.available = False

    async def start_empty(self) -> None:
        self.store.held.clear()
        self.store.available = True


class RedisHarness(ElectionHarness):
    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.server = server

    def open(self, port: int | None = None) -> RedisElection:
        return RedisElection(self.server.url if port is None else f"redis://127.0.0.1:{port}/0")

    async def lapse(self, name: str) -> None:
        await self.set(name, until_ms=1)

    async def copy(self, name: str) -> dict[str, str]:
        kept: dict[str, str] = await self._command("hgetall", key(name))
        return kept

    async def restore(self, name: str, copy: dict[str, str]) -> None:
        await self._command("delete", key(name))
        await self.set(name, **{**copy, "until_ms": "1"})

    async def set(self, name: str, **fields: str | int) -> None:
        """Changes fields of the hash."""
        redis = open_redis(self.server.url)
        async with bounded():
            await redis.hset(key(name), mapping=dict(fields))
        await redis.aclose()

    async def _command(self, command: str, *words: str) -> Any:
        redis = open_redis(self.server.url)
        async with bounded():
            answer = await getattr(redis, command)(*words)
        await redis.aclose()
        if isinstance(answer, dict):
            return {name.decode(): value.decode() for name, value in answer.items()}
        return answer

    async def kill(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def start_empty(self) -> None:
        await asyncio.to_thread(self.server.restart_empty)


class ConsulHarness(ElectionHarness):
    def __init__(self, agent: ConsulAgent) -> None:
        super().__init__()
        self.server = agent
        # A lock delay is on the key, and outlives the test before.
        self.namespace = f"hasten-{uuid.uuid4().hex}"

    def open(self, port: int | None = None) -> ConsulElection:
        address = self.server.address if port is None else f"127.0.0.1:{port}"
        return ConsulElection(address, namespace=self.namespace)

    async def lapse(self, name: str) -> None:
        held = self._entry(name)["Session"]
        (session,) = self.server.get(f"/v1/session/info/{held}")
        self.server.put(f"/v1/agent/check/fail/{session['ServiceChecks'][0]['ID']}")
        await eventually(lambda: "Session" not in self._entry(name), what="the lock is free")

    async def copy(self, name: str) -> Any:
        return self.server.get(f"/v1/kv/{self.namespace}/{name}?raw")

    async def restore(self, name: str, copy: Any) -> None:
        self.server.put(f"/v1/kv/{self.namespace}/{name}", copy)
        session = self._entry(name).get("Session")
        if session:
            self.server.put(f"/v1/session/destroy/{session}")
        await _a_second_has_passed()

    async def kill(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def start_empty(self) -> None:
        await asyncio.to_thread(self.server.restart)
        await _a_second_has_passed()

    def _entry(self, name: str) -> Any:
        (entry,) = self.server.get(f"/v1/kv/{self.namespace}/{name}")
        return entry


async def _a_second_has_passed() -> None:
    """Epochs rise with the agent's time of day, which it tells to the second.

    A store that is restored or rebuilt takes longer than that.
    """
    second = int(time.time())
    await eventually(lambda: int(time.time()) > second)


def key(name: str) -> str:
    """Of the hash in Redis, as every script of an owner knows it."""
    return f"{{hasten:{name}}}:owner"


async def taken(election: Election, name: str, candidate: str, lease_s: float = LONG_S) -> Term:
    """Campaigns until the ownership is had: with Consul a lock is delayed after a lost session."""

    async def took() -> Term | None:
        return await election.campaign(name, candidate, lease_s=lease_s)

    term = await eventually(took, what=f"{candidate} has {name}")
    assert term is not None
    return term
