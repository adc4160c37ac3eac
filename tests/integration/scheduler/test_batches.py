"""Batches on a real mesh, through the client: from lines to lines of results."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from hasten.scheduler.v1 import batch_service_pb2 as pb
from hasten_client import (
    AccessDenied,
    AsyncBatchClient,
    AsyncTaskClient,
    Batch,
    BatchInput,
    FailedPrecondition,
    InvalidArgument,
    NewBatch,
    NotFound,
    batch_operations,
)
from tests.integration.scheduler.conftest import TaskMesh
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]

WAIT_S = 60.0
ECHO = {"INPUT": BatchInput("FP32", [-1, 4])}


def fresh() -> str:
    return f"b-{uuid4().hex[:12]}"


def lines_of(count: int) -> bytes:
    return b"".join(
        json.dumps({"id": f"row {number}", "inputs": {"INPUT": [number, 0, 0, 0]}}).encode() + b"\n"
        for number in range(count)
    )


@pytest.fixture
async def batches(address: str) -> AsyncIterator[AsyncBatchClient]:
    async with AsyncBatchClient(address) as opened:
        yield opened


@pytest.fixture
def folder(tasks_mesh: TaskMesh) -> Path:
    """A new one, which batches may lie in."""
    made = tasks_mesh.folder / "lines" / fresh()
    made.mkdir()
    return made


async def run(batches: AsyncBatchClient, new: NewBatch, lines: bytes = b"") -> Batch:
    created = await batches.create(new)
    if not new.uri:
        await batches.upload(created.batch_id, lines, tenant=new.tenant)
    return await batches.wait(created.batch_id, tenant=new.tenant, deadline_s=WAIT_S)


async def test_every_line_has_one_line_of_results_in_order(batches: AsyncBatchClient) -> None:
    new = NewBatch("echo", batch_id=fresh(), inputs=ECHO, tenant="acme", labels={"a": "b"})
    broken = b'{"inputs": {"INPUT": "x"}}\n{"model": "nobody", "inputs": {"INPUT": [1,2,3,4]}}\n'
    batch = await run(batches, new, lines_of(30) + broken)
    assert (batch.state, batch.lines, batch.succeeded, batch.failed) == ("done", 32, 30, 2)
    assert batch.labels == {"a": "b"}
    lines = [line async for line in batches.results(new.batch_id, tenant="acme")]
    assert [line.line for line in lines] == list(range(32))
    assert [line.outputs["OUTPUT"][0][0] for line in lines[:30]] == list(range(30))
    assert lines[3].name == "row 3"
    errors = [line async for line in batches.results(new.batch_id, tenant="acme", kind="errors")]
    assert [line.line for line in errors] == [30, 31]
    assert isinstance(errors[0].error, InvalidArgument)
    assert isinstance(errors[1].error, NotFound)
    some = [line async for line in batches.results(new.batch_id, tenant="acme", position=29)]
    assert [line.line for line in some] == [29, 30, 31]


async def test_a_batch_leaves_no_tasks_behind(batches: AsyncBatchClient, address: str) -> None:
    batch = await run(batches, NewBatch("picky", inputs={"INPUT": BatchInput("INT64", [1])}), PICKY)
    assert (batch.succeeded, batch.failed) == (4, 2)
    errors = [line async for line in batches.results(batch.batch_id, kind="errors")]
    assert [line.error and line.error.reason for line in errors] == ["MODEL_FAILED"] * 2
    async with AsyncTaskClient(address) as tasks:
        left = (await tasks.page(model="picky", page_size=1000)).tasks
        assert [task for task in left if batch.batch_id in task.request_id] == []


PICKY = b"".join(b'{"inputs": {"INPUT": %d}}\n' % row for row in (0, 1, 9, 2, 3, 9))


async def test_arrays_and_folders_are_batches(batches: AsyncBatchClient, folder: Path) -> None:
    rows = np.arange(20, dtype=np.float64).reshape(5, 4)
    np.savez(folder / "rows.npz", INPUT=rows)
    uri = f"file://{folder}/rows.npz"
    batch = await run(batches, NewBatch("echo", format="npz", uri=uri, inputs=ECHO))
    assert batch.succeeded == 5, batch
    values = [line.outputs["OUTPUT"] async for line in batches.results(batch.batch_id)]
    np.testing.assert_array_equal(np.concatenate(values), rows)
    uploaded = (folder / "rows.npz").read_bytes()
    batch = await run(batches, NewBatch("echo", format="npz", inputs=ECHO), uploaded)
    assert batch.succeeded == 5
    np.save(folder / "a.npy", rows[0])
    (folder / "b.json").write_text('{"inputs": {"INPUT": [1, 2, 3, 4]}}')
    new = NewBatch("echo", format="directory", uri=f"file://{folder}", inputs=ECHO)
    batch = await run(batches, new)
    lines = [line async for line in batches.results(batch.batch_id)]
    assert [line.name for line in lines] == ["a.npy", "b.json", "rows.npz"]
    assert not any(line.failed for line in lines)


async def test_one_id_is_one_batch(batches: AsyncBatchClient) -> None:
    new = NewBatch("echo", batch_id=fresh(), inputs=ECHO)
    first = await run(batches, new, lines_of(3))
    again = await batches.create(new)
    assert (again.state, again.lines) == (first.state, first.lines)
    assert (await batches.upload(new.batch_id, lines_of(3))).lines == 3
    with pytest.raises(FailedPrecondition) as refused:
        await batches.create(NewBatch("echo", batch_id=new.batch_id))
    assert refused.value.status == "ALREADY_EXISTS"


async def test_a_batch_is_paused_resumed_cancelled_and_deleted(
    batches: AsyncBatchClient, client: AsyncTaskClient
) -> None:
    new = NewBatch("slow", batch_id=fresh(), inputs=ECHO)
    await batches.create(new)
    with pytest.raises(FailedPrecondition, match="not all there"):
        await batches.pause(new.batch_id)
    await batches.upload(new.batch_id, lines_of(40))
    assert (await batches.pause(new.batch_id)).state == "paused"
    assert (await batches.get(new.batch_id)).state == "paused"
    listed = await batches.page(states=["paused"], page_size=1000)
    assert new.batch_id in [batch.batch_id for batch in listed.batches]
    assert (await batches.resume(new.batch_id)).state == "running"
    with pytest.raises(FailedPrecondition, match="cancel it first"):
        await batches.delete(new.batch_id)

    async def begun() -> bool:
        tasks = (await client.page(model="slow", page_size=1000)).tasks
        return any(new.batch_id in task.request_id for task in tasks)

    await eventually(begun)
    await batches.cancel(new.batch_id)
    ended = await batches.wait(new.batch_id, deadline_s=WAIT_S)
    assert (ended.state, ended.succeeded) == ("cancelled", 0)
    # What was begun says so; what was not has no line.
    lines = [line async for line in batches.results(new.batch_id)]
    assert 0 < len(lines) <= 12
    assert {line.error and line.error.reason for line in lines} == {"CANCELLED"}
    assert (await batches.cancel(new.batch_id)).state == "cancelled"
    await batches.delete(new.batch_id)
    with pytest.raises(NotFound):
        await batches.get(new.batch_id)


async def test_an_upload_that_broke_goes_on(batches: AsyncBatchClient) -> None:
    new = NewBatch("echo", batch_id=fresh(), inputs=ECHO)
    await batches.create(new)
    lines = lines_of(10)
    piece = pb.UploadBatchRequest(
        name=batch_operations.name(new.batch_id, ""), offset=0, data=lines[:100]
    )
    stream = batches._transport.stream(batch_operations.UPLOAD, [piece], timeout=None, metadata=())
    async for _ in stream:
        break
    assert (await batches.get(new.batch_id)).uploaded_bytes == 100
    sent = list(batch_operations.pieces(new.batch_id, "", lines, 100))
    assert [piece.offset for piece in sent] == [100]
    await batches.upload(new.batch_id, lines)
    batch = await batches.wait(new.batch_id, deadline_s=WAIT_S)
    assert batch.succeeded == 10


async def test_what_cannot_be_a_batch_is_refused(
    batches: AsyncBatchClient, tasks_mesh: TaskMesh
) -> None:
    secret = tasks_mesh.folder / "secret.jsonl"
    secret.write_bytes(lines_of(1))
    with pytest.raises(AccessDenied, match="allowed folder"):
        await batches.create(NewBatch("echo", uri=f"file://{secret}"))
    with pytest.raises(AccessDenied, match="only file"):
        await batches.create(NewBatch("echo", uri="s3://bucket/lines.jsonl"))
    with pytest.raises(NotFound):
        await batches.create(NewBatch("nobody"))
    with pytest.raises(InvalidArgument, match="uploaded"):
        await batches.create(NewBatch("echo", format="directory"))
    with pytest.raises(InvalidArgument, match="batch_id"):
        await batches.create(NewBatch("echo", batch_id="a/b"))
    with pytest.raises(AccessDenied, match="hosts"):
        await batches.create(NewBatch("echo", callback_uri="https://elsewhere.example/"))
    new = NewBatch("echo", format="npz", batch_id=fresh())
    await batches.create(new)
    with pytest.raises(InvalidArgument, match="npz"):
        await batches.upload(new.batch_id, b"no archive")
    assert (await batches.get(new.batch_id)).uploaded_bytes == 0
    with pytest.raises(NotFound):
        await batches.get(fresh())


async def test_results_can_be_read_while_it_runs(batches: AsyncBatchClient) -> None:
    new = NewBatch("echo", batch_id=fresh(), inputs=ECHO)
    await batches.create(new)
    slow = b'{"model": "slow", "inputs": {"INPUT": [1,2,3,4]}}\n'
    await batches.upload(new.batch_id, lines_of(6) + slow)

    async def some() -> list[int]:
        return [line.line async for line in batches.results(new.batch_id, follow=False)]

    assert await eventually(some, what="results") == [0, 1, 2, 3]
    assert (await batches.get(new.batch_id)).state == "running"
    await batches.cancel(new.batch_id)
    follow = [line async for line in batches.results(new.batch_id)]
    assert [line.failed for line in follow] == [False] * 6 + [True]
