"""A registry that holds junk, is full or takes no writes: the mesh goes on with what it knows."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import hasten_client as hc
from hasten_runtime.redis_store.client import open_redis
from hasten_runtime.redis_store.leased_map import LeasedMap
from loadtest.repository import write_synthetic
from tests.support.servers import RedisServer
from tests.support.services import (
    NOBODY_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
LEASE_S = 1.0
GRACE_S = 0.5
TROUBLE_S = 6.0
"""Longer than the lease, what a troubled registry is not believed, and the grace together."""
INSTANCES = "hasten:instances:worker"
X = np.ones((1, 4), np.float32)

WELL = {"address": "127.0.0.1:9", "meta": {}}
JUNK: Mapping[str, bytes] = {
    "no-json": b"{",
    "no-utf8": b"\xff\xfe{}",
    "deep": b"[" * 100_000,
    "deep-facts": b'{"address": "a:1", "meta": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "a-list": b"[]",
    "null": b"null",
    "no-address": b'{"meta": {}}',
    "no-port": json.dumps({**WELL, "address": "127.0.0.1"}).encode(),
    "large-port": json.dumps({**WELL, "address": "127.0.0.1:99999"}).encode(),
    "long-port": json.dumps({**WELL, "address": "a:" + "9" * 5000}).encode(),
    "blank": json.dumps({**WELL, "address": "a b:1"}).encode(),
    "a-path": json.dumps({**WELL, "address": "unix:/tmp/x:1"}).encode(),
    "lone-surrogate": json.dumps({**WELL, "address": "\ud800:1"}).encode(),
    "surrogate-fact": json.dumps({**WELL, "meta": {"metrics": "\udfff"}}).encode(),
    "odd-facts": json.dumps({**WELL, "meta": {"a": {"b": []}}}).encode(),
    "facts-are-a-list": json.dumps({**WELL, "meta": [1]}).encode(),
    "huge-number": b'{"address": ' + b"9" * 5000 + b', "meta": {}}',
    "not-a-number": b'{"address": NaN, "meta": {"a": Infinity}}',
    "line\nbreak": json.dumps(WELL).encode(),
    "": json.dumps(WELL).encode(),
    "i" * 5000: json.dumps(WELL).encode(),
    "two-addresses": json.dumps({**WELL, "address": "h:1\r\nh:2"}).encode(),
}


async def write(url: str, entries: Mapping[str, bytes]) -> None:
    redis = open_redis(url)
    leases = LeasedMap(redis, INSTANCES, channel=INSTANCES)
    for instance_id, value in entries.items():
        await leases.put(instance_id, value, ttl_s=3600)
    await redis.aclose()


async def entries(url: str) -> dict[str, bytes]:
    redis = open_redis(url)
    try:
        return await LeasedMap(redis, INSTANCES).entries()
    finally:
        await redis.aclose()


@dataclass(frozen=True)
class Running:
    worker: Service
    router: Service
    client: hc.Client

    def infer(self) -> None:
        self.client.infer("step", {"INPUT": X}, deadline_s=PATIENCE_S)


@contextmanager
def running(folder: Path, redis: RedisServer) -> Iterator[Running]:
    models = folder / "models"
    write_synthetic(models, "step", alpha_ms=1, beta_ms=0, batch_max=4)
    discovery = {"kind": "redis", "address": redis.url, "lease_s": str(LEASE_S)}
    with ExitStack() as stack:
        worker = stack.enter_context(
            running_service(
                "hasten_worker.main",
                worker_environ("w", models, discovery, redis_url=redis.url),
                log_path=folder / "worker.log",
            )
        )
        environ = router_environ(
            discovery, redis_url=redis.url, link__leave_grace_s=str(GRACE_S), **NOBODY_FREEZES
        )
        router = stack.enter_context(
            running_service("hasten_router.main", environ, log_path=folder / "router.log")
        )
        client = stack.enter_context(hc.Client(router.address))
        eventually_sync(lambda: client.ready("step"), PATIENCE_S)
        yield Running(worker, router, client)


def test_entries_that_cannot_be_read_are_left_out_and_the_others_count(
    tmp_path: Path, own_redis_server: RedisServer
) -> None:
    # Some are there before the router looks, some come while it looks.
    early = dict(list(JUNK.items())[::2])
    asyncio.run(write(own_redis_server.url, early))
    with running(tmp_path, own_redis_server) as mesh:
        for instance_id, value in JUNK.items():
            asyncio.run(write(own_redis_server.url, {instance_id: value}))
            mesh.infer()

        def said() -> bool:
            log = mesh.router.process.log_path.read_text()
            return all(f'"{name}' in log or name in log for name in ("deep", "lone-surrogate"))

        eventually_sync(said, PATIENCE_S)
        mesh.infer()
        assert mesh.router.process.exit_status is None
        assert mesh.router.process.stop() == 0


def no_room(redis: RedisServer) -> None:
    redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis.command("CONFIG", "SET", "maxmemory", "1")


def room(redis: RedisServer) -> None:
    redis.command("CONFIG", "SET", "maxmemory", "0")


def read_only(redis: RedisServer) -> None:
    redis.command("REPLICAOF", "127.0.0.1", "9")


def writable(redis: RedisServer) -> None:
    redis.command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize(("spoil", "mend"), [(no_room, room), (read_only, writable)])
def test_a_redis_that_takes_no_writes_lets_no_linked_worker_go(
    tmp_path: Path,
    own_redis_server: RedisServer,
    spoil: Callable[[RedisServer], None],
    mend: Callable[[RedisServer], None],
) -> None:
    with running(tmp_path, own_redis_server) as mesh:
        spoil(own_redis_server)
        eventually_sync(lambda: not asyncio.run(entries(own_redis_server.url)), PATIENCE_S)
        ends_s = time.monotonic() + TROUBLE_S

        def over() -> bool:
            mesh.infer()
            return time.monotonic() > ends_s

        eventually_sync(over, TROUBLE_S + PATIENCE_S)
        log = mesh.router.process.log_path.read_text()
        assert "roster.left" not in log
        mend(own_redis_server)
        eventually_sync(lambda: asyncio.run(entries(own_redis_server.url)), PATIENCE_S)
        mesh.infer()
        # One that leaves in order is let go all the same.
        assert mesh.worker.process.stop() == 0
        eventually_sync(
            lambda: "roster.left" in mesh.router.process.log_path.read_text(), PATIENCE_S
        )
