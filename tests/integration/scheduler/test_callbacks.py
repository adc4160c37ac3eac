"""Callbacks of a real mesh: a receiver hears of ends, signed, until it takes them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from aiohttp import web

from hasten_client import (
    AccessDenied,
    AsyncBatchClient,
    AsyncTaskClient,
    BatchInput,
    Callback,
    FailedPrecondition,
    InferRequest,
    NewBatch,
    NewTask,
)
from hasten_scheduler.callbacks.signing import secret_of, signed_headers
from tests.integration.scheduler.conftest import CALLBACK_SECRET, TaskMesh
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]

WAIT_S = 60.0
ONES = {"INPUT": np.ones((1, 4), np.float32)}


def fresh() -> str:
    return f"c-{uuid4().hex[:12]}"


class Receiver:
    """Takes events, and says of some paths that it does not.

    Attributes:
        status: What it says at a path; 200 at all others.
        uri: Of the receiver.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.status: dict[str, int] = {}
        self.came: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        signed = signed_headers(
            secret_of(CALLBACK_SECRET),
            headers["webhook-id"],
            int(headers["webhook-timestamp"]),
            body,
        )
        assert headers["webhook-signature"] == signed["webhook-signature"]
        event = json.loads(body)
        assert event["id"] == headers["webhook-id"]
        self.came.put_nowait((request.path, event))
        return web.Response(status=self.status.get(request.path, 200))

    async def next(self, path: str) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            while True:
                at, event = await self.came.get()
                if at == path:
                    return event


@pytest.fixture
async def receiver(tasks_mesh: TaskMesh) -> AsyncIterator[Receiver]:
    taking = Receiver(f"http://127.0.0.1:{tasks_mesh.receiver_port}")
    app = web.Application()
    app.router.add_post("/{path}", taking.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", tasks_mesh.receiver_port, reuse_address=True).start()
    yield taking
    await runner.cleanup()


@pytest.fixture
async def batches(address: str) -> AsyncIterator[AsyncBatchClient]:
    async with AsyncBatchClient(address) as opened:
        yield opened


def task(name: str, callback_uri: str, model: str = "echo") -> NewTask:
    inputs = ONES if model == "echo" else {"INPUT": np.array([9], np.int64)}
    return NewTask(InferRequest(model, inputs, request_id=name), callback_uri=callback_uri)


async def test_the_end_of_a_task_is_told(client: AsyncTaskClient, receiver: Receiver) -> None:
    name = fresh()
    await client.submit_task(task(name, f"{receiver.uri}/task"))
    event = await receiver.next("/task")
    assert (event["type"], event["subject"]) == ("dev.hasten.task.ended", name)
    assert event["data"] == {
        "task": name,
        "tenant": "",
        "state": "done",
        "model": "echo",
        "attempts": event["data"]["attempts"],
    }
    # The same task again is the first one, and is not told of again; other content is refused.
    assert (await client.submit_task(task(name, f"{receiver.uri}/task"))).repeated
    with pytest.raises(FailedPrecondition):
        await client.submit_task(task(name, f"{receiver.uri}/elsewhere"))
    name = fresh()
    await client.submit_task(task(name, f"{receiver.uri}/picky", "picky"))
    event = await receiver.next("/picky")
    assert event["data"]["state"] == "dead"
    assert event["data"]["error"]["reason"] == "MODEL_FAILED"
    assert receiver.came.empty()


async def test_the_end_of_a_batch_is_told(batches: AsyncBatchClient, receiver: Receiver) -> None:
    new = NewBatch(
        "echo",
        batch_id=fresh(),
        tenant="acme",
        inputs={"INPUT": BatchInput("FP32", [-1, 4])},
        callback_uri=f"{receiver.uri}/batch",
    )
    await batches.create(new)
    await batches.upload(new.batch_id, b'{"inputs": {"INPUT": [1,2,3,4]}}\n{', tenant="acme")
    event = await receiver.next("/batch")
    assert (event["type"], event["subject"]) == ("dev.hasten.batch.ended", new.batch_id)
    assert event["data"] == {
        "batch": new.batch_id,
        "tenant": "acme",
        "state": "done",
        "lines": 2,
        "succeeded": 1,
        "failed": 1,
    }


async def test_a_callback_that_nobody_takes_is_dead_until_it_is_told_again(
    client: AsyncTaskClient, batches: AsyncBatchClient, receiver: Receiver
) -> None:
    receiver.status["/gone"] = 410
    await client.submit_task(task(fresh(), f"{receiver.uri}/gone"))
    event = await receiver.next("/gone")

    async def dead() -> Callback | None:
        page = await batches.callbacks(states=["dead"], page_size=1000)
        found = [each for each in page.callbacks if each.event_id == event["id"]]
        return found[0] if found else None

    callback = await eventually(dead, what="a dead callback")
    assert (callback.attempts, callback.uri) == (1, f"{receiver.uri}/gone")
    assert callback.error is not None
    assert "410" in callback.error.message
    receiver.status.clear()
    assert await batches.retry_callbacks([event["id"], "nothing"]) == (event["id"],)
    assert (await receiver.next("/gone"))["id"] == event["id"]

    async def delivered() -> bool:
        page = await batches.callbacks(states=["delivered"], page_size=1000)
        return event["id"] in [each.event_id for each in page.callbacks]

    await eventually(delivered, what="it is delivered")
    assert await batches.retry_callbacks([event["id"]]) == ()


async def test_only_allowed_hosts_are_told(client: AsyncTaskClient, receiver: Receiver) -> None:
    for uri in ("http://127.0.0.1:1/", "https://127.0.0.1/", receiver.uri.replace("http", "https")):
        with pytest.raises(AccessDenied) as refused:
            await client.submit_task(task(fresh(), uri))
        assert refused.value.reason == "CALLBACK_NOT_ALLOWED"
