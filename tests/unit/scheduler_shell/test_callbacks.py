"""Callbacks are told until they are taken, whatever becomes of their owners."""

import asyncio
import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any, cast

import pytest

from hasten.scheduler.v1 import callback_service_pb2 as pb
from hasten.scheduler.v1 import scheduler_service_pb2 as task_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.callbacks import Answer, CallbackPolicy
from hasten_policy.scheduler.orders import TaskFacts
from hasten_runtime.tasks.port import Limits
from hasten_scheduler.callbacks.desk import CallbackDesk
from hasten_scheduler.callbacks.events import event_id_of
from hasten_scheduler.callbacks.kind import CallbackContext, CallbackKind
from hasten_scheduler.callbacks.sending import Sender, Told
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.jobs.kinds import JobKind
from hasten_scheduler.naming import Name
from tests.support.jobs import JobOwner, JobWorld, request_bytes
from tests.support.virtual_time import elapse
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time

URI = "https://a.example/"
NAME = Name("acme", "n1", "")
EVENT_ID = event_id_of("task", NAME.tenant, NAME.request_id)


class Receiver:
    """In place of a Sender: says what it is to say, and keeps what came."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.came: list[dict[str, Any]] = []

    async def tell(self, uri: str, event_id: str, event: bytes) -> Told:
        assert uri == URI
        said = json.loads(event)
        assert said["id"] == event_id
        self.came.append(said)
        answer = self.answers.pop(0) if self.answers else Answer.TAKEN
        why = None if answer is Answer.TAKEN else Refusal(Reason.CALLBACK_FAILED, "no")
        return Told(answer, refusal=why)


class CallbackWorld:
    """A world with callbacks in it."""

    def __init__(self) -> None:
        self.jobs = JobWorld(lambda *_: b"answer", shards=2)
        self.receiver = Receiver()
        self.desk = CallbackDesk(self.jobs.desk, keep_s=3600.0)
        doors = [
            ShardDoor(shard, queue, Limits(), pending_max=10)
            for shard, queue in enumerate(self.jobs.queues)
        ]
        feeds = [ShardFeed(queue) for queue in self.jobs.queues]
        ends = [ShardEnds(door, feed) for door, feed in zip(doors, feeds, strict=True)]
        sender = cast("Sender", self.receiver)
        policy = CallbackPolicy(attempts_max=3, dead_keep_s=100.0)
        self.kind = CallbackKind(CallbackContext(doors, ends, sender, policy, Random(1)))

    def kinds(self, _: object) -> list[JobKind]:
        return [self.kind]

    async def ask(self) -> None:
        await self.desk.of_task(URI, NAME, NAME.shard(2))

    async def submit(self, owner: JobOwner) -> None:
        said = task_pb.NewTask(
            request=request_bytes(), request_id=NAME.request_id, tenant=NAME.tenant
        )
        # As a job's, for which the world knows the model.
        await owner.submitter.submit_of_job(said, "dag:acme/d", "", TaskFacts(1e9, 1))

    async def state(self) -> "pb.CallbackState.ValueType":
        (callback,), _ = await self.desk.page("acme", (), 10, "")
        return callback.state

    async def is_in(self, state: "pb.CallbackState.ValueType") -> bool:
        return await self.state() == state


@pytest.fixture
async def world() -> AsyncIterator[CallbackWorld]:
    made = CallbackWorld()
    working = asyncio.create_task(made.jobs.work())
    yield made
    working.cancel()


async def test_a_task_s_end_is_told_until_it_is_taken(world: CallbackWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    world.receiver.answers = [Answer.NOT_NOW, Answer.NOT_NOW]
    await world.ask()
    await world.ask()
    assert await world.state() == pb.CallbackState.CALLBACK_STATE_WAITING
    await elapse(10.0)
    assert world.receiver.came == []
    await world.submit(owner)
    await eventually(lambda: world.is_in(pb.CallbackState.CALLBACK_STATE_DELIVERED))
    assert len(world.receiver.came) == 3
    assert world.receiver.came[0] == world.receiver.came[2]
    assert world.receiver.came[0]["data"]["state"] == "done"
    await owner.close()


async def test_a_task_that_was_never_stored_is_not_told_of(world: CallbackWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    await world.ask()
    await elapse(100.0)
    assert await world.jobs.has_ended(f"callback:acme/{EVENT_ID}")
    assert world.receiver.came == []
    await owner.close()


async def test_a_dead_one_is_kept_told_again_and_forgotten(world: CallbackWorld) -> None:
    owner = JobOwner(world.jobs, world.kinds)
    world.receiver.answers = [Answer.NOT_NOW] * 3 + [Answer.NEVER]
    await world.ask()
    await world.submit(owner)
    dead = pb.CallbackState.CALLBACK_STATE_DEAD
    await eventually(lambda: world.is_in(dead))
    assert len(world.receiver.came) == 3
    assert await world.desk.retry("acme", EVENT_ID)
    await eventually(lambda: world.is_in(dead))
    assert len(world.receiver.came) == 4
    await elapse(200.0)
    assert await world.jobs.has_ended(f"callback:acme/{EVENT_ID}")
    assert not await world.desk.retry("acme", EVENT_ID)
    await owner.close()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_an_owner_may_die_in_any_call_of_a_store(before: bool) -> None:
    ended_before_death = False
    call = 0
    while not ended_before_death:
        call += 1
        world = CallbackWorld()
        working = asyncio.create_task(world.jobs.work())
        world.receiver.answers = [Answer.NOT_NOW]
        await world.ask()
        first = JobOwner(world.jobs, world.kinds, dies_at=call, dies_before=before)
        submitting = asyncio.create_task(world.submit(first))
        delivered = asyncio.create_task(
            eventually(lambda world=world: world.is_in(pb.CallbackState.CALLBACK_STATE_DELIVERED))
        )
        dying = asyncio.create_task(first.dead.wait())
        await asyncio.wait({delivered, dying}, return_when=asyncio.FIRST_COMPLETED)
        ended_before_death = not first.dead.is_set()
        await first.close()
        submitting.cancel()
        second = JobOwner(world.jobs, world.kinds, number=2)
        await world.submit(second)
        await delivered
        # At least twice, for the first was not taken; the receiver knows a repeat by the id.
        assert 2 <= len(world.receiver.came) <= 3
        assert {each["id"] for each in world.receiver.came} == {EVENT_ID}
        for each in (working, dying):
            each.cancel()
        await second.close()
    assert call > 5
