"""What the store of jobs promises: in memory and in a real server."""

from contextlib import aclosing
from typing import Any

import pytest

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.tasks.jobs import (
    JOB_BYTES_MAX,
    Created,
    Job,
    JobLimits,
    JobState,
    NewJob,
    job_id_of,
)
from hasten_runtime.tasks.port import Fenced
from hasten_runtime.tasks.wake import Wake
from tests.contract.task_queues import QueueHarness, RedisQueueHarness
from tests.support.servers import RedisServer

pytestmark = pytest.mark.integration

LIMITS = JobLimits()


def new_job(number: int, **changed: Any) -> NewJob:
    facts: dict[str, Any] = {
        "job_id": job_id_of("dag", "acme", f"j/{number}"),
        "digest": f"{number:016}".encode(),
        "keep_s": 3600.0,
        "spec": b"spec\x00\xff",
        "body": b"body",
    }
    return NewJob(**(facts | changed))


async def created(shard: QueueHarness, number: int = 1, **changed: Any) -> Job:
    assert await shard.jobs.create(new_job(number, **changed), LIMITS) is Created.CREATED
    return await job(shard, number)


async def job(shard: QueueHarness, number: int = 1) -> Job:
    (found,) = await shard.jobs.read([job_id_of("dag", "acme", f"j/{number}")])
    assert found is not None
    return found


async def test_an_empty_shard_has_no_jobs(shard: QueueHarness) -> None:
    assert await shard.jobs.read([]) == []
    assert await shard.jobs.read(["dag:acme/1"]) == [None]
    assert await shard.jobs.page("dag", "", 10) == ([], "")
    assert await shard.jobs.unfinished(shard.own, "", 10) == ([], "")
    assert await shard.jobs.sweep(shard.own, 10) == 0
    assert not await shard.jobs.write("dag:acme/1", 1, state=JobState.PAUSED, body=b"")


async def test_a_created_job_is_as_it_was_said(shard: QueueHarness) -> None:
    found = await created(shard, keep_s=7.0)
    assert (found.kind, found.tenant, found.name) == ("dag", "acme", "j/1")
    assert (found.state, found.revision, found.keep_s) == (JobState.ACTIVE, 1, 7.0)
    assert (found.spec, found.body) == (b"spec\x00\xff", b"body")
    assert found.digest == new_job(1).digest
    assert found.created_s == found.changed_s <= found.read_s < found.created_s + 60.0


async def test_the_same_job_is_found_and_another_of_its_name_is_refused(
    shard: QueueHarness,
) -> None:
    before = await created(shard)
    assert await shard.jobs.create(new_job(1, body=b"other"), LIMITS) is Created.SAME
    other = new_job(1, digest=b"x" * 16)
    assert await shard.jobs.create(other, LIMITS) is Created.OTHER_CONTENT
    after = await job(shard)
    assert (after.revision, after.body) == (before.revision, before.body)


async def test_a_full_shard_takes_no_job_more_but_knows_those_that_it_has(
    shard: QueueHarness,
) -> None:
    two = JobLimits(jobs_max=2)
    for number in (1, 2):
        assert await shard.jobs.create(new_job(number), two) is Created.CREATED
    assert await shard.jobs.create(new_job(3), two) is Created.FULL
    assert await shard.jobs.create(new_job(1), two) is Created.SAME
    assert await shard.jobs.write(
        new_job(1).job_id, 1, state=JobState.ENDED, body=b"", own=shard.own
    )
    assert await shard.jobs.create(new_job(3), two) is Created.CREATED


@pytest.mark.parametrize(
    "changed",
    [
        {"digest": b"short"},
        {"job_id": ""},
        {"job_id": "dag:acme/\n"},
        {"spec": b"x" * (JOB_BYTES_MAX + 1)},
        {"body": b"x" * (JOB_BYTES_MAX + 1)},
    ],
    ids=["digest", "no id", "unprintable id", "spec", "body"],
)
async def test_a_job_that_no_record_has_room_for_is_refused(
    shard: QueueHarness, changed: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"job|digest"):
        await shard.jobs.create(new_job(1, **changed), LIMITS)
    assert await shard.jobs.page("dag", "", 10) == ([], "")


async def test_of_two_who_change_a_job_one_must_look_again(shard: QueueHarness) -> None:
    found = await created(shard)
    job_id = found.job_id
    assert await shard.jobs.write(job_id, 1, state=JobState.PAUSED, body=b"longer body")
    assert not await shard.jobs.write(job_id, 1, state=JobState.ACTIVE, body=b"late", own=shard.own)
    found = await job(shard)
    assert (found.state, found.revision, found.body) == (JobState.PAUSED, 2, b"longer body")
    assert found.spec == b"spec\x00\xff"
    assert await shard.jobs.write(job_id, 2, state=JobState.ACTIVE, body=b"", own=shard.own)
    assert (await job(shard)).body == b""


async def test_what_has_ended_changes_no_more(shard: QueueHarness) -> None:
    found = await created(shard)
    assert await shard.jobs.write(found.job_id, 1, state=JobState.ENDED, body=b"end", own=shard.own)
    assert not await shard.jobs.write(found.job_id, 2, state=JobState.ACTIVE, body=b"")
    assert (await job(shard)).body == b"end"


@pytest.mark.parametrize(
    ("owner", "epoch"),
    [("two", 2), ("two", 1), ("one", 2), ("", 1)],
    ids=["another owner", "same epoch, other owner", "a later epoch", "nobody"],
)
async def test_only_the_owner_in_its_epoch_acts_as_one(
    shard: QueueHarness, owner: str, epoch: int
) -> None:
    found = await created(shard)
    shard.elect(owner, epoch)
    with pytest.raises(Fenced):
        await shard.jobs.write(found.job_id, 1, state=JobState.ENDED, body=b"", own=shard.own)
    with pytest.raises(Fenced):
        await shard.jobs.unfinished(shard.own, "", 10)
    with pytest.raises(Fenced):
        await shard.jobs.sweep(shard.own, 10)
    assert (await job(shard)).revision == 1


async def test_an_owner_finds_all_that_has_not_ended(shard: QueueHarness) -> None:
    for number in range(7):
        await created(shard, number)
    await shard.jobs.write(new_job(3).job_id, 1, state=JobState.ENDED, body=b"", own=shard.own)
    found: list[Job] = []
    cursor = ""
    while True:
        some, cursor = await shard.jobs.unfinished(shard.own, cursor, 2)
        assert len(some) <= 2
        found += some
        if not cursor:
            break
    assert [one.name for one in found] == [f"j/{number}" for number in (0, 1, 2, 4, 5, 6)]
    assert {one.spec for one in found} == {b"spec\x00\xff"}


async def test_pages_have_every_job_of_a_kind_without_its_spec(shard: QueueHarness) -> None:
    for number in range(20):
        await created(shard, number)
    batch = new_job(1, job_id=job_id_of("batch", "acme", "j/1"))
    assert await shard.jobs.create(batch, LIMITS) is Created.CREATED
    found: dict[str, Job] = {}
    cursor = ""
    while True:
        some, cursor = await shard.jobs.page("dag", cursor, 5)
        found.update((one.job_id, one) for one in some)
        if not cursor:
            break
    assert set(found) == {new_job(number).job_id for number in range(20)}
    assert {(one.spec, one.body) for one in found.values()} == {(b"", b"body")}


async def test_ended_jobs_are_kept_for_their_time(shard: QueueHarness) -> None:
    for number, keep_s in ((1, 0.0), (2, 3600.0), (3, 0.0)):
        await created(shard, number, keep_s=keep_s)
    for number in (1, 2):
        await shard.jobs.write(
            new_job(number).job_id, 1, state=JobState.ENDED, body=b"", own=shard.own
        )
    assert await shard.jobs.sweep(shard.own, 10) == 1
    read = await shard.jobs.read([new_job(number).job_id for number in (1, 2, 3)])
    assert [one is not None for one in read] == [False, True, True]


async def test_the_owner_hears_of_jobs_that_others_create_and_change(shard: QueueHarness) -> None:
    async with aclosing(shard.queue.wakes()) as wakes:
        assert await anext(wakes) == Wake(0)
        found = await created(shard)
        assert await anext(wakes) == Wake(0, jobs=(found.job_id,))
        await shard.jobs.write(found.job_id, 1, state=JobState.PAUSED, body=b"", own=shard.own)
        await shard.jobs.write(found.job_id, 2, state=JobState.ACTIVE, body=b"")
        await shard.queue.pause("acme", None, paused=True)
        assert await anext(wakes) == Wake(0, jobs=(found.job_id,))
        assert (await anext(wakes)).paused


async def test_a_durable_job_needs_its_replicas_and_a_repeat_does_too(
    redis_server: RedisServer,
    patient_redis: None,
    no_leaked_tasks: None,
) -> None:
    del patient_redis, no_leaked_tasks
    harness = RedisQueueHarness(redis_server)
    store = harness.job_store(durability=Durability.DURABLE, replicas=1)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            await store.create(new_job(1), LIMITS)
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        await store.write(new_job(1).job_id, 1, state=JobState.PAUSED, body=b"")
    # What the owner does waits for nothing.
    assert await store.write(new_job(1).job_id, 2, state=JobState.ACTIVE, body=b"", own=harness.own)
    await store.close()
    await harness.close()
