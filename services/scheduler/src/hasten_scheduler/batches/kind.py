"""Batches as jobs: what the machine of a batch wants is done with its files and its tasks."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten.scheduler.v1.batch_service_pb2 import BatchState, NewBatch
from hasten.scheduler.v1.stored_batch_pb2 import BatchIndex, BatchProgress, ChunkPlace, ChunkResults
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.batches.machine import (
    BatchEnd,
    BatchFacts,
    BatchMachine,
    CannotGoOn,
    ChunkRead,
    ChunkStored,
    EndTold,
    ReadChunk,
    StoreChunk,
    TellEnd,
    key_of,
    place_of,
)
from hasten_policy.scheduler.jobs.batches.uploads import UploadMachine
from hasten_policy.scheduler.jobs.events import JobEffect, JobEvent, TaskEnded, TaskWish
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.batch_folder import BatchesFull, BatchFolder, BatchGone
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import State, TaskRecord
from hasten_scheduler.batches import progress as stored_batch
from hasten_scheduler.batches.lines import Defaults, Line, answered, refused
from hasten_scheduler.batches.progress import KIND
from hasten_scheduler.batches.sources import Source, SourceGone, SourceLimits, path_of, source_of
from hasten_scheduler.jobs.kinds import JobRun
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.stored import Payloads, refusal_of
from hasten_scheduler.submitting import CANCELLED

AGAIN_S = 1.0
"""After a disk that had no room for results."""


class EndTeller(Protocol):
    """Has those told who asked to hear of a batch's end."""

    async def batch_ended(self, job: Job, body: BatchProgress) -> None:
        """A batch is about to end so. Raises MeshError."""
        ...


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What all batches share.

    Attributes:
        folder: Their files.
        payloads: Of their tasks.
        tasks: Of all jobs.
        refuses_model: Why a model, by name and version, is not taken; None when it is.
        teller: Has the ends of batches told.
        limits: What a batch may be.
        window: Lines of a batch that the queue has at most.
        upload_s_max: Longest time from the last change of a batch until its lines are all there.
        task_keep_s: Its tasks are kept for so long, unless they are forgotten with their chunk.
    """

    folder: BatchFolder
    payloads: Payloads
    tasks: JobTasks
    refuses_model: Callable[[str, str], Refusal | None]
    teller: EndTeller
    limits: SourceLimits
    window: int
    upload_s_max: float
    task_keep_s: float

    def source(self, job_id: str, about: NewBatch) -> Source:
        """Where a batch's lines are. Raises MeshError for a URI that is not allowed."""
        path = path_of(about.uri, self.limits) if about.uri else self.folder.upload_path(job_id)
        return source_of(about.format, path, self.folder.path(job_id) / "arrays", self.limits)


class BatchKind:
    """Implements JobKind."""

    name = KIND

    def __init__(self, context: BatchContext) -> None:
        self._context = context

    async def load(self, job: Job) -> JobRun:
        """A batch with its machine; see the port."""
        body = stored_batch.body_of(job)
        spec = stored_batch.spec_of(job)
        ends_s = stored_batch.ends_s_of(job, spec)
        if body.state == BatchState.BATCH_STATE_UPLOADING:
            ends_s = min(ends_s, job.changed_s + self._context.upload_s_max)
            return UploadRun(body, UploadMachine(ends_s))
        try:
            index = BatchIndex.FromString(await self._context.folder.index(job.job_id))
        except BatchGone:
            # There is a chunk that cannot be read.
            index = BatchIndex(chunks=[ChunkPlace()] * (body.next + 1))
        sizes = [chunk.lines for chunk in index.chunks]
        facts = BatchFacts(sizes, self._context.window, ends_s, spec.priority)
        machine = BatchMachine(facts, stored_batch.progress_of(body))
        return BatchRun(job, spec, body, index, machine, self._context)


class UploadRun:
    """A batch whose lines are not all there yet. Implements JobRun."""

    traceparent = ""

    def __init__(self, body: BatchProgress, machine: UploadMachine) -> None:
        self._body = body
        self._machine = machine

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        """The machine's answer."""
        return self._machine.on(event, now_s=now_s)

    def body(self) -> bytes:
        """For the store."""
        stored_batch.put_end(self._body, self._machine.end)
        return self._body.SerializeToString()

    async def task(self, wish: TaskWish) -> pb.NewTask:
        """It has no tasks."""
        raise NotImplementedError(wish)

    async def answer(self, what: object) -> object:
        """It asks nothing."""
        raise NotImplementedError(what)

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        """It has no tasks."""
        raise NotImplementedError(key, record)


class BatchRun:
    """A batch that runs. Implements JobRun."""

    def __init__(
        self,
        job: Job,
        spec: NewBatch,
        body: BatchProgress,
        index: BatchIndex,
        machine: BatchMachine,
        context: BatchContext,
    ) -> None:
        self._job = job
        self._spec = spec
        self._body = body
        self._index = index
        self._machine = machine
        self._context = context
        self._defaults = Defaults(spec.model, spec.model_version, dict(spec.inputs))
        self._lines: dict[int, list[Line]] = {}
        self._results: dict[str, bytes | Refusal] = {}

    @property
    def traceparent(self) -> str:
        """Of the span that created it."""
        return self._body.traceparent

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        """The machine's answer."""
        if isinstance(event, TaskEnded) and event.refusal is not None:
            self._results.setdefault(event.task, event.refusal)
        return self._machine.on(event, now_s=now_s)

    def body(self) -> bytes:
        """For the store."""
        stored_batch.put_progress(self._body, self._machine.progress)
        return self._body.SerializeToString()

    async def task(self, wish: TaskWish) -> pb.NewTask:
        """The task of a line. Raises MeshError for a line that cannot be one."""
        chunk, number = place_of(wish.key)
        line = self._lines[chunk][number]
        if line.refusal is not None:
            raise MeshError(line.refusal)
        if (line.model, line.version) != (self._spec.model, self._spec.model_version):
            refusal = self._context.refuses_model(line.model, line.version)
            if refusal is not None:
                raise MeshError(refusal)
        return pb.NewTask(
            request=line.request,
            attempts_max=self._spec.attempts_max,
            keep_us=round(self._context.task_keep_s * 1e6),
        )

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        """Keeps the outcome until its chunk is stored."""
        outcome = await self._outcome(record)
        self._results[key] = outcome
        return TaskEnded(key, outcome if isinstance(outcome, Refusal) else None)

    async def _outcome(self, record: TaskRecord) -> bytes | Refusal:
        if record.state is State.CANCELLED:
            return CANCELLED
        if record.state is not State.DONE:
            return refusal_of(record.result)
        answer = await self._context.payloads.decode(record.result)
        if answer is None:
            return Refusal(Reason.PAYLOAD_LOST, "the payload store does not have this answer")
        return answer

    async def answer(self, what: object) -> object:
        """What the machine of batches asks; see the port."""
        if isinstance(what, ReadChunk):
            return await self._read(what.chunk)
        if isinstance(what, StoreChunk):
            return await self._store(what.chunk)
        if isinstance(what, TellEnd):
            return await self._tell(what.how)
        raise NotImplementedError(what)

    async def _read(self, chunk: int) -> ChunkRead | ChunkStored | CannotGoOn:
        try:
            stored = await self._stored(chunk)
            if stored is not None:
                # Who stored them may have died before it had their tasks forgotten.
                await self._forget(chunk, stored.succeeded + stored.failed)
                return stored
            source = self._context.source(self._job.job_id, self._spec)
            lines = await asyncio.to_thread(
                lambda: list(source.lines(self._index, chunk, self._defaults))
            )
        except (SourceGone, BatchGone) as error:
            return _gone(chunk, error)
        except OSError as error:
            raise StoreUnavailable(f"the lines of {self._job.job_id}: {error}") from error
        except MeshError as error:
            return CannotGoOn(chunk, error.refusal)
        self._lines[chunk] = lines
        return ChunkRead(chunk)

    async def _store(self, chunk: int) -> ChunkStored | CannotGoOn:
        """Stores results. What another owner stored before stays, so it is read again."""
        lines = self._lines[chunk]
        keys = [key_of(chunk, number) for number in range(len(lines))]
        outcomes = [self._results[key] for key in keys]
        data = await asyncio.to_thread(_results_of, lines, outcomes)
        try:
            await self._context.folder.put_results(self._job.job_id, chunk, data)
        except BatchesFull as error:
            raise MeshError(Refusal(Reason.QUEUE_FULL, str(error), retry_after_s=AGAIN_S)) from None
        try:
            stored = await self._stored(chunk)
        except BatchGone as error:
            return _gone(chunk, error)
        if stored is None:
            return _gone(chunk, BatchGone("results are gone as soon as they are there"))
        await self._forget(chunk, len(keys))
        del self._lines[chunk]
        for key in keys:
            del self._results[key]
        return stored

    async def _forget(self, chunk: int, lines: int) -> None:
        """Has the tasks of a chunk forgotten, whose results are safe without them; they are
        forgotten in time if this does not succeed.
        """
        with suppress(MeshError):
            keys = [key_of(chunk, number) for number in range(lines)]
            await self._context.tasks.forget(self._job, keys)

    async def _stored(self, chunk: int) -> ChunkStored | None:
        """The results of a chunk, counted; None while they are not there. Raises BatchGone."""
        data = await self._context.folder.results(self._job.job_id, chunk)
        if data is None:
            return None
        lines = ChunkResults.FromString(data).lines
        failed = sum(line.failed for line in lines)
        return ChunkStored(chunk, len(lines) - failed, failed)

    async def _tell(self, how: BatchEnd) -> EndTold:
        if self._spec.callback_uri:
            body = BatchProgress()
            body.CopyFrom(self._body)
            stored_batch.put_progress(body, self._machine.progress)
            stored_batch.put_end(body, how)
            await self._context.teller.batch_ended(self._job, body)
        return EndTold()


def _gone(chunk: int, error: Exception) -> CannotGoOn:
    return CannotGoOn(chunk, Refusal(Reason.PAYLOAD_LOST, f"the batch's files: {error}"))


def _results_of(lines: Sequence[Line], outcomes: Sequence[bytes | Refusal]) -> bytes:
    """The results of a chunk, for the folder."""
    return ChunkResults(
        lines=[
            refused(line, outcome) if isinstance(outcome, Refusal) else answered(line, outcome)
            for line, outcome in zip(lines, outcomes, strict=True)
        ]
    ).SerializeToString()
