"""Batches are driven to their ends, whatever becomes of their owners: each line is there once."""

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import pytest

from hasten.scheduler.v1 import batch_service_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import JobState
from tests.support.batches import ENDS_S, JOB_ID, BatchWorld, line_of
from tests.support.jobs import JobOwner
from tests.support.virtual_time import elapse
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time

LINES = 11


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[BatchWorld]:
    made = BatchWorld(tmp_path / "batches")
    working = asyncio.create_task(made.jobs.work())
    yield made
    working.cancel()


def mixed() -> list[str]:
    """Lines that are well, that fail, that are broken, and that name another model."""
    return [
        *[line_of(number) for number in range(LINES - 3)],
        "{",
        line_of(1, model="other"),
        line_of(1, model="nobody"),
    ]


async def check(world: BatchWorld) -> None:
    """Each line has one line of results, and the counts say so."""
    lines = await world.results()
    assert [line.line for line in lines] == list(range(LINES))
    batch = await world.batch()
    assert (batch.state, batch.lines) == (pb.BatchState.BATCH_STATE_DONE, LINES)
    assert (batch.succeeded, batch.failed) == (8, 3)
    said = [json.loads(line.json) for line in lines]
    wanted = [2 * number for number in range(7)]
    assert [each["outputs"][0]["data"][0] for each in said[:7]] == wanted
    errors = [each["error"]["reason"] for each in (said[7], said[8], said[10])]
    assert errors == ["MODEL_FAILED", "INVALID_REQUEST", "MODEL_NOT_FOUND"]


async def test_each_line_has_one_line_of_results(world: BatchWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    await world.create(mixed())
    await eventually(world.ended)
    await check(world)
    assert set(world.jobs.runs.values()) == {1}
    # Over all shards, and none is left.
    assert all([not (await queue.stats()).states for queue in world.jobs.queues])
    await owner.close()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_an_owner_may_die_in_any_call_of_a_store(tmp_path: Path, before: bool) -> None:
    ended_before_death = False
    call = 0
    while not ended_before_death:
        call += 1
        folder = tmp_path / f"{call}"
        folder.mkdir()
        world = BatchWorld(folder / "batches")
        working = asyncio.create_task(world.jobs.work())
        first = JobOwner(world.jobs, world.kinds, dies_at=call, dies_before=before)
        await world.create(mixed())
        ending = asyncio.create_task(eventually(world.ended))
        dying = asyncio.create_task(first.dead.wait())
        await asyncio.wait({ending, dying}, return_when=asyncio.FIRST_COMPLETED)
        ended_before_death = not first.dead.is_set()
        await first.close()
        second = JobOwner(world.jobs, world.kinds, number=2)
        await ending
        await check(world)
        assert set(world.jobs.runs.values()) == {1}, f"killed in call {call}"
        for each in (working, dying):
            each.cancel()
        await second.close()
    assert call > 20


async def test_at_its_end_what_is_done_is_kept(world: BatchWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    await world.create([line_of(1)] * LINES)
    await eventually(lambda: world.succeeded(2))
    world.jobs.working = False
    await elapse(ENDS_S + 1.0)
    assert await world.ended()
    batch = await world.batch()
    assert batch.state == pb.BatchState.BATCH_STATE_EXPIRED
    lines = await world.results()
    assert sum(not line.failed for line in lines) == batch.succeeded >= 2
    assert len(lines) == batch.succeeded + batch.failed < LINES
    await owner.close()


async def test_an_owner_that_comes_after_the_end_keeps_what_is_done(world: BatchWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    await world.create([line_of(1)] * LINES)
    await eventually(lambda: world.succeeded(2))
    await owner.close()
    # Tasks of the chunks that it had opened end without an owner.
    await elapse(ENDS_S + 1.0)
    before = await world.batch()
    second = JobOwner(world.jobs, world.kinds, number=2)
    await eventually(world.ended)
    batch = await world.batch()
    assert batch.state == pb.BatchState.BATCH_STATE_EXPIRED
    assert batch.succeeded > before.succeeded
    await second.close()


async def test_a_window_bounds_the_tasks_in_the_queue(world: BatchWorld) -> None:
    world.jobs.working = False
    owner = JobOwner(world.jobs, world.kinds)
    await world.create([line_of(1)] * LINES)

    async def waiting() -> list[int]:
        """Tasks in each shard."""
        return [sum((await queue.stats()).states.values()) for queue in world.jobs.queues]

    async def full() -> bool:
        return sum(await waiting()) >= 4

    await eventually(full)
    await elapse(10.0)
    assert sum(await waiting()) == 4
    assert sum(1 for tasks in await waiting() if tasks) > 1
    await owner.close()


async def test_lines_that_changed_end_the_batch_with_a_reason(world: BatchWorld) -> None:
    await world.create([line_of(1)] * LINES)
    world.text.write_text(line_of(2))
    owner = JobOwner(world.jobs, world.kinds)
    await eventually(world.ended)
    batch = await world.batch()
    assert batch.state == pb.BatchState.BATCH_STATE_FAILED
    assert batch.failure.reason == "PAYLOAD_LOST"
    await owner.close()


async def test_a_batch_whose_files_are_gone_ends_with_a_reason(world: BatchWorld) -> None:
    await world.create([line_of(1)] * LINES)
    await world.folder.remove(JOB_ID)
    owner = JobOwner(world.jobs, world.kinds)
    await eventually(world.ended)
    assert (await world.batch()).failure.reason == "PAYLOAD_LOST"
    await owner.close()


async def test_a_batch_that_is_never_uploaded_ends(world: BatchWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    new = pb.NewBatch(
        name=pb.BatchName(batch_id="b", tenant="acme"),
        model="m",
        format=pb.BatchFormat.BATCH_FORMAT_JSONL,
    )
    await world.desk.create(new, "")
    await elapse(90.0)
    assert not await world.ended()
    await elapse(20.0)
    assert (await world.batch()).state == pb.BatchState.BATCH_STATE_EXPIRED
    await owner.close()


async def test_a_paused_batch_goes_on_when_it_is_resumed(world: BatchWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    await world.create([line_of(1)] * LINES)
    await eventually(lambda: world.succeeded(2))
    await world.desk.set_state("acme", "b", JobState.PAUSED)
    await elapse(10.0)
    paused = await world.batch()
    await elapse(10.0)
    assert (await world.batch()).succeeded == paused.succeeded < LINES
    await world.desk.set_state("acme", "b", JobState.ACTIVE)
    await eventually(world.ended)
    assert (await world.batch()).succeeded == LINES
    await owner.close()


async def test_who_asked_is_told_before_the_batch_has_ended(world: BatchWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    await world.create([line_of(1)] * LINES, callback_uri="https://a.example/")
    await eventually(world.ended)
    callbacks, _ = await world.jobs.desk.page("callback", "", 10, lambda _: True)
    assert len(callbacks) == 1
    assert b'"succeeded":11' in callbacks[0].body
    await owner.close()


async def test_a_full_disk_refuses_a_batch_and_keeps_nothing(
    world: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refused)
        with pytest.raises(MeshError) as full:
            await world.create([line_of(1)])
    assert full.value.refusal.reason is Reason.QUEUE_FULL
    assert not await world.folder.there(JOB_ID)
    with pytest.raises(MeshError) as unknown:
        await world.desk.find("acme", "b")
    assert unknown.value.refusal.reason is Reason.JOB_NOT_FOUND


async def test_results_wait_for_room_on_the_disk(
    world: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    await world.create(mixed())
    tries = 0

    def refused(_: int) -> NoReturn:
        nonlocal tries
        tries += 1
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refused)
        await elapse(20.0)
        assert not await world.ended()
        assert tries > 5
    await eventually(world.ended)
    await check(world)
    assert set(world.jobs.runs.values()) == {1}
    await owner.close()


async def test_files_of_batches_that_are_no_more_are_swept(world: BatchWorld) -> None:
    await world.create([line_of(1)] * LINES)
    await world.folder.begin("batch:acme/forgotten")
    assert await world.desk.sweep() == 0
    old = world.folder.path("batch:acme/forgotten")
    for path in (old, world.folder.path(JOB_ID)):
        os.utime(path, (0, 0))
    assert await world.desk.sweep() == 1
    assert not old.exists()
    with pytest.raises(MeshError):
        await world.desk.find("acme", "forgotten")
    assert await world.results() == []
