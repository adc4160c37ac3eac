"""Creates batches, takes their lines in, changes them, and reads their results."""

import asyncio
import secrets
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from hasten.scheduler.v1 import batch_service_pb2 as pb
from hasten.scheduler.v1.stored_batch_pb2 import BatchIndex, BatchProgress, ChunkPlace, ChunkResults
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.batch_folder import BatchesFull, BatchFolder, BatchGone, OutOfPlace
from hasten_runtime.tasks.jobs import Job, JobState, job_id_of
from hasten_runtime.tasks.whole_files import no_room
from hasten_scheduler.accepting import (
    ATTEMPTS_MAX,
    bounded_s,
    check_labels,
    checked_priority,
    count,
)
from hasten_scheduler.batches.kind import BatchContext
from hasten_scheduler.batches.progress import KIND, LOWEST_CLASS, body_of
from hasten_scheduler.intake import RETRY_AFTER_S, store_away
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.naming import check_job_name, refuse_field

LOOK_S: Final = 0.2
"""Pace at which a reader looks for more results."""
GRACE_S: Final = 3600.0
"""Files of a batch that is not known are kept for so long: it may be on its way to the store."""
_FORMATS: Final = {
    value: name
    for name, value in pb.BatchFormat.items()
    if value != pb.BatchFormat.BATCH_FORMAT_UNSPECIFIED
}
_UPLOADING: Final = pb.BatchState.BATCH_STATE_UPLOADING
_RUNNING: Final = pb.BatchState.BATCH_STATE_RUNNING


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What is accepted.

    Attributes:
        expires_s: A batch ends after so long where its creator does not say.
        ahead_s_max: Latest end.
        keep_s: It is kept for so long after its end where its creator does not say.
        keep_s_max: Longest that a creator may ask for.
        check_callback: Raises MeshError for a URI that nobody may be told at.
    """

    expires_s: float
    ahead_s_max: float
    keep_s: float
    keep_s_max: float
    check_callback: Callable[[str], None]


class BatchDesk:
    """Batches, for everybody but their owners.

    Args:
        jobs: Where they are kept.
        context: Their files, and what they may be.
        rules: What is accepted.
    """

    def __init__(self, jobs: JobDesk, context: BatchContext, rules: BatchRules) -> None:
        self._jobs = jobs
        self._context = context
        self._rules = rules

    @property
    def _folder(self) -> BatchFolder:
        return self._context.folder

    # --- creating -----------------------------------------------------------------------

    async def create(self, said: pb.NewBatch, traceparent: str) -> tuple[Job, bool]:
        """Creates a batch; True when it was before. Raises MeshError."""
        new = self._checked(said)
        tenant, name = new.name.tenant, new.name.batch_id
        found = await self._found(tenant, name)
        if found is not None:
            await self._create(new, BatchProgress())
            return await self.find(tenant, name), True
        body = BatchProgress(state=_UPLOADING, about=_about(new), traceparent=traceparent)
        job_id = job_id_of(KIND, tenant, name)
        try:
            with _files_away():
                await self._folder.begin(job_id)
            if new.uri:
                await self._look_at(job_id, new, body)
            repeated = await self._create(new, body)
        except MeshError:
            if await self._found(tenant, name) is None:
                with suppress(StoreUnavailable, BatchesFull):
                    await self._folder.remove(job_id)
            raise
        return await self.find(tenant, name), repeated

    def _checked(self, said: pb.NewBatch) -> pb.NewBatch:
        """The batch with all that its creator left out. Raises MeshError."""
        rules = self._rules
        new = pb.NewBatch()
        new.CopyFrom(said)
        new.name.batch_id = said.name.batch_id or secrets.token_hex(16)
        check_job_name(said.name.tenant, new.name.batch_id, "batch_id")
        if said.format not in _FORMATS:
            refuse_field("format", f"must be one of {', '.join(_FORMATS.values())}")
        if said.format == pb.BatchFormat.BATCH_FORMAT_DIRECTORY and not said.uri:
            refuse_field("uri", "must name the folder: a folder is not uploaded")
        if not said.model:
            refuse_field("model", "must name a model")
        refusal = self._context.refuses_model(said.model, said.model_version)
        if refusal is not None:
            raise MeshError(refusal)
        new.priority = (
            checked_priority(said.priority) if said.HasField("priority") else LOWEST_CLASS
        )
        count("attempts_max", said.attempts_max, ATTEMPTS_MAX)
        check_labels(said.labels)
        if said.callback_uri:
            rules.check_callback(said.callback_uri)
        time_left_s = bounded_s("time_left_us", said.time_left_us, rules.ahead_s_max)
        new.time_left_us = round((time_left_s or rules.expires_s) * 1e6)
        keep_s = bounded_s("keep_us", said.keep_us, rules.keep_s_max)
        new.keep_us = round((keep_s or rules.keep_s) * 1e6)
        return new

    async def _found(self, tenant: str, name: str) -> Job | None:
        """The job of this name, also when its files are gone."""
        try:
            job = await self._jobs.find(KIND, tenant, name)
        except MeshError as error:
            if error.refusal.reason is Reason.JOB_NOT_FOUND:
                return None
            raise
        if job.state is JobState.ENDED and not await self._there(job):
            raise MeshError(
                Refusal(
                    Reason.JOB_STATE,
                    f"batch {name!r} was deleted, and its name is not free yet; take another one",
                )
            )
        return job

    async def _create(self, new: pb.NewBatch, body: BatchProgress) -> bool:
        return await self._jobs.create(
            KIND,
            new.name.tenant,
            new.name.batch_id,
            digest=_digest(new),
            keep_s=new.keep_us / 1e6,
            spec=new.SerializeToString(),
            body=body.SerializeToString(),
        )

    async def _look_at(self, job_id: str, new: pb.NewBatch, body: BatchProgress) -> None:
        """Looks at the lines, which are all there; writes where they are, and how many.

        Raises:
            MeshError: They are no batch.
        """
        with _files_away():
            source = self._context.source(job_id, new)
            index = await asyncio.to_thread(source.index)
            await self._folder.put_index(job_id, index.SerializeToString())
        body.state = _RUNNING
        body.lines = sum(chunk.lines for chunk in index.chunks)

    # --- lines --------------------------------------------------------------------------

    async def upload(self, pieces: AsyncIterator[pb.UploadBatchRequest]) -> Job:
        """Takes lines in; the batch after the last of these pieces. Raises MeshError.

        Those of a batch whose lines are all there are not looked at: they are a repeat.
        """
        job: Job | None = None
        async for piece in pieces:
            if job is None:
                job = await self.find(piece.name.tenant, piece.name.batch_id)
                if job.state is not JobState.ENDED and body_of(job).about.uri:
                    refuse_field("name", "must name a batch without a URI")
            if job.state is JobState.ENDED or body_of(job).state != _UPLOADING:
                return job
            size = piece.offset + len(piece.data)
            if size > self._context.limits.bytes_max:
                raise MeshError(
                    Refusal(
                        Reason.BATCH_OVERSIZED,
                        f"a batch has at most {self._context.limits.bytes_max} bytes",
                    )
                )
            with _files_away():
                await self._folder.append(job.job_id, piece.offset, piece.data)
            if piece.last:
                job = await self._uploaded(job, size, piece.sha256)
        if job is None:
            refuse_field("name", "must name a batch")
        return job

    async def _uploaded(self, job: Job, size: int, sha256: bytes) -> Job:
        with _files_away():
            if not await self._folder.check(job.job_id, size, sha256):
                raise MeshError(
                    Refusal(
                        Reason.BATCH_INPUT,
                        f"what came has not {size} bytes with this SHA-256; upload all of it again",
                        metadata=(("field", "sha256"),),
                    )
                )
        body = body_of(job)
        try:
            await self._look_at(job.job_id, body.about, body)
        except MeshError as error:
            if error.refusal.reason in {Reason.BATCH_INPUT, Reason.BATCH_OVERSIZED}:
                with _files_away():
                    await self._folder.empty(job.job_id)
            raise

        def run(now: Job) -> tuple[JobState, bytes] | None:
            progress = body_of(now)
            if progress.state != _UPLOADING:
                return None
            progress.state = body.state
            progress.lines = body.lines
            return now.state, progress.SerializeToString()

        return await self._jobs.change(KIND, job.tenant, job.name, run)

    async def uploaded_bytes(self, job: Job) -> int:
        """Bytes of an upload that have come. Raises MeshError."""
        with _files_away():
            return await self._folder.uploaded(job.job_id)

    # --- what people want ---------------------------------------------------------------

    async def find(self, tenant: str, name: str) -> Job:
        """A batch. Raises MeshError."""
        job = await self._jobs.find(KIND, tenant, name)
        if job.state is JobState.ENDED and not await self._there(job):
            raise MeshError(Refusal(Reason.JOB_NOT_FOUND, f"batch {name!r} was deleted"))
        return job

    async def page(
        self, token: str, most: int, wanted: Callable[[Job], bool]
    ) -> tuple[list[Job], str]:
        """A page of batches, without specs, and the token of the next. Raises MeshError."""
        return await self._jobs.page(KIND, token, most, wanted)

    async def set_state(self, tenant: str, name: str, state: JobState) -> Job:
        """Pauses, resumes or cancels a batch. Raises MeshError."""

        def change(job: Job) -> tuple[JobState, bytes] | None:
            if job.state is state:
                return None
            cancels = state is JobState.CANCELLING
            if job.state is JobState.CANCELLING:
                raise MeshError(Refusal(Reason.JOB_STATE, f"batch {name!r} is being cancelled"))
            if body_of(job).state == _UPLOADING and not cancels:
                raise MeshError(
                    Refusal(Reason.JOB_STATE, f"the lines of batch {name!r} are not all there yet")
                )
            return state, job.body

        return await self._jobs.change(KIND, tenant, name, change)

    async def cancel(self, tenant: str, name: str) -> Job:
        """Ends a batch; one that has ended stays as it is. Raises MeshError."""
        try:
            return await self.set_state(tenant, name, JobState.CANCELLING)
        except MeshError as error:
            if error.refusal.reason is not Reason.JOB_STATE:
                raise
            return await self.find(tenant, name)

    async def delete(self, tenant: str, name: str) -> None:
        """Throws away the files of a batch that has ended. Raises MeshError."""
        job = await self.find(tenant, name)
        if job.state is not JobState.ENDED:
            raise MeshError(
                Refusal(Reason.JOB_STATE, f"batch {name!r} has not ended; cancel it first")
            )
        with _files_away():
            await self._folder.remove(job.job_id)

    async def _there(self, job: Job) -> bool:
        with _files_away():
            return await self._folder.there(job.job_id)

    # --- results ------------------------------------------------------------------------

    async def results(
        self, tenant: str, name: str, position: int, *, follow: bool
    ) -> AsyncGenerator[Sequence[pb.ResultLine], None]:
        """Results in their order, from a line on. Raises MeshError."""
        job = await self.find(tenant, name)
        while body_of(job).state == _UPLOADING and job.state is not JobState.ENDED and follow:
            await asyncio.sleep(LOOK_S)
            job = await self.find(tenant, name)
        chunks = await self._chunks(job)
        firsts = [chunk.first for chunk in chunks]
        chunk = max(0, bisect_right(firsts, position) - 1)
        while chunk < len(chunks):
            over = job.state is JobState.ENDED
            lines = await self._chunk(job, chunk)
            if lines is not None:
                yield [line for line in lines if line.line >= position]
                chunk += 1
            elif over or not follow:
                return
            else:
                await asyncio.sleep(LOOK_S)
                job = await self.find(tenant, name)

    async def _chunks(self, job: Job) -> Sequence[ChunkPlace]:
        if body_of(job).state == _UPLOADING or not body_of(job).lines:
            return ()
        with _files_away():
            return BatchIndex.FromString(await self._folder.index(job.job_id)).chunks

    async def _chunk(self, job: Job, chunk: int) -> Sequence[pb.ResultLine] | None:
        with _files_away():
            data = await self._folder.results(job.job_id, chunk)
        return None if data is None else ChunkResults.FromString(data).lines

    # --- away with them -----------------------------------------------------------------

    async def _known(self, tenant: str, name: str) -> bool:
        try:
            await self._jobs.find(KIND, tenant, name)
        except MeshError as error:
            if error.refusal.reason is Reason.JOB_NOT_FOUND:
                return False
            raise
        return True

    async def sweep(self) -> int:
        """Removes files of batches that are kept no longer; of how many. Raises MeshError."""
        swept = 0
        with _files_away():
            for job_id in await self._folder.kept(GRACE_S):
                tenant, _, name = job_id.partition(":")[2].partition("/")
                if not await self._known(tenant, name):
                    await self._folder.remove(job_id)
                    swept += 1
        return swept


def _about(new: pb.NewBatch) -> pb.NewBatch:
    """What lists show of a batch."""
    about = pb.NewBatch()
    about.CopyFrom(new)
    about.ClearField("inputs")
    return about


def _digest(new: pb.NewBatch) -> bytes:
    """Of all but the time, which runs on between a call and its repeat."""
    content = pb.NewBatch()
    content.CopyFrom(new)
    content.ClearField("time_left_us")
    return blake2b(content.SerializeToString(deterministic=True), digest_size=16).digest()


@contextmanager
def _files_away() -> Iterator[None]:
    """Says as a refusal what the folder of batches says. Raises MeshError."""
    try:
        yield
    except StoreUnavailable as error:
        raise MeshError(store_away(error)) from None
    except BatchesFull as error:
        raise MeshError(_full(error)) from None
    except OutOfPlace as error:
        raise MeshError(
            Refusal(
                Reason.INVALID_REQUEST,
                f"offset must be at most {error.size}, as so many bytes have come",
                metadata=(("field", "offset"), ("uploaded_bytes", str(error.size))),
            )
        ) from None
    except BatchGone as error:
        raise MeshError(
            Refusal(Reason.PAYLOAD_LOST, f"the files of the batch are gone: {error}")
        ) from None
    except OSError as error:
        raise MeshError(_full(error) if no_room(error) else store_away(error)) from None


def _full(error: Exception) -> Refusal:
    return Refusal(Reason.QUEUE_FULL, str(error), retry_after_s=RETRY_AFTER_S)
