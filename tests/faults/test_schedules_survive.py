"""Runs of schedules are made once, whatever dies at their moment: owners, Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hasten_client import (
    AsyncScheduleClient,
    AsyncTaskClient,
    InferRequest,
    RetryPolicy,
    Rhythm,
    RunOptions,
    Schedule,
)
from tests.faults.task_mesh import Mesh
from tests.support.servers import RedisServer
from tests.support.services import Service
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.apart]

PERIOD_S = 0.25
REQUEST = InferRequest("echo", {"INPUT": np.ones((1, 4), np.float32)}, request_id="run")


@dataclass
class Asked:
    """Whom a test asks."""

    schedules: AsyncScheduleClient
    tasks: AsyncTaskClient


@pytest.fixture
def mesh(tmp_path: Path, own_redis_server: RedisServer) -> Iterator[Mesh]:
    with ExitStack() as running:
        yield Mesh(tmp_path, running, own_redis_server)


@pytest.fixture
async def clients() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def asked_of(clients: AsyncExitStack, scheduler: Service) -> Asked:
    retry = RetryPolicy(attempts_max=100, tokens_max=1000.0, backoff_s_max=0.5)
    schedules = AsyncScheduleClient(scheduler.address, retry=retry)
    tasks = AsyncTaskClient(scheduler.address, retry=retry)
    return Asked(
        await clients.enter_async_context(schedules), await clients.enter_async_context(tasks)
    )


async def done(asked: Asked, name: str, count: int) -> Schedule | None:
    shown = await asked.schedules.get(name)
    return shown if shown.done >= count else None


async def runs_of(asked: Asked, name: str) -> list[datetime]:
    """The times of all runs that there are, in order; each is there once, and did its work."""
    ids: list[str] = []
    token = ""
    while True:
        page = await asked.tasks.page(labels={"of": name}, page_size=1000, page_token=token)
        ids += [task.request_id for task in page.tasks]
        token = page.next_page_token
        if not token:
            break
    assert len(set(ids)) == len(ids)
    return sorted(datetime.fromisoformat(each.rpartition("/")[2]) for each in ids)


async def settled(asked: Asked, name: str) -> Schedule | None:
    shown = await asked.schedules.get(name)
    return shown if shown.done == shown.started else None


async def owner_of(asked: Asked) -> str:
    return (await asked.tasks.stats()).owners[0].owner.partition("~")[0]


async def test_an_owner_that_is_killed_at_the_moment_of_a_run_loses_none_and_repeats_none(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    mesh.worker("w1")
    both = {name: mesh.scheduler(name) for name in ("s1", "s2")}
    asked = {name: await asked_of(clients, service) for name, service in both.items()}
    rhythm = Rhythm(period_s=PERIOD_S, catch_up="all", overlap="wait")
    await asked["s1"].schedules.create(
        "cam", REQUEST, rhythm, runs=RunOptions(labels={"of": "cam"})
    )
    await eventually(lambda: done(asked["s1"], "cam", 3))
    dead = await eventually(lambda: owner_of(asked["s1"]))
    both[dead].process.kill()
    (survivor,) = both.keys() - {dead}
    there = asked[survivor]
    killed_at = (await there.schedules.get("cam")).done
    # The lease of the dead one ends after 3 s; runs of that time are caught up with.
    await eventually(lambda: done(there, "cam", killed_at + round(5.0 / PERIOD_S)))
    await there.schedules.pause("cam")
    shown = await eventually(lambda: settled(there, "cam"))
    assert shown.missed == shown.overlapped == shown.failed == 0
    times = await runs_of(there, "cam")
    assert len(times) == shown.started
    steps = {later - sooner for sooner, later in pairwise(times)}
    assert steps == {timedelta(seconds=PERIOD_S)}


async def test_times_at_which_redis_was_gone_are_caught_up_with_by_the_rule(
    mesh: Mesh, clients: AsyncExitStack
) -> None:
    mesh.worker("w1")
    asked = await asked_of(clients, mesh.scheduler("s1"))
    for rule in ("skip", "one", "all"):
        rhythm = Rhythm(period_s=PERIOD_S, catch_up=rule, overlap="wait")
        runs = RunOptions(labels={"of": rule})
        await asked.schedules.create(rule, REQUEST, rhythm, runs=runs)
    for rule in ("skip", "one", "all"):
        await eventually(lambda rule=rule: done(asked, rule, 2))
    mesh.redis.stop()
    begun = asyncio.get_running_loop().time()
    # Several periods pass; nothing else ends them.
    await eventually(lambda: asyncio.get_running_loop().time() > begun + 6 * PERIOD_S)
    mesh.redis.start()
    before = {rule: (await asked.schedules.get(rule)).done for rule in ("skip", "one", "all")}
    shown: dict[str, Schedule] = {}
    for rule in ("skip", "one", "all"):
        await eventually(lambda rule=rule: done(asked, rule, before[rule] + 8))
        await asked.schedules.pause(rule)
        shown[rule] = await eventually(lambda rule=rule: settled(asked, rule))
        assert len(await runs_of(asked, rule)) == shown[rule].started
    assert shown["skip"].missed >= 3
    assert shown["one"].missed >= 1
    assert shown["all"].missed == 0
    times = await runs_of(asked, "all")
    steps = {later - sooner for sooner, later in pairwise(times)}
    assert steps == {timedelta(seconds=PERIOD_S)}
