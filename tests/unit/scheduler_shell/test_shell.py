"""The shell over a queue in memory and a worker that the test plays."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.policy import OrderPolicy, SchedulerPolicy
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.clock import SystemClock
from hasten_runtime.election.port import Term
from hasten_runtime.fleet.port import Reply, Sendable
from hasten_runtime.tasks.memory import MemoryTaskQueue
from hasten_runtime.tasks.memory_jobs import MemoryJobStore
from hasten_runtime.tasks.payloads import MemoryPayloads
from hasten_runtime.tasks.port import Limits, NewTask, State, TaskRecord
from hasten_scheduler import stored
from hasten_scheduler.accepting import AcceptLimits, Acceptor
from hasten_scheduler.attempts import Attempt
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.finding import Finder
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.jobs.live import JobContext
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.owning import Owning
from hasten_scheduler.shell import Shell
from hasten_scheduler.stored import Payloads
from hasten_scheduler.submitting import Submitter
from tests.contract.task_queues import new_task
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time

TERM = Term("me", 7, 3.0)
LANE = Lane("acme", "m", 1)


class Silent:
    """An observer that keeps what ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, Refusal | None, bool]] = []
        self.dropped: list[str] = []

    def attempt_sent(self, attempt: Attempt, worker_id: str) -> None:
        del attempt, worker_id

    def attempt_ended(self, attempt: Attempt, refusal: Refusal | None, *, ends_task: bool) -> None:
        self.ended.append((attempt.task_id, refusal, ends_task))

    def attempt_dropped(self, attempt: Attempt) -> None:
        self.dropped.append(attempt.task_id)

    def task_dropped(self, lane: Lane, refusal: Refusal) -> None:
        del lane, refusal

    def standing_changed(self, worker_id: str, standing: str, cause: str) -> None:
        del worker_id, standing, cause

    def link_lost(self, worker_id: str, cause: str) -> None:
        del worker_id, cause


class Worker:
    """A link whose calls the test answers."""

    def __init__(self, shell: Shell) -> None:
        self.worker_id = "w1"
        self.address = "w1:1"
        self.weight = 1.0
        self.calls: list[Sendable] = []
        self.revoked: list[int] = []
        self._shell = shell

    def send(self, call: Sendable, deadline_s: float) -> None:
        del deadline_s
        self.calls.append(call)

    def revoke(self, call_id: int) -> None:
        self.revoked.append(call_id)

    def join(self) -> None:
        model = ModelLoad("m", "1", True, 0.001, 0.0, 0.001, 8, 0.001, 0, 0.0, True)
        load = LoadSample(1, 0, 0.0, 0.0, 0, 8, 0.001)
        self._shell.joined(self)
        self._shell.reported("w1", WorkerReport("i1", False, 1, load, (model,)))

    def answer(self, payload: bytes = b"", refusal: Refusal | None = None) -> None:
        self._shell.replied("w1", [Reply(self.calls.pop(0).call_id, payload, refusal)])


class Mesh:
    """One shard, its shell and its worker."""

    def __init__(self) -> None:
        self.term: Term | None = TERM
        self.queue = MemoryTaskQueue(lambda: self.term, clock=SystemClock())
        self.door = ShardDoor(0, self.queue, Limits(), pending_max=100)
        self.ends = ShardEnds(self.door, ShardFeed(self.queue))
        self.observer = Silent()
        self.payloads = MemoryPayloads()
        machine = SchedulerMachine(SchedulerPolicy(), rng=Random(1))
        self.shell = Shell(machine, SystemClock(), self.observer, [self.ends])
        self.failed = False
        payloads = Payloads(self.payloads, inline_bytes_max=10)
        self.owning = Owning(
            self.shell,
            [self.queue],
            [self.ends],
            self._jobs(payloads),
            payloads,
            policy=SchedulerPolicy(),
            failed=self._fail,
        )
        self.owning.term_of = lambda _: self.term
        self.worker = Worker(self.shell)

    def _jobs(self, payloads: Payloads) -> JobContext:
        acceptor = Acceptor(AcceptLimits(1000), OrderPolicy(), lambda *_: None)
        finder = Finder([self.door])
        counts = SchedulerMetrics(CollectorRegistry())
        submitter = Submitter(acceptor, payloads, finder, [self.ends], counts)
        store = MemoryJobStore(lambda: self.term, lambda _: None, clock=SystemClock())
        return JobContext(
            kinds={},
            stores=[store],
            tasks=JobTasks(submitter, finder),
            doors=[self.door],
            feeds=[ShardFeed(self.queue)],
            clock=SystemClock(),
            observer=counts,
        )

    def _fail(self) -> None:
        self.failed = True

    def take(self) -> None:
        self.owning.taken(0, TERM)

    async def submit(self, number: int = 1, payload: bytes = b"") -> str:
        task: NewTask = new_task(number, lane=LANE)
        task.payload = payload or stored.inline(b"input")
        await self.door.put(task)
        return task.task_id

    async def record(self, task_id: str) -> TaskRecord:
        (record,) = await self.queue.records([task_id])
        assert record is not None
        return record


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    made = Mesh()
    made.take()
    made.worker.join()
    yield made
    if made.shell.owned:
        made.owning.gone(0)
    made.shell.close()
    made.ends.close()
    await made.door.close()
    assert not made.failed


async def test_a_task_goes_to_a_worker_and_its_answer_to_who_waits(mesh: Mesh) -> None:
    task_id = await mesh.submit()
    await eventually(lambda: mesh.worker.calls)
    (call,) = mesh.worker.calls
    assert (call.payload, call.tenant, call.priority) == (b"input", "acme", 3)
    with mesh.ends.waiter(task_id) as ended:
        mesh.worker.answer(b"output")
        end = await ended
    assert (end.state, end.answer) == (State.DONE, b"output")
    assert (await mesh.record(task_id)).state is State.DONE
    await eventually(lambda: mesh.observer.ended == [(task_id, None, True)])


async def test_an_end_is_told_the_store_until_it_hears(mesh: Mesh) -> None:
    task_id = await mesh.submit()
    await eventually(lambda: mesh.worker.calls)
    mesh.queue.available = False
    mesh.worker.answer(b"output")
    await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=5.0)
    mesh.queue.available = True

    async def done() -> bool:
        return (await mesh.record(task_id)).state is State.DONE

    await eventually(done)


async def test_a_long_input_and_a_long_answer_lie_elsewhere(mesh: Mesh) -> None:
    payloads = Payloads(mesh.payloads, inline_bytes_max=10)
    task_id = await mesh.submit(payload=await payloads.encode(b"i" * 11))
    await eventually(lambda: mesh.worker.calls)
    assert mesh.worker.calls[0].payload == b"i" * 11
    with mesh.ends.waiter(task_id) as ended:
        mesh.worker.answer(b"o" * 11)
        await ended
    result = (await mesh.record(task_id)).result
    assert b"o" * 11 not in result
    assert await payloads.decode(result) == b"o" * 11


async def test_a_task_whose_input_is_gone_has_failed_with_that_reason(mesh: Mesh) -> None:
    gone = await Payloads(MemoryPayloads(), inline_bytes_max=0).encode(b"kept elsewhere")
    task_id = await mesh.submit(payload=gone)

    async def failed() -> bool:
        return (await mesh.record(task_id)).state is State.FAILED

    await eventually(failed)
    refusal = stored.refusal_of((await mesh.record(task_id)).result)
    assert refusal.reason is Reason.PAYLOAD_LOST
    assert mesh.worker.calls == []


async def test_what_nobody_can_read_fails_its_task_and_no_other(mesh: Mesh) -> None:
    bad = await mesh.submit(1, payload=b"\xff\xff")
    good = await mesh.submit(2)
    await eventually(lambda: mesh.worker.calls)
    with mesh.ends.waiter(good) as ended:
        mesh.worker.answer(b"output")
        assert (await ended).state is State.DONE
    assert (await mesh.record(bad)).state is State.FAILED
    assert stored.labels_of(b"\xff\xff") == {}
    assert stored.refusal_of(b"\xff\xff").reason is Reason.INTERNAL


async def test_a_running_task_that_is_cancelled_is_revoked_and_its_answer_ignored(
    mesh: Mesh,
) -> None:
    task_id = await mesh.submit()
    await eventually(lambda: mesh.worker.calls)
    (call,) = mesh.worker.calls
    with mesh.ends.waiter(task_id) as ended:
        await mesh.queue.cancel([task_id])
        assert (await ended).state is State.CANCELLED
    assert mesh.worker.revoked == [call.call_id]
    mesh.worker.answer(b"too late")
    assert (await mesh.record(task_id)).state is State.CANCELLED
    assert mesh.observer.dropped == [task_id]


async def test_a_refusal_that_lies_in_the_request_fails_the_task(mesh: Mesh) -> None:
    task_id = await mesh.submit()
    await eventually(lambda: mesh.worker.calls)
    with mesh.ends.waiter(task_id) as ended:
        mesh.worker.answer(refusal=Refusal(Reason.SHAPE_MISMATCH, "no such shape"))
        assert (await ended).state is State.FAILED
    assert stored.refusal_of((await mesh.record(task_id)).result).message == "no such shape"


async def test_nothing_is_done_for_a_shard_that_is_gone(mesh: Mesh) -> None:
    task_id = await mesh.submit()
    await eventually(lambda: mesh.worker.calls)
    (call,) = mesh.worker.calls
    mesh.owning.gone(0)
    assert mesh.shell.running == 0
    assert mesh.worker.revoked == [call.call_id]
    mesh.worker.answer(b"too late")
    assert (await mesh.record(task_id)).state is State.RUNNING
    # Who owns it next has it run again.
    mesh.term = Term("me", 8, 3.0)
    mesh.owning.taken(0, mesh.term)
    await eventually(lambda: mesh.worker.calls)
    mesh.worker.answer(b"output")

    async def done() -> bool:
        return (await mesh.record(task_id)).state is State.DONE

    await eventually(done)
    assert (await mesh.record(task_id)).attempts == 0
