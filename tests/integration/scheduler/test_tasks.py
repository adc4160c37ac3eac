"""Tasks on a real mesh, through the client, asked of each of two schedulers."""

import asyncio
import re
from urllib.request import urlopen
from uuid import uuid4

import grpc
import numpy as np
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_client import (
    AsyncClient,
    AsyncTaskClient,
    FailedPrecondition,
    InferRequest,
    InvalidArgument,
    NewTask,
    NotFound,
    Task,
    TaskClient,
)
from hasten_runtime import telemetry_names as names
from tests.integration.scheduler.conftest import TaskMesh
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("tasks mesh")]

WAIT_S = 60.0
INPUT = {"INPUT": np.ones((1, 4), np.float32)}


def fresh(name: str = "t") -> str:
    return f"{name}-{uuid4().hex[:12]}"


async def in_state(client: AsyncTaskClient, request_id: str, *states: str) -> Task:
    async def there() -> Task | None:
        task = await client.get(request_id)
        return task if task.state in states else None

    return await eventually(there, what=f"{request_id} is {states}")


async def test_a_task_is_run_and_its_answer_kept(client: AsyncTaskClient) -> None:
    done = await client.submit("echo", INPUT, request_id=fresh(), labels={"kind": "first"})
    task = await client.wait(done.request_id, deadline_s=WAIT_S)
    assert (task.state, task.runs, task.model) == ("done", 1, "echo")
    assert task.labels == {"kind": "first"}
    assert task.result is not None
    assert task.result["OUTPUT"].tolist() == [[1.0] * 4]


async def test_one_id_is_one_task(client: AsyncTaskClient) -> None:
    request_id = fresh()
    first = await client.submit("echo", INPUT, request_id=request_id)
    await client.wait(request_id, deadline_s=WAIT_S)
    again = await client.submit("echo", INPUT, request_id=request_id)
    assert (first.repeated, again.repeated) == (False, True)
    with pytest.raises(FailedPrecondition) as refused:
        await client.submit("echo", {"INPUT": np.zeros((1, 4), np.float32)}, request_id=request_id)
    assert (refused.value.status, refused.value.reason) == (
        "ALREADY_EXISTS",
        "TASK_CONTENT_DIFFERS",
    )
    assert (await client.get(request_id)).runs == 1


async def test_a_stock_call_is_a_task_that_is_waited_for(address: str) -> None:
    """Who lost the connection repeats the id, and gets the first one's answer."""
    request = pb.ModelInferRequest(model_name="echo", id=fresh())
    request.inputs.add(name="INPUT", datatype="FP32", shape=[1, 4])
    request.raw_input_contents.append(np.ones(4, "<f4").tobytes())
    async with grpc.aio.insecure_channel(address) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        answers = [await infer(request.SerializeToString(), timeout=WAIT_S) for _ in range(2)]
    assert answers[0] == answers[1]
    assert pb.ModelInferResponse.FromString(answers[0]).id == request.id
    async with AsyncTaskClient(address) as client:
        assert (await client.get(request.id)).runs == 1
    async with AsyncClient(address) as stock:
        assert await stock.live()
        assert await stock.ready()
        assert await stock.ready("echo")
        assert (await stock.metadata("echo")).name == "echo"


async def test_many_are_submitted_over_one_stream_each_for_itself(client: AsyncTaskClient) -> None:
    prefix = fresh("many")
    tasks = [NewTask(InferRequest("echo", INPUT, request_id=f"{prefix}-{n}")) for n in range(150)]
    tasks[70] = NewTask(InferRequest("nope", INPUT, request_id=f"{prefix}-70"))
    outcomes = [outcome async for outcome in client.submit_many(tasks)]
    assert [outcome.request_id for outcome in outcomes] == [f"{prefix}-{n}" for n in range(150)]
    assert isinstance(outcomes[70].error, NotFound)
    assert sum(outcome.error is None for outcome in outcomes) == 149
    await asyncio.gather(
        *(client.wait(f"{prefix}-{n}", deadline_s=WAIT_S) for n in range(150) if n != 70)
    )


async def test_a_task_that_waits_for_its_time_is_changed_and_cancelled(
    client: AsyncTaskClient,
) -> None:
    request_id = fresh()
    await client.submit("echo", INPUT, request_id=request_id, start_in_s=3600, deadline_s=7200)
    explained = await client.explain(request_id)
    assert (explained.task.state, explained.task.priority) == ("later", 1)
    assert "it may start in" in explained.reasons[0]
    changed = await client.update(request_id, priority_class=0, time_left_s=9000)
    assert changed.priority == 0
    assert changed.time_left_s is not None
    assert changed.time_left_s > 8000
    assert await client.cancel(request_id) == "later"
    assert (await client.wait(request_id, deadline_s=WAIT_S)).state == "cancelled"
    assert await client.cancel(request_id) == "cancelled"
    with pytest.raises(FailedPrecondition, match="only a task that waits"):
        await client.update(request_id, priority_class=1)


async def test_a_task_that_runs_is_cancelled_at_once(client: AsyncTaskClient) -> None:
    request_id = fresh("slow")
    await client.submit("slow", INPUT, request_id=request_id)
    await in_state(client, request_id, "running")
    waiting = asyncio.create_task(client.wait(request_id, deadline_s=WAIT_S))
    assert await client.cancel(request_id) == "running"
    assert (await waiting).state == "cancelled"


async def test_what_is_paused_waits_until_it_is_resumed(client: AsyncTaskClient) -> None:
    tenant = fresh("tenant")
    await client.pause(tenant=tenant, model="echo")
    done = await client.submit("echo", INPUT, tenant=tenant)
    # What came after it and is not paused has been run: it was passed over.
    other = await client.submit("echo", INPUT)
    await client.wait(other.request_id, deadline_s=WAIT_S)
    explained = await client.explain(done.request_id, tenant=tenant)
    assert explained.task.state == "waiting"
    assert f"paused: tenant {tenant}, model echo" in explained.reasons
    assert [scope.tenant for scope in (await client.stats()).paused] == [tenant]
    await client.resume(tenant=tenant, model="echo")
    task = await client.wait(done.request_id, tenant=tenant, deadline_s=WAIT_S)
    assert task.state == "done"


async def test_what_a_model_cannot_do_is_a_dead_letter_until_somebody_decides(
    client: AsyncTaskClient,
) -> None:
    request_id = fresh("dead")
    await client.submit("picky", {"INPUT": np.array([9], np.int64)}, request_id=request_id)
    task = await client.wait(request_id, deadline_s=WAIT_S)
    assert task.state == "dead"
    assert task.error is not None
    assert task.error.reason == "MODEL_FAILED"
    assert request_id in [dead.request_id for dead in (await client.dead_page()).tasks]
    assert (await client.requeue_dead([request_id, "nobody"])).not_dead == ("nobody",)

    async def dead_again() -> bool:
        task = await client.get(request_id)
        return task.state == "dead" and task.runs > 1

    await eventually(dead_again)
    assert (await client.drop_dead([request_id])).done == (request_id,)
    with pytest.raises(NotFound) as missing:
        await client.get(request_id)
    assert missing.value.reason == "TASK_NOT_FOUND"


async def test_a_watcher_hears_of_every_state_and_goes_on_where_it_was(
    client: AsyncTaskClient,
) -> None:
    tenant = fresh("watched")

    async def first_position() -> str:
        async for change in client.watch(tenant=tenant):
            return change.position
        return ""

    listening = asyncio.create_task(first_position())

    async def heard() -> bool:
        # What is submitted before the watcher listens is not heard of: submit until it is.
        await client.submit("echo", INPUT, tenant=tenant)
        return listening.done()

    await eventually(heard)
    position = await listening
    missed = (await client.submit("echo", INPUT, tenant=tenant)).request_id
    await client.wait(missed, tenant=tenant, deadline_s=WAIT_S)
    states: list[str] = []
    async for change in client.watch(position=position, tenant=tenant):
        if change.request_id == missed:
            states.append(change.state)
        if states[-1:] == ["done"]:
            break
    assert states == ["waiting", "running", "done"]


async def test_lists_are_filtered_and_a_tenant_is_purged(client: AsyncTaskClient) -> None:
    tenant = fresh("purged")
    for number in range(3):
        await client.submit(
            "echo", INPUT, tenant=tenant, labels={"n": str(number)}, start_in_s=3600
        )
    found: list[Task] = []
    token = ""
    while True:
        page = await client.page(tenant=tenant, states=["later"], page_size=2, page_token=token)
        found += page.tasks
        token = page.next_page_token
        if not token:
            break
    assert sorted(task.labels["n"] for task in found) == ["0", "1", "2"]
    (one,) = (await client.page(tenant=tenant, labels={"n": "1"})).tasks
    assert one.labels == {"n": "1"}
    assert await client.purge(tenant) == (3, 3)
    assert (await client.page(tenant=tenant)).tasks == ()


async def test_what_cannot_be_a_task_is_refused_and_not_stored(client: AsyncTaskClient) -> None:
    tenant = fresh("refused")
    with pytest.raises(NotFound) as unknown:
        await client.submit("nope", INPUT, tenant=tenant)
    assert unknown.value.reason == "MODEL_NOT_FOUND"
    with pytest.raises(InvalidArgument) as late:
        await client.submit("echo", INPUT, tenant=tenant, start_in_s=5, deadline_s=4)
    assert late.value.reason == "INVALID_DEADLINE"
    with pytest.raises(InvalidArgument, match="request_id"):
        await client.submit("echo", INPUT, tenant=tenant, request_id="has a space")
    with pytest.raises(InvalidArgument, match="labels"):
        await client.submit("echo", INPUT, tenant=tenant, labels={"": "no name"})
    assert (await client.page(tenant=tenant)).tasks == ()


async def test_a_tenants_key_runs_one_at_a_time(client: AsyncTaskClient) -> None:
    key = fresh("key")
    first, second = fresh(), fresh()
    await client.submit("slow", INPUT, request_id=first, concurrency_key=key)
    await in_state(client, first, "running")
    await client.submit("echo", INPUT, request_id=second, concurrency_key=key)
    other = await client.submit("echo", INPUT)
    await client.wait(other.request_id, deadline_s=WAIT_S)
    assert (await client.get(second)).state == "waiting"
    await client.cancel(first)
    assert (await client.wait(second, deadline_s=WAIT_S)).state == "done"


def test_every_metric_of_a_scheduler_is_served(tasks_mesh: TaskMesh) -> None:
    address = tasks_mesh.schedulers[0].facts["metrics_address"]
    with urlopen(f"http://{address}/metrics", timeout=WAIT_S) as response:
        text = response.read().decode()
    served = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"}
    stems = {re.sub("_(bucket|sum|count|created)$", "", name) for name in served}
    listed = {value for name, value in vars(names).items() if name.startswith("METRIC_")}
    assert {name for name in listed if name.startswith("hasten_scheduler_")} <= stems


def test_the_synchronous_client_does_the_same(tasks_mesh: TaskMesh) -> None:
    prefix = fresh("sync")
    tasks = [NewTask(InferRequest("echo", INPUT, request_id=f"{prefix}-{n}")) for n in range(70)]
    with TaskClient(tasks_mesh.schedulers[0].address) as client:
        outcomes = list(client.submit_many(tasks))
        assert [outcome.error for outcome in outcomes] == [None] * 70
        watching = client.watch()
        last = client.wait(outcomes[-1].request_id, deadline_s=WAIT_S)
        assert last.result is not None
        watching.close()
        assert client.stats().states["done"] >= 1
