"""Accepts tasks, and waits for them where their callers do."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.orders import TaskFacts
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.payloads import PayloadsFull
from hasten_runtime.tasks.port import ENQUEUE_MAX, Outcome, State, TaskRecord
from hasten_scheduler import views
from hasten_scheduler.accepting import Acceptor, Submission
from hasten_scheduler.ended import DRAINING, ShardEnds
from hasten_scheduler.finding import Finder, Found
from hasten_scheduler.intake import RETRY_AFTER_S, store_away
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.naming import Name, refuse_field
from hasten_scheduler.stored import Payloads, refusal_of, with_period

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAM_MESSAGES_MAX: Final = 16
"""Messages of one stream whose tasks wait for their outcomes; the stream is not read further."""
_STORED: Final = frozenset({Outcome.ACCEPTED, Outcome.SAME})
CANCELLED: Final = Refusal(Reason.CANCELLED, "the task was cancelled")
WAITED: Final = Refusal(
    Reason.DEADLINE_PASSED, "the task has not ended before the call's deadline; ask again by its id"
)


class TaskCallbacks(Protocol):
    """Has the ends of tasks told to who asked for it."""

    async def of_task(self, uri: str, name: Name, shard: int) -> None:
        """The task, which is about to be stored, shall be told of. Raises MeshError."""
        ...


class Submitter:
    """Takes tasks in.

    Args:
        acceptor: Reads them.
        payloads: Keeps their inputs.
        finder: Knows the shards.
        ends: Of the shards.
        counts: Counts them.
        callbacks: Has their ends told; None where callbacks are off.
    """

    def __init__(
        self,
        acceptor: Acceptor,
        payloads: Payloads,
        finder: Finder,
        ends: Sequence[ShardEnds],
        counts: SchedulerMetrics,
        callbacks: TaskCallbacks | None = None,
    ) -> None:
        self._acceptor = acceptor
        self._payloads = payloads
        self._finder = finder
        self._ends = ends
        self._counts = counts
        self._callbacks = callbacks
        self._draining = False
        self._asides: set[asyncio.Task[None]] = set()

    def begin_drain(self) -> None:
        """Accepts nothing from now on."""
        self._draining = True

    async def submit(self, said: pb.NewTask, traceparent: str) -> pb.SubmitTaskResponse:
        """Stores one task. Raises MeshError when it is not accepted."""
        with self._counting_refusals():
            submission = self._acceptor.read(said, traceparent)
            outcome = await self._store(submission)
        return pb.SubmitTaskResponse(
            name=submission.name.to_wire(), repeated=outcome is Outcome.SAME
        )

    async def submit_of_job(
        self, said: pb.NewTask, job_id: str, traceparent: str, facts: TaskFacts
    ) -> bool:
        """Stores a task of a job; True when it was before. Raises MeshError.

        Args:
            said: The task.
            job_id: Its job.
            traceparent: Of the span that made the job.
            facts: What its place depends on.
        """
        submission = self._acceptor.read(said, traceparent, left_s=facts.left_s, job_id=job_id)
        task = submission.task
        task.place = self._acceptor.place(facts)
        task.about = with_period(task.about, facts.period_s)
        return await self._store(submission) is Outcome.SAME

    async def submit_many(
        self, messages: AsyncIterator[pb.SubmitTasksRequest], traceparent: str
    ) -> AsyncGenerator[pb.SubmitTasksResponse, None]:
        """Stores what comes, and says of each what became of it."""
        begun: asyncio.Queue[list[asyncio.Task[pb.SubmitOutcome]] | None] = asyncio.Queue(
            STREAM_MESSAGES_MAX
        )
        reading = asyncio.create_task(self._read(messages, traceparent, begun))
        try:
            while (tasks := await begun.get()) is not None:
                yield pb.SubmitTasksResponse(outcomes=await asyncio.gather(*tasks))
            await reading
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read(
        self,
        messages: AsyncIterator[pb.SubmitTasksRequest],
        traceparent: str,
        begun: "asyncio.Queue[list[asyncio.Task[pb.SubmitOutcome]] | None]",
    ) -> None:
        try:
            async for message in messages:
                if len(message.tasks) > ENQUEUE_MAX:
                    refuse_field(
                        "tasks", f"must be at most {ENQUEUE_MAX}, not {len(message.tasks)}"
                    )
                outcomes = [
                    asyncio.create_task(self._outcome(said, traceparent)) for said in message.tasks
                ]
                await begun.put(outcomes)
        finally:
            await begun.put(None)

    async def _outcome(self, said: pb.NewTask, traceparent: str) -> pb.SubmitOutcome:
        try:
            stored = await self.submit(said, traceparent)
        except MeshError as error:
            name = pb.TaskName(request_id=said.request_id, tenant=said.tenant)
            return pb.SubmitOutcome(name=name, failure=views.failure_to_wire(error.refusal))
        return pb.SubmitOutcome(name=stored.name, repeated=stored.repeated)

    async def infer(self, request: bytes, left_s: float | None, traceparent: str) -> bytes:
        """The answer of a task that is submitted and waited for. Raises MeshError.

        A task whose caller gave it no id ends when the caller leaves: nobody could ask for it.
        """
        with self._counting_refusals():
            submission = self._acceptor.read_call(request, left_s, traceparent)
        try:
            return await self._answer_of(submission, left_s)
        except asyncio.CancelledError:
            if submission.fresh:
                self._cancel_soon(submission)
            raise

    async def _answer_of(self, submission: Submission, left_s: float | None) -> bytes:
        with self._ends[submission.shard].waiter(submission.task.task_id) as ended:
            with self._counting_refusals():
                outcome = await self._store(submission)
            if outcome is Outcome.SAME:
                found = await self._finder.find(submission.name)
                if found.record.state.ended:
                    return await self._answer(found.record)
            try:
                async with asyncio.timeout(left_s):
                    end = await ended
            except TimeoutError:
                raise MeshError(WAITED) from None
        if end.answer is not None:
            return end.answer
        return await self._answer((await self._finder.find(submission.name)).record)

    def _cancel_soon(self, submission: Submission) -> None:
        async def cancel() -> None:
            with suppress(MeshError):
                ids = [submission.task.task_id]
                await self._finder.doors[submission.shard].ask(lambda queue: queue.cancel(ids))

        cancelling = asyncio.create_task(cancel(), name="cancel-of-caller-gone")
        self._asides.add(cancelling)
        cancelling.add_done_callback(self._asides.discard)

    async def wait(self, name: Name, left_s: float) -> tuple[TaskRecord, bytes]:
        """The task when it has ended, or as it is after left_s; and its answer."""
        found = await self._finder.find(name)
        if not found.record.state.ended and left_s > 0:
            await self._until_ended(found, left_s)
            found.record = await self._finder.again(found)
        return found.record, await self.response(found.record)

    async def _until_ended(self, found: Found, left_s: float) -> None:
        with self._ends[found.door.shard].waiter(found.record.task_id) as ended:
            record = await self._finder.again(found)
            if record.state.ended:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(None if left_s == math.inf else left_s):
                    await ended

    async def response(self, record: TaskRecord) -> bytes:
        """The answer of a task that is done; b"" of any other. Raises MeshError."""
        if record.state is not State.DONE:
            return b""
        answer = await self._payloads.decode(record.result)
        if answer is None:
            raise MeshError(
                Refusal(Reason.PAYLOAD_LOST, "the payload store does not have this answer any more")
            )
        return answer

    async def _answer(self, record: TaskRecord) -> bytes:
        if record.state is State.DONE:
            return await self.response(record)
        if record.state is State.CANCELLED:
            raise MeshError(CANCELLED)
        raise MeshError(refusal_of(record.result))

    @contextmanager
    def _counting_refusals(self) -> "Iterator[None]":
        try:
            yield
        except MeshError as error:
            self._counts.not_accepted(error.refusal)
            raise

    async def _store(self, submission: Submission) -> Outcome:
        """Has it stored, input first. Raises MeshError unless it is."""
        if self._draining:
            raise MeshError(DRAINING)
        door = self._finder.doors[submission.shard]
        door.check()
        try:
            submission.task.payload = await self._payloads.encode(submission.request)
        except PayloadsFull as error:
            raise MeshError(
                Refusal(Reason.QUEUE_FULL, str(error), retry_after_s=RETRY_AFTER_S)
            ) from None
        except StoreUnavailable as error:
            raise MeshError(store_away(error)) from None
        if submission.callback_uri and self._callbacks is not None:
            # First: a callback without a task ends by itself, an end without one is never told.
            await self._callbacks.of_task(
                submission.callback_uri, submission.name, submission.shard
            )
        outcome = await door.put(submission.task)
        if outcome in _STORED:
            self._counts.accepted(repeated=outcome is Outcome.SAME)
            return outcome
        raise MeshError(_not_accepted(outcome, submission))


def _not_accepted(outcome: Outcome, submission: Submission) -> Refusal:
    name = submission.name
    if outcome is Outcome.OTHER_CONTENT:
        return Refusal(
            Reason.TASK_CONTENT_DIFFERS,
            f"request_id {name.request_id!r} names a task with other content",
            metadata=(("field", "request_id"),),
        )
    if outcome is Outcome.TENANT_FULL:
        return Refusal(
            Reason.TENANT_QUOTA,
            f"tenant {name.tenant!r} has as many tasks, or bytes, as it may",
            retry_after_s=RETRY_AFTER_S,
            metadata=(("tenant", name.tenant),),
        )
    return Refusal(
        Reason.QUEUE_FULL,
        "the queue has as many tasks, or bytes, as it may",
        retry_after_s=RETRY_AFTER_S,
        metadata=(("shard", str(submission.shard)),),
    )
