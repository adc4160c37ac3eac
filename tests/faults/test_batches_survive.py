"""A batch whose scheduler is killed in its middle: each line has one line of results."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from hasten_client import AsyncBatchClient, BatchInput, NewBatch, RetryPolicy
from loadtest.repository import write_synthetic
from tests.support.servers import RedisServer
from tests.support.services import running_service, scheduler_environ, worker_environ
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.apart]

WAIT_S = 120.0
LINES = 400


async def test_a_scheduler_that_is_killed_loses_no_line_and_doubles_none(
    tmp_path: Path, own_redis_server: RedisServer
) -> None:
    url = own_redis_server.url
    write_synthetic(tmp_path / "models", "nap", alpha_ms=20, beta_ms=0, batch_max=8)
    settings = {
        "queue__shards": "2",
        "payloads__folder": str(tmp_path / "payloads"),
        "batches__chunk_lines": "20",
        "batches__window": "60",
    }
    lines = b"".join(
        json.dumps({"inputs": {"INPUT": [number, 0, 0, 0]}}).encode() + b"\n"
        for number in range(LINES)
    )
    new = NewBatch("nap", batch_id="b", inputs={"INPUT": BatchInput("FP32", [-1, 4])})
    with ExitStack() as running:
        environ = worker_environ("w1", tmp_path / "models", {"kind": "redis", "address": url})
        log_path = tmp_path / "w1.log"
        running.enter_context(running_service("hasten_worker.main", environ, log_path=log_path))
        schedulers = {
            name: running.enter_context(
                running_service(
                    "hasten_scheduler.main",
                    scheduler_environ(name, url, **settings),
                    log_path=tmp_path / f"{name}.log",
                )
            )
            for name in ("s1", "s2")
        }
        retry = RetryPolicy(attempts_max=100, tokens_max=1000.0, backoff_s_max=0.5)
        async with AsyncBatchClient(schedulers["s1"].address, retry=retry) as client:
            await client.create(new)
            await client.upload("b", lines)

            async def some_are_done() -> bool:
                return (await client.get("b")).succeeded >= 40

            await eventually(some_are_done)
        # One of the two drives the batch; each is killed once.
        schedulers["s1"].process.kill()
        async with AsyncBatchClient(schedulers["s2"].address, retry=retry) as client:
            position = (await client.get("b")).succeeded
            s3 = running.enter_context(
                running_service(
                    "hasten_scheduler.main",
                    scheduler_environ("s3", url, **settings),
                    log_path=tmp_path / "s3.log",
                )
            )

            async def more_are_done() -> bool:
                return (await client.get("b")).succeeded >= min(position + 40, LINES)

            await eventually(more_are_done)
        schedulers["s2"].process.kill()
        async with AsyncBatchClient(s3.address, retry=retry) as client:
            batch = await client.wait("b", deadline_s=WAIT_S)
            assert (batch.state, batch.succeeded, batch.failed) == ("done", LINES, 0)
            found = [line async for line in client.results("b")]
    assert [line.line for line in found] == list(range(LINES))
    assert [line.outputs["OUTPUT"][0][0] for line in found] == list(range(LINES))
