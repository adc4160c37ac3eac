"""A batch whose scheduler is killed in its middle: each line has one line of results."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from hasten_client import AsyncBatchClient, BatchInput, NewBatch, RetryPolicy
from loadtest.repository import write_synthetic
from tests.support.servers import RedisServer
from tests.support.services import Service, running_service, scheduler_environ, worker_environ
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.apart]

WAIT_S = 120.0
LINES = 400


class Mesh:
    """A worker, and schedulers that share a Redis and a folder."""

    def __init__(self, folder: Path, url: str, running: ExitStack) -> None:
        self._folder = folder
        self._url = url
        self._running = running
        write_synthetic(folder / "models", "nap", alpha_ms=20, beta_ms=0, batch_max=8)
        registry = {"kind": "redis", "address": url}
        self._start("hasten_worker.main", "w1", worker_environ("w1", folder / "models", registry))

    def scheduler(self, name: str) -> Service:
        settings = {
            "queue__shards": "2",
            "payloads__folder": str(self._folder / "payloads"),
            "batches__chunk_lines": "20",
            "batches__window": "60",
        }
        environ = scheduler_environ(name, self._url, **settings)
        return self._start("hasten_scheduler.main", name, environ)

    def _start(self, module: str, name: str, environ: dict[str, str]) -> Service:
        log_path = self._folder / f"{name}.log"
        return self._running.enter_context(running_service(module, environ, log_path=log_path))


def client_of(scheduler: Service) -> AsyncBatchClient:
    retry = RetryPolicy(attempts_max=100, tokens_max=1000.0, backoff_s_max=0.5)
    return AsyncBatchClient(scheduler.address, retry=retry)


async def some_more_are_done(client: AsyncBatchClient) -> None:
    wanted = min((await client.get("b")).succeeded + 40, LINES)

    async def done() -> bool:
        return (await client.get("b")).succeeded >= wanted

    await eventually(done)


async def test_a_scheduler_that_is_killed_loses_no_line_and_doubles_none(
    tmp_path: Path, own_redis_server: RedisServer
) -> None:
    lines = b"".join(
        json.dumps({"inputs": {"INPUT": [number, 0, 0, 0]}}).encode() + b"\n"
        for number in range(LINES)
    )
    new = NewBatch("nap", batch_id="b", inputs={"INPUT": BatchInput("FP32", [-1, 4])})
    with ExitStack() as running:
        mesh = Mesh(tmp_path, own_redis_server.url, running)
        s1, s2 = mesh.scheduler("s1"), mesh.scheduler("s2")
        async with client_of(s1) as client:
            await client.create(new)
            await client.upload("b", lines)
            await some_more_are_done(client)
        # One of the two drives the batch; each is killed once.
        s1.process.kill()
        async with client_of(s2) as client:
            s3 = mesh.scheduler("s3")
            await some_more_are_done(client)
        s2.process.kill()
        async with client_of(s3) as client:
            batch = await client.wait("b", deadline_s=WAIT_S)
            assert (batch.state, batch.succeeded, batch.failed) == ("done", LINES, 0)
            found = [line async for line in client.results("b")]
    assert [line.line for line in found] == list(range(LINES))
    assert [line.outputs["OUTPUT"][0][0] for line in found] == list(range(LINES))
