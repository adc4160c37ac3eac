"""hasten.scheduler.v1.BatchService: messages in, messages out."""

# ruff: noqa: N802 (the methods have the protocol's names)

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from hasten.scheduler.v1 import batch_service_pb2 as pb
from hasten.scheduler.v1.batch_service_pb2_grpc import BatchServiceServicer
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.tasks.jobs import Job, JobState
from hasten_runtime.telemetry import current_traceparent
from hasten_scheduler.batches.desk import BatchDesk
from hasten_scheduler.batches.progress import body_of, ends_s_of
from hasten_scheduler.naming import refuse_field
from hasten_scheduler.operating import page_size
from hasten_scheduler.views import to_us

MESSAGE_BYTES: Final = 512 * 1024
"""A message of results that has so many bytes is full."""
_UPLOADING: Final = pb.BatchState.BATCH_STATE_UPLOADING
_WANTED: Final = {
    JobState.PAUSED: pb.BatchState.BATCH_STATE_PAUSED,
    JobState.CANCELLING: pb.BatchState.BATCH_STATE_CANCELLING,
}


class BatchServicer(BatchServiceServicer):
    """Answers callers about batches.

    Args:
        desk: None where no folder is set for the files of batches.
    """

    def __init__(self, desk: BatchDesk | None) -> None:
        self._desk_or_none = desk

    @property
    def _desk(self) -> BatchDesk:
        if self._desk_or_none is None:
            raise MeshError(
                Refusal(
                    Reason.UNIMPLEMENTED,
                    "this scheduler takes no batches: they need the setting payloads.folder",
                )
            )
        return self._desk_or_none

    async def CreateBatch(
        self, request: pb.CreateBatchRequest, _: Context
    ) -> pb.CreateBatchResponse:
        """Creates a batch."""
        job, repeated = await self._desk.create(request.batch, current_traceparent())
        return pb.CreateBatchResponse(batch=await self._batch(job), repeated=repeated)

    async def UploadBatch(
        self, requests: AsyncIterator[pb.UploadBatchRequest], _: Context
    ) -> pb.UploadBatchResponse:
        """Takes the lines of a batch in."""
        job = await self._desk.upload(requests)
        return pb.UploadBatchResponse(batch=await self._batch(job))

    async def GetBatch(self, request: pb.GetBatchRequest, _: Context) -> pb.GetBatchResponse:
        """A batch as it is now."""
        name = request.name
        job = await self._desk.find(name.tenant, name.batch_id)
        return pb.GetBatchResponse(batch=await self._batch(job))

    async def ListBatches(
        self, request: pb.ListBatchesRequest, _: Context
    ) -> pb.ListBatchesResponse:
        """Batches, page by page."""

        def wanted(job: Job) -> bool:
            if request.HasField("tenant") and job.tenant != request.tenant:
                return False
            return not request.states or batch_to_wire(job).state in request.states

        jobs, token = await self._desk.page(
            request.page_token, page_size(request.page_size), wanted
        )
        return pb.ListBatchesResponse(
            batches=[batch_to_wire(job) for job in jobs], next_page_token=token
        )

    async def ReadResults(
        self, request: pb.ReadResultsRequest, _: Context
    ) -> AsyncIterator[pb.ReadResultsResponse]:
        """Results in their order."""
        name = request.name
        if request.kind not in pb.ResultKind.values():
            refuse_field("kind", f"must be a kind of results, not {request.kind}")
        reading = self._desk.results(
            name.tenant, name.batch_id, request.position, follow=request.follow
        )
        async with aclosing(reading):
            async for lines in reading:
                for message in _messages(lines, request.kind):
                    yield message

    async def PauseBatch(self, request: pb.PauseBatchRequest, _: Context) -> pb.PauseBatchResponse:
        """Gives no more lines to the queue."""
        name = request.name
        job = await self._desk.set_state(name.tenant, name.batch_id, JobState.PAUSED)
        return pb.PauseBatchResponse(batch=batch_to_wire(job))

    async def ResumeBatch(
        self, request: pb.ResumeBatchRequest, _: Context
    ) -> pb.ResumeBatchResponse:
        """Goes on with a batch."""
        name = request.name
        job = await self._desk.set_state(name.tenant, name.batch_id, JobState.ACTIVE)
        return pb.ResumeBatchResponse(batch=batch_to_wire(job))

    async def CancelBatch(
        self, request: pb.CancelBatchRequest, _: Context
    ) -> pb.CancelBatchResponse:
        """Ends a batch."""
        job = await self._desk.cancel(request.name.tenant, request.name.batch_id)
        return pb.CancelBatchResponse(batch=await self._batch(job))

    async def DeleteBatch(
        self, request: pb.DeleteBatchRequest, _: Context
    ) -> pb.DeleteBatchResponse:
        """Throws a batch away."""
        await self._desk.delete(request.name.tenant, request.name.batch_id)
        return pb.DeleteBatchResponse()

    async def _batch(self, job: Job) -> pb.Batch:
        batch = batch_to_wire(job)
        if batch.state == _UPLOADING:
            batch.uploaded_bytes = await self._desk.uploaded_bytes(job)
        return batch


def batch_to_wire(job: Job) -> pb.Batch:
    """A batch, but for the bytes that have come."""
    body = body_of(job)
    about = body.about
    batch = pb.Batch(
        name=pb.BatchName(batch_id=job.name, tenant=job.tenant),
        state=body.state,
        model=about.model,
        model_version=about.model_version,
        format=about.format,
        uri=about.uri,
        lines=body.lines,
        succeeded=body.succeeded,
        failed=body.failed,
        age_us=to_us(job.read_s - job.created_s),
        time_left_us=round((ends_s_of(job, about) - job.read_s) * 1e6),
        labels=about.labels,
    )
    if body.HasField("failure"):
        batch.failure.CopyFrom(body.failure)
    if job.state is JobState.ENDED:
        batch.ended_us = to_us(job.read_s - job.changed_s)
    elif job.state in _WANTED and (body.state != _UPLOADING or job.state is JobState.CANCELLING):
        batch.state = _WANTED[job.state]
    return batch


def _messages(
    lines: Sequence[pb.ResultLine], kind: "pb.ResultKind.ValueType"
) -> list[pb.ReadResultsResponse]:
    """Lines of one kind in messages; the last one says where to go on, also if it has none."""
    messages = [pb.ReadResultsResponse()]
    size = 0
    for line in lines:
        last = messages[-1]
        if kind in {pb.ResultKind.RESULT_KIND_UNSPECIFIED, _kind_of(line)}:
            if size >= MESSAGE_BYTES:
                messages.append(last := pb.ReadResultsResponse())
                size = 0
            last.lines.append(line)
            size += len(line.json)
        last.position = line.line + 1
    return [message for message in messages if message.position]


def _kind_of(line: pb.ResultLine) -> "pb.ResultKind.ValueType":
    if line.failed:
        return pb.ResultKind.RESULT_KIND_ERRORS
    return pb.ResultKind.RESULT_KIND_ANSWERS
