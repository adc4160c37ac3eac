"""Worker load, demand and checkpoints in Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from google.protobuf.message import DecodeError

from hasten.common.v1.load_pb2 import WorkerState
from hasten_policy.load import WorkerReport
from hasten_runtime import logs, wire
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.load_store import CHECKPOINT_BYTES_MAX, StoreUnavailable, Topic
from hasten_runtime.redis_store.breaker import Breaker
from hasten_runtime.redis_store.client import RedisClients, bounded
from hasten_runtime.redis_store.leased_map import LeasedMap

_log = logs.logger(__name__)

PROBE_PAUSE_S: Final = 1.0
"""While Redis is dead, one call in this time tries it; the others fail at once."""


class RedisLoadStore:
    """The `LoadStore` port over Redis; does no IO before its first call.

    Keys: `{<namespace>:load}:*` is a leased map of worker id to `hasten.common.v1.WorkerState`,
    `{<namespace>:<topic>}:*` one of who tells to what is told,
    `<namespace>:checkpoint:<name>` a plain value with a time to live.

    Args:
        url: As `open_redis` takes it.
        namespace: Meshes with different ones do not see each other.
        clock: For the pause between probes of a dead Redis.
    """

    def __init__(self, url: str, *, namespace: str = "hasten", clock: Clock | None = None) -> None:
        self._clients = RedisClients(url)
        load = f"{namespace}:load"
        self._load = LeasedMap(self._clients.of(load), load)
        names = {topic: f"{namespace}:{topic.value}" for topic in Topic}
        self._topics = {
            topic: LeasedMap(self._clients.of(name), name) for topic, name in names.items()
        }
        self._checkpoint_prefix = f"{namespace}:checkpoint:"
        self._breaker = Breaker(clock or SystemClock(), pause_s=PROBE_PAUSE_S)

    async def publish(self, state: WorkerState, *, ttl_s: float) -> None:
        """Replaces the worker's state; see the port."""
        async with self._guarded():
            await self._load.put(state.worker_id, state.SerializeToString(), ttl_s=ttl_s)

    async def withdraw(self, worker_id: str) -> None:
        """Removes the worker's report; see the port."""
        async with self._guarded():
            await self._load.remove(worker_id)

    async def reports(self) -> dict[str, WorkerReport]:
        """All live reports by worker; one that cannot be read is left out and named in the log."""
        reports: dict[str, WorkerReport] = {}
        for worker_id, state in (await self.states()).items():
            try:
                reports[worker_id] = wire.report_from_wire(state)
            except ValueError as error:
                _log.warning("load_store.bad_report", worker_id=worker_id, reason=str(error))
        return reports

    async def states(self) -> dict[str, WorkerState]:
        """All live states; see the port. What is no state is left out and named in the log."""
        async with self._guarded():
            entries = await self._load.entries()
        states: dict[str, WorkerState] = {}
        for worker_id, value in entries.items():
            try:
                states[worker_id] = WorkerState.FromString(value)
            except DecodeError as error:
                _log.warning("load_store.bad_report", worker_id=worker_id, reason=str(error))
        return states

    async def tell(self, topic: Topic, teller_id: str, value: bytes, *, ttl_s: float) -> None:
        """Replaces what the teller said; see the port."""
        async with self._guarded():
            await self._topics[topic].put(teller_id, value, ttl_s=ttl_s)

    async def told(self, topic: Topic) -> dict[str, bytes]:
        """What was said; see the port."""
        async with self._guarded():
            return await self._topics[topic].entries()

    async def hush(self, topic: Topic, teller_id: str) -> None:
        """Forgets what the teller said; see the port."""
        async with self._guarded():
            await self._topics[topic].remove(teller_id)

    async def save_checkpoint(self, name: str, value: bytes, *, ttl_s: float) -> None:
        """Stores a checkpoint; see the port."""
        if len(value) > CHECKPOINT_BYTES_MAX:
            raise ValueError(f"a checkpoint has at most {CHECKPOINT_BYTES_MAX} bytes")
        async with self._guarded(), bounded():
            ttl_ms = max(1, round(ttl_s * 1000))
            key = self._checkpoint_prefix + name
            await self._clients.of(key).set(key, value, px=ttl_ms)

    async def checkpoint(self, name: str) -> bytes | None:
        """The checkpoint, or None; see the port."""
        async with self._guarded(), bounded():
            key = self._checkpoint_prefix + name
            value = await self._clients.of(key).get(key)
        return value if isinstance(value, bytes) else None

    async def close(self) -> None:
        """Releases connections."""
        await self._clients.aclose()

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        if not self._breaker.allows():
            raise StoreUnavailable("Redis failed a moment ago and is given a pause")
        try:
            yield
        except StoreUnavailable:
            self._breaker.failed()
            raise
        self._breaker.succeeded()
