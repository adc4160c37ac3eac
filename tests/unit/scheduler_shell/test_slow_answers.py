"""Slow answers do not keep a shard's other jobs waiting, and are lost with their machine."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.scheduler.jobs.events import (
    Ask,
    JobEffect,
    JobEvent,
    Started,
    TaskEnded,
    TaskWish,
    Told,
    Write,
)
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.jobs import Job, JobState, job_id_of
from hasten_runtime.tasks.port import TaskRecord
from hasten_scheduler.jobs.driver import DRIVERS
from hasten_scheduler.jobs.kinds import JobKind
from tests.support.jobs import JobOwner, JobWorld
from tests.support.virtual_time import elapse
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


class Oracle:
    """A job that asks once, and ends with the answer. Its spec says what comes of it."""

    traceparent = ""

    def __init__(self, spec: str, kind: "OracleKind") -> None:
        self._spec = spec
        self._kind = kind

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        del now_s
        if isinstance(event, Started):
            return (Ask(self._spec, slow=True),)
        assert isinstance(event, Told)
        return (Write(str(event.answer)),)

    def body(self) -> bytes:
        return b""

    async def task(self, wish: TaskWish) -> pb.NewTask:
        raise AssertionError(wish)

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        raise AssertionError(key, record)

    async def answer(self, what: object) -> object:
        self._kind.asked += 1
        if what == "never":
            try:
                await asyncio.Event().wait()
            finally:
                self._kind.cancelled += 1
        if what == "fault":
            raise RuntimeError(what)
        if what == "away" and self._kind.asked == 1:
            raise StoreUnavailable(what)
        return "done"


class OracleKind:
    name = "dag"

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0

    async def load(self, job: Job) -> Oracle:
        return Oracle(job.spec.decode(), self)


class Oracles:
    """A world of them."""

    def __init__(self) -> None:
        self.jobs = JobWorld(lambda *_: b"")
        self.kind = OracleKind()

    def kinds(self, _: object) -> list[JobKind]:
        return [self.kind]

    async def create(self, name: str, spec: str) -> None:
        await self.jobs.desk.create(
            "dag", "", name, digest=b"x" * 16, keep_s=60.0, spec=spec.encode(), body=b""
        )

    async def ended(self, name: str) -> bool:
        return await self.jobs.has_ended(job_id_of("dag", "", name))


@pytest.fixture
async def world() -> AsyncIterator[Oracles]:
    made = Oracles()
    owner = JobOwner(made.jobs, made.kinds)
    yield made
    await owner.close()


async def test_other_jobs_go_on(world: Oracles) -> None:
    for number in range(2 * DRIVERS):
        await world.create(f"slow-{number}", "never")
    await world.create("quick", "quick")
    await eventually(lambda: world.ended("quick"))
    assert world.kind.asked == 2 * DRIVERS + 1


async def test_a_job_that_is_changed_asks_again(world: Oracles) -> None:
    await world.create("j", "never")
    await elapse(1.0)
    await world.jobs.desk.change("dag", "", "j", lambda job: (JobState.PAUSED, job.body))
    await elapse(1.0)
    assert (world.kind.asked, world.kind.cancelled) == (2, 1)


async def test_what_could_not_be_answered_is_asked_again(world: Oracles) -> None:
    await world.create("j", "away")
    await eventually(lambda: world.ended("j"))
    assert world.kind.asked == 2


async def test_a_fault_of_ours_ends_no_other_job(world: Oracles) -> None:
    await world.create("j", "fault")
    await elapse(1.0)
    await world.create("other", "quick")
    await eventually(lambda: world.ended("other"))
    assert not await world.ended("j")


async def test_nothing_is_asked_when_the_owner_has_gone() -> None:
    world = Oracles()
    owner = JobOwner(world.jobs, world.kinds)
    await world.create("j", "never")
    await elapse(1.0)
    await owner.close()
    await elapse(1.0)
    assert (world.kind.asked, world.kind.cancelled) == (1, 1)
