"""Jobs are driven to their ends, whatever becomes of their owners: nothing lost, nothing twice."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from functools import partial

import pytest

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.events import (
    CancelTasks,
    JobEffect,
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    TaskWish,
    TimerCame,
    WakeAt,
    Wanted,
    Write,
)
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import Job, JobState, job_id_of
from hasten_runtime.tasks.port import State, TaskRecord
from tests.support.jobs import JobOwner, JobWorld, request_bytes
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time

JOB_ID = job_id_of("dag", "acme", "j")
STEPS = 3


class Countdown:
    """A job of some tasks, one after the other; it ends when the last has. With `timer_s`, each
    begins that much after the one before.
    """

    traceparent = ""

    def __init__(self, job: Job) -> None:
        steps, _, timer = job.spec.decode().partition(" ")
        self._steps = int(steps)
        self._timer_s = float(timer or 0)
        self._done = int(job.body)
        self.heard: list[str] = []

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        wish = TaskWish(f"{self._done}", math.inf, 1)
        if isinstance(event, Started):
            if event.wanted is Wanted.CANCELLED:
                return (SubmitTasks((wish,)), CancelTasks((wish.key,)))
            return () if event.wanted is Wanted.PAUSED else (SubmitTasks((wish,)),)
        if isinstance(event, TaskEnded):
            return self._ended(event, now_s)
        assert isinstance(event, TimerCame)
        return (SubmitTasks((wish,)),)

    def _ended(self, event: TaskEnded, now_s: float) -> Iterable[JobEffect]:
        assert event.task == f"{self._done}", "an end was told twice"
        self._done += 1
        if event.refusal is not None:
            return (Write(event.refusal.reason.label),)
        if self._done == self._steps:
            return (Write("done"),)
        if self._timer_s:
            return (WakeAt(now_s + self._timer_s), Write())
        return (Write(), SubmitTasks((TaskWish(f"{self._done}", math.inf, 1),)))

    def body(self) -> bytes:
        return b"%d" % self._done

    async def task(self, wish: TaskWish) -> pb.NewTask:
        del wish
        return pb.NewTask(request=request_bytes())

    async def answer(self, what: object) -> object:
        raise AssertionError(what)

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        if record.state is State.DONE:
            return TaskEnded(key)
        return TaskEnded(key, Refusal(Reason.CANCELLED, "ended without an answer"))


class CountdownKind:
    name = "dag"

    async def load(self, job: Job) -> Countdown:
        return Countdown(job)


def kinds(_: object) -> list[CountdownKind]:
    return [CountdownKind()]


@pytest.fixture
async def world() -> AsyncIterator[JobWorld]:
    made = JobWorld(lambda *_: b"answer", shards=2)
    working = asyncio.create_task(made.work())
    yield made
    working.cancel()


async def create(world: JobWorld, spec: bytes = b"%d" % STEPS, name: str = "j") -> bool:
    return await world.desk.create(
        "dag", "acme", name, digest=spec.ljust(16), keep_s=60.0, spec=spec, body=b"0"
    )


def once(world: JobWorld, steps: int = STEPS, name: str = "j") -> bool:
    return all(world.runs[f"acme/dag:{name}/{step}"] == 1 for step in range(steps))


async def test_a_job_runs_its_tasks_and_ends(world: JobWorld) -> None:
    owner = JobOwner(world, kinds)
    assert not await create(world)
    await eventually(lambda: world.has_ended(JOB_ID))
    assert once(world)
    assert world.runs.total() == STEPS
    assert (await world.job(JOB_ID)).body == b"3"
    # Calls: some to read all jobs and to sweep, and a few a step; not more the longer it takes.
    assert owner.calls < 12 * STEPS
    await owner.close()


async def test_a_job_that_was_there_before_its_owner_is_driven(world: JobWorld) -> None:
    await create(world)
    owner = JobOwner(world, kinds)
    await eventually(lambda: world.has_ended(JOB_ID))
    await owner.close()


async def test_the_same_job_is_found_another_of_its_name_is_refused(world: JobWorld) -> None:
    assert not await create(world)
    assert await create(world)
    with pytest.raises(MeshError) as refused:
        await create(world, b"5")
    assert refused.value.refusal.reason is Reason.JOB_CONTENT_DIFFERS


@pytest.mark.parametrize("dies_before", [False, True], ids=["after the call", "before the call"])
async def test_an_owner_that_dies_in_any_call_loses_nothing_and_repeats_nothing(
    dies_before: bool,
) -> None:
    world = JobWorld(lambda *_: b"answer", shards=2)
    working = asyncio.create_task(world.work())
    ended_before_death = False
    number = 0
    call = 0
    while not ended_before_death:
        call += 1
        name = f"j{call}"
        job_id = job_id_of("dag", "acme", name)
        number += 1
        first = JobOwner(world, kinds, number=number, dies_at=call, dies_before=dies_before)
        await create(world, name=name)
        ending = asyncio.create_task(eventually(lambda job=job_id: world.has_ended(job)))
        dying = asyncio.create_task(first.dead.wait())
        await asyncio.wait({ending, dying}, return_when=asyncio.FIRST_COMPLETED)
        ended_before_death = not first.dead.is_set()
        await first.close()
        number += 1
        second = JobOwner(world, kinds, number=number)
        await ending
        assert once(world, name=name), f"killed in call {call}: {world.runs}"
        dying.cancel()
        await second.close()
    assert call > 10
    working.cancel()


async def test_a_timer_survives_its_owner(world: JobWorld) -> None:
    first = JobOwner(world, kinds, number=1)
    await create(world, b"3 100")
    await eventually(lambda: world.runs["acme/dag:j/0"])
    await first.close()
    second = JobOwner(world, kinds, number=2)
    await eventually(lambda: world.has_ended(JOB_ID), 300.0)
    assert once(world)
    await second.close()


async def test_a_job_that_is_changed_is_begun_again(world: JobWorld) -> None:
    world.working = False
    owner = JobOwner(world, kinds)
    await create(world)

    async def waits() -> bool:
        records = [record for queue in world.queues for record in (await queue.page("", 9))[0]]
        return [record.task_id for record in records] == ["acme/dag:j/0"]

    await eventually(waits)
    job = await world.desk.change("dag", "acme", "j", lambda job: (JobState.CANCELLING, job.body))
    assert job.state is JobState.CANCELLING
    await eventually(lambda: world.has_ended(JOB_ID))
    assert not world.runs
    with pytest.raises(MeshError) as refused:
        await world.desk.change("dag", "acme", "j", lambda job: (JobState.ACTIVE, job.body))
    assert refused.value.refusal.reason is Reason.JOB_STATE
    await owner.close()


async def test_stores_that_are_away_are_waited_for(world: JobWorld) -> None:
    owner = JobOwner(world, kinds)
    await create(world, b"3 5")
    await eventually(lambda: world.runs["acme/dag:j/0"])
    stores = [*world.queues, *world.stores]
    for store in stores:
        store.available = False
    world.working = False
    await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=20.0)
    for store in stores:
        store.available = True
    world.working = True
    await eventually(lambda: world.has_ended(JOB_ID))
    assert once(world)
    await owner.close()


async def test_a_fault_of_one_job_stops_no_other(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = JobOwner(world, kinds)
    await create(world, b"nonsense", name="broken")
    await create(world)
    await eventually(lambda: world.has_ended(JOB_ID))
    assert not await world.has_ended(job_id_of("dag", "acme", "broken"))

    def fault(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(Countdown, "on", fault)
        await create(world, name="faulty")
        await eventually(lambda: not owner.jobs[0].driven and not owner.jobs[1].driven)
    await create(world, name="later")
    await eventually(lambda: world.has_ended(job_id_of("dag", "acme", "later")))
    await owner.close()


async def test_pages_have_all_jobs(world: JobWorld) -> None:
    for number in range(30):
        await create(world, name=f"j{number}")
    found: set[str] = set()
    token = ""
    while True:
        jobs, token = await world.desk.page("dag", token, 7, lambda job: job.tenant == "acme")
        found |= {job.name for job in jobs}
        if not token:
            break
    assert found == {f"j{number}" for number in range(30)}


async def test_who_waits_for_a_job_hears_of_its_end(world: JobWorld) -> None:
    owner = JobOwner(world, kinds)
    await create(world)
    job = await world.desk.wait("dag", "acme", "j", 60.0)
    assert job.state is JobState.ENDED
    world.working = False
    await create(world, name="k")
    assert (await world.desk.wait("dag", "acme", "k", 1.0)).state is JobState.ACTIVE
    await owner.close()


async def test_all_jobs_of_a_tenant_are_ended(world: JobWorld) -> None:
    world.working = False
    owner = JobOwner(world, kinds)
    for name in ("j", "k"):
        await create(world, name=name)
    other = b"1"
    await world.desk.create(
        "dag", "other", "j", digest=other.ljust(16), keep_s=60.0, spec=other, body=b"0"
    )
    assert await world.desk.cancel_all("acme") == 2
    for name in ("j", "k"):
        await eventually(partial(world.has_ended, job_id_of("dag", "acme", name)))
    assert not await world.has_ended(job_id_of("dag", "other", "j"))
    await owner.close()


async def test_what_is_late_is_not_submitted(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(run: Countdown, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        if isinstance(event, TaskEnded):
            return (Write("done" if event.refusal is None else event.refusal.reason.label),)
        del run
        return (SubmitTasks((TaskWish("0", now_s - 1.0, 1),)),)

    monkeypatch.setattr(Countdown, "on", late)
    second = JobOwner(world, kinds)
    await create(world, b"1", name="late")
    await eventually(lambda: world.has_ended(job_id_of("dag", "acme", "late")))
    assert world.runs["acme/dag:late/0"] == 0
    labels = {"kind": "dag", "outcome": "deadline_passed"}
    assert second.registry.get_sample_value("hasten_scheduler_jobs_ended_total", labels) == 1
    await second.close()
