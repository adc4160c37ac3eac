"""What was accepted is done once, whatever dies: schedulers, workers, Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import numpy as np
import pytest

from hasten_client import (
    AsyncTaskClient,
    InferRequest,
    NewTask,
    RetryPolicy,
    Task,
    Unavailable,
)
from tests.faults.task_mesh import Mesh
from tests.support.servers import RedisServer
from tests.support.services import Service
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.apart]

WAIT_S = 120.0
INPUT = {"INPUT": np.ones((1, 4), np.float32)}
TASKS = 40


@pytest.fixture
def mesh(tmp_path: Path, own_redis_server: RedisServer) -> Iterator[Mesh]:
    with ExitStack() as running:
        yield Mesh(tmp_path, running, own_redis_server)


@pytest.fixture
async def clients() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def opened(clients: AsyncExitStack, scheduler: Service) -> AsyncTaskClient:
    retry = RetryPolicy(attempts_max=100, tokens_max=1000.0, backoff_s_max=0.5)
    return await clients.enter_async_context(AsyncTaskClient(scheduler.address, retry=retry))


async def submit(client: AsyncTaskClient, count: int = TASKS, model: str = "nap") -> list[str]:
    tasks = [NewTask(InferRequest(model, INPUT, request_id=f"t{n}")) for n in range(count)]
    outcomes = [outcome async for outcome in client.submit_many(tasks)]
    assert [outcome.error for outcome in outcomes] == [None] * count
    return [outcome.request_id for outcome in outcomes]


async def all_done(client: AsyncTaskClient, ids: list[str]) -> list[Task]:
    tasks = await asyncio.gather(*(client.wait(each, deadline_s=WAIT_S) for each in ids))
    assert {task.state for task in tasks} == {"done"}
    return list(tasks)


async def runs(client: AsyncTaskClient) -> bool:
    return "running" in (await client.stats()).states


async def owner(client: AsyncTaskClient) -> str:
    return (await client.stats()).owners[0].owner.partition("~")[0]


async def test_another_scheduler_goes_on_where_one_was_killed(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    mesh.worker("w1")
    both = {name: mesh.scheduler(name) for name in ("s1", "s2")}
    asked = {name: await opened(clients, service) for name, service in both.items()}
    ids = await submit(asked["s1"])
    await eventually(lambda: runs(asked["s1"]))
    dead = await eventually(lambda: owner(asked["s1"]))
    both[dead].process.kill()
    (survivor,) = both.keys() - {dead}
    tasks = await all_done(asked[survivor], ids)
    # The attempts that ran when it died do not count: the owner failed, not the worker.
    assert {task.attempts for task in tasks} == {0}
    assert sum(task.runs for task in tasks) <= 2 * TASKS
    assert await owner(asked[survivor]) == survivor


async def test_a_scheduler_that_leaves_hands_over_and_callers_hear_of_their_tasks(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    mesh.worker("w1")
    both = {name: mesh.scheduler(name, drain__patience_s="60") for name in ("s1", "s2")}
    asked = {name: await opened(clients, service) for name, service in both.items()}
    ids = await submit(asked["s1"])
    leaver = await eventually(lambda: owner(asked["s1"]))
    waiting = asyncio.create_task(all_done(asked[leaver], ids))
    await eventually(lambda: runs(asked[leaver]))
    leaving = asyncio.create_task(asyncio.to_thread(both[leaver].process.stop))
    (other,) = both.keys() - {leaver}

    async def handed_over() -> bool:
        return await owner(asked[other]) == other

    await eventually(handed_over)
    # Those who wait at the one that leaves are told by it what the other one did.
    assert len(await waiting) == TASKS
    assert await leaving == 0


async def test_a_task_whose_worker_is_killed_is_run_by_another(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    first = mesh.worker("w1")
    client = await opened(clients, mesh.scheduler("s1"))
    (task_id,) = await submit(client, 1)
    await eventually(lambda: runs(client))
    second = asyncio.create_task(asyncio.to_thread(mesh.worker, "w2"))
    first.process.kill()
    await second
    (task,) = await all_done(client, [task_id])
    assert task.runs >= 2
    assert task.attempts <= 1


async def test_nothing_is_lost_when_redis_is_restarted_and_callers_are_told_at_once(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    mesh.worker("w1")
    scheduler = mesh.scheduler("s1")
    patient = await opened(clients, scheduler)
    ids = await submit(patient)
    waiting = asyncio.create_task(all_done(patient, ids))
    await eventually(lambda: runs(patient))
    mesh.redis.stop()
    hasty = await clients.enter_async_context(
        AsyncTaskClient(scheduler.address, retry=RetryPolicy(attempts_max=1))
    )

    async def refusal() -> Unavailable | None:
        try:
            await hasty.submit("echo", INPUT)
        except Unavailable as error:
            return error
        return None

    refused = await eventually(refusal)
    assert refused.reason == "STORE_UNAVAILABLE"
    assert refused.retry_after_s is not None
    mesh.redis.start()
    tasks = await waiting
    assert {task.attempts for task in tasks} == {0}
    # It goes on by itself.
    later = await patient.submit("echo", INPUT)
    assert (await patient.wait(later.request_id, deadline_s=WAIT_S)).state == "done"


async def test_an_owner_that_stood_still_beyond_its_lease_does_no_harm_when_it_goes_on(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    mesh.worker("w1")
    both = {name: mesh.scheduler(name, queue__lease_s="1") for name in ("s1", "s2")}
    asked = {name: await opened(clients, service) for name, service in both.items()}
    ids = await submit(asked["s1"], 15)
    stopped = await eventually(lambda: owner(asked["s1"]))
    await eventually(lambda: runs(asked[stopped]))
    (other,) = both.keys() - {stopped}
    both[stopped].process.pause()

    async def taken() -> bool:
        return await owner(asked[other]) == other

    await eventually(taken)
    # What it had under way comes back to it now, and what it tells the store of that is too late.
    both[stopped].process.resume()
    tasks = await all_done(asked[other], ids)
    assert {task.attempts for task in tasks} == {0}
    again = await all_done(asked[stopped], ids)
    assert [task.runs for task in again] == [task.runs for task in tasks], (
        "nothing ran after its end"
    )


async def test_callers_are_refused_while_redis_is_frozen_and_nothing_is_lost(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    mesh.worker("w1")
    scheduler = mesh.scheduler("s1")
    patient = await opened(clients, scheduler)
    ids = await submit(patient, 5)
    mesh.redis.pause()
    hasty = await clients.enter_async_context(
        AsyncTaskClient(scheduler.address, retry=RetryPolicy(attempts_max=1))
    )
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            await hasty.submit("echo", INPUT, request_id="mine")
        assert caught.value.reason == "STORE_UNAVAILABLE"
    mesh.redis.resume()
    assert len(await all_done(patient, ids)) == 5
    submitted = await patient.submit("echo", INPUT, request_id="mine")
    assert [task.state for task in await all_done(patient, [submitted.request_id])] == ["done"]
