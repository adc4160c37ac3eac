"""A batch as its job keeps it."""

from typing import Final

from google.protobuf.message import DecodeError

from hasten.scheduler.v1.batch_service_pb2 import BatchState, NewBatch
from hasten.scheduler.v1.stored_batch_pb2 import BatchProgress
from hasten_policy.scheduler.jobs.batches.machine import BatchEnd, Progress
from hasten_runtime import wire
from hasten_runtime.tasks.jobs import Job
from hasten_scheduler.views import failure_to_wire

KIND: Final = "batch"
LOWEST_CLASS: Final = 3

_ENDS: Final = {
    BatchEnd.DONE: BatchState.BATCH_STATE_DONE,
    BatchEnd.CANCELLED: BatchState.BATCH_STATE_CANCELLED,
    BatchEnd.EXPIRED: BatchState.BATCH_STATE_EXPIRED,
    BatchEnd.FAILED: BatchState.BATCH_STATE_FAILED,
}


def body_of(job: Job) -> BatchProgress:
    """How far a batch is. Raises ValueError when that cannot be read."""
    try:
        return BatchProgress.FromString(job.body)
    except DecodeError as error:
        raise ValueError(f"the body of {job.job_id} cannot be read") from error


def spec_of(job: Job) -> NewBatch:
    """What a batch is. Raises ValueError when that cannot be read."""
    try:
        return NewBatch.FromString(job.spec)
    except DecodeError as error:
        raise ValueError(f"the spec of {job.job_id} cannot be read") from error


def ends_s_of(job: Job, about: NewBatch) -> float:
    """When a batch ends, done or not, by the store's clock."""
    return job.created_s + about.time_left_us / 1e6


def progress_of(body: BatchProgress) -> Progress:
    """For the machine."""
    return Progress(
        next=body.next,
        stored=set(body.stored),
        begun=body.begun,
        succeeded=body.succeeded,
        failed=body.failed,
    )


def put_progress(body: BatchProgress, progress: Progress) -> None:
    """Of the machine."""
    body.next = progress.next
    body.stored[:] = sorted(progress.stored)
    body.begun = progress.begun
    body.succeeded = progress.succeeded
    body.failed = progress.failed
    put_end(body, progress.end)
    if progress.failure is not None:
        body.failure.CopyFrom(failure_to_wire(progress.failure))


def put_end(body: BatchProgress, end: BatchEnd | None) -> None:
    """How it ended, if it has."""
    if end is not None:
        body.state = _ENDS[end]


def failure_reason(body: BatchProgress) -> str:
    """Why it could not go on; "" where it could."""
    return wire.failure_from_wire(body.failure).reason.name if body.HasField("failure") else ""
