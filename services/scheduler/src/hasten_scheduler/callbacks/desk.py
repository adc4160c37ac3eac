"""Asks for callbacks, lists them, and has dead ones told again."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from google.protobuf.message import DecodeError

from hasten.scheduler.v1 import callback_service_pb2 as pb
from hasten.scheduler.v1.batch_service_pb2 import BatchState
from hasten.scheduler.v1.stored_batch_pb2 import BatchProgress, CallbackOrder, CallbackProgress
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.callbacks import CallbackState
from hasten_runtime import wire
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import Job, JobState
from hasten_scheduler.callbacks.events import BATCH_ENDED, event_id_of, event_of
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.naming import Name

KIND: Final = "callback"
_STATE_PREFIX: Final = "BATCH_STATE_"


class CallbackDesk:
    """Callbacks, for everybody but their owners. Implements TaskCallbacks and EndTeller.

    Args:
        jobs: Where they are kept.
        keep_s: A callback that was delivered is remembered for so long, so that it is not told
            again of the same thing.
    """

    def __init__(self, jobs: JobDesk, *, keep_s: float) -> None:
        self._jobs = jobs
        self._keep_s = keep_s

    async def of_task(self, uri: str, name: Name, shard: int) -> None:
        """See TaskCallbacks."""
        order = CallbackOrder(uri=uri, task_id=name.task_id, shard=shard)
        progress = CallbackProgress(state=pb.CallbackState.Value("CALLBACK_STATE_WAITING"), uri=uri)
        event_id = event_id_of("task", name.tenant, name.request_id)
        await self._create(name.tenant, event_id, order, progress)

    async def batch_ended(self, job: Job, body: BatchProgress) -> None:
        """See EndTeller."""
        event_id = event_id_of(job.kind, job.tenant, job.name)
        data: dict[str, Any] = {
            "batch": job.name,
            "tenant": job.tenant,
            "state": BatchState.Name(body.state).removeprefix(_STATE_PREFIX).lower(),
            "lines": body.lines,
            "succeeded": body.succeeded,
            "failed": body.failed,
        }
        if body.HasField("failure"):
            data["error"] = error_of(wire.failure_from_wire(body.failure))
        uri = body.about.callback_uri
        progress = CallbackProgress(
            state=pb.CallbackState.Value("CALLBACK_STATE_SENDING"),
            event=event_of(BATCH_ENDED, event_id, job.name, job.read_s, data),
            uri=uri,
        )
        await self._create(job.tenant, event_id, CallbackOrder(uri=uri), progress)

    async def _create(
        self, tenant: str, event_id: str, order: CallbackOrder, progress: CallbackProgress
    ) -> None:
        await self._jobs.create(
            KIND,
            tenant,
            event_id,
            digest=blake2b(order.uri.encode(), digest_size=16).digest(),
            keep_s=self._keep_s,
            spec=order.SerializeToString(),
            body=progress.SerializeToString(),
        )

    async def page(
        self, tenant: str | None, states: Sequence[int], most: int, token: str
    ) -> tuple[list[pb.Callback], str]:
        """A page of callbacks, and the token of the next. Raises MeshError."""

        def wanted(job: Job) -> bool:
            if tenant is not None and job.tenant != tenant:
                return False
            return not states or progress_of(job).state in states

        jobs, token = await self._jobs.page(KIND, token, most, wanted)
        return [_to_wire(job) for job in jobs], token

    async def retry(self, tenant: str, event_id: str) -> bool:
        """Tells a dead callback again; False for one that is not dead. Raises MeshError."""
        was_dead = False

        def again(job: Job) -> tuple[JobState, bytes] | None:
            nonlocal was_dead
            progress = progress_of(job)
            was_dead = progress.state == CallbackState.DEAD.value
            if not was_dead:
                return None
            progress.state = pb.CallbackState.Value("CALLBACK_STATE_SENDING")
            progress.attempts = progress.not_before_us = 0
            return JobState.ACTIVE, progress.SerializeToString()

        try:
            await self._jobs.change(KIND, tenant, event_id, again)
        except MeshError as error:
            if error.refusal.reason in {Reason.JOB_NOT_FOUND, Reason.JOB_STATE}:
                return False
            raise
        return was_dead


def progress_of(job: Job) -> CallbackProgress:
    """How far a callback is; nothing of one that cannot be read."""
    try:
        return CallbackProgress.FromString(job.body)
    except DecodeError:
        return CallbackProgress()


def error_of(refusal: Refusal) -> dict[str, Any]:
    """A refusal, in an event."""
    return {
        "reason": refusal.reason.name,
        "status": refusal.reason.status,
        "message": refusal.message,
    }


def _to_wire(job: Job) -> pb.Callback:
    progress = progress_of(job)
    callback = pb.Callback(
        event_id=job.name,
        tenant=job.tenant,
        uri=progress.uri,
        state=progress.state,
        attempts=progress.attempts,
        age_us=max(0, round((job.read_s - job.created_s) * 1e6)),
    )
    if progress.HasField("failure"):
        callback.failure.CopyFrom(progress.failure)
    return callback
