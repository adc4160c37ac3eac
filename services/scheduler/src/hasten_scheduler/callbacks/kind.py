"""Callbacks as jobs: what the machine of a callback wants is done at its task and its receiver."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from hasten.scheduler.v1 import scheduler_service_pb2 as task_pb
from hasten.scheduler.v1.callback_service_pb2 import CallbackState as WireState
from hasten.scheduler.v1.stored_batch_pb2 import CallbackOrder, CallbackProgress
from hasten_policy.chance import Chance
from hasten_policy.scheduler.jobs import callbacks as policy
from hasten_policy.scheduler.jobs.callbacks import CallbackMachine, CallbackPolicy, CallbackState
from hasten_policy.scheduler.jobs.events import JobEffect, JobEvent, TaskEnded, TaskWish
from hasten_runtime import wire
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import State, TaskRecord
from hasten_scheduler.callbacks.desk import KIND, error_of
from hasten_scheduler.callbacks.events import TASK_ENDED, event_of
from hasten_scheduler.callbacks.sending import Sender
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.jobs.kinds import JobRun
from hasten_scheduler.naming import name_of
from hasten_scheduler.stored import refusal_of
from hasten_scheduler.views import failure_to_wire

NEVER_S: Final = 60.0
"""A task that is not there so long after its callback was asked for was not accepted."""
LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class CallbackContext:
    """What all callbacks share.

    Attributes:
        doors: The shards of tasks, by number.
        ends: Of the shards.
        sender: Tells receivers.
        policy: How often.
        rng: For pauses.
    """

    doors: Sequence[ShardDoor]
    ends: Sequence[ShardEnds]
    sender: Sender
    policy: CallbackPolicy
    rng: Chance


class CallbackKind:
    """Implements JobKind."""

    name = KIND

    def __init__(self, context: CallbackContext) -> None:
        self._context = context

    async def load(self, job: Job) -> JobRun:
        """A callback with its machine; see the port."""
        try:
            order = CallbackOrder.FromString(job.spec)
            body = CallbackProgress.FromString(job.body)
        except DecodeError as error:
            raise ValueError(f"the callback {job.job_id} cannot be read") from error
        return CallbackRun(job, order, body, self._context)


class CallbackRun:
    """A callback. Implements JobRun."""

    traceparent = ""

    def __init__(
        self, job: Job, order: CallbackOrder, body: CallbackProgress, context: CallbackContext
    ) -> None:
        self._job = job
        self._order = order
        self._body = body
        self._context = context
        progress = policy.CallbackProgress(
            CallbackState(body.state), body.attempts, body.not_before_us / 1e6
        )
        if body.HasField("failure"):
            progress.refusal = wire.failure_from_wire(body.failure)
        self._machine = CallbackMachine(context.policy, progress, context.rng)

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        """The machine's answer."""
        return self._machine.on(event, now_s=now_s)

    def body(self) -> bytes:
        """For the store."""
        progress, body = self._machine.progress, self._body
        body.state = WireState.ValueType(progress.state.value)
        body.attempts = progress.attempts
        body.not_before_us = round(progress.not_before_s * 1e6)
        body.ClearField("failure")
        if progress.refusal is not None:
            body.failure.CopyFrom(failure_to_wire(progress.refusal))
        return body.SerializeToString()

    async def task(self, wish: TaskWish) -> task_pb.NewTask:
        """It has no tasks of its own."""
        raise NotImplementedError(wish)

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        """It has no tasks of its own."""
        raise NotImplementedError(key, record)

    async def answer(self, what: object) -> object:
        """What the machine of callbacks asks; see the port."""
        if isinstance(what, policy.AwaitEnd):
            record = await self._end_of_task()
            if record is None:
                return policy.NeverBegan()
            self._body.event = self._event(record)
            return policy.EndCame()
        if isinstance(what, policy.Tell):
            told = await self._context.sender.tell(
                self._order.uri, self._job.name, self._body.event
            )
            return policy.WasTold(told.answer, told.asked_s, told.refusal)
        raise NotImplementedError(what)

    async def _end_of_task(self) -> TaskRecord | None:
        """The task when it has ended; None for one that was never accepted. Raises MeshError."""
        shard, task_id = self._order.shard, self._order.task_id
        door, ends = self._context.doors[shard], self._context.ends[shard]
        loop = asyncio.get_running_loop()
        never_s = loop.time() + NEVER_S - (self._job.read_s - self._job.created_s)
        while True:
            with ends.waiter(task_id) as ended:
                (record,) = await door.records([task_id])
                if record is not None and record.state.ended:
                    return record
                if record is None and loop.time() > never_s:
                    return None
                if record is None:
                    await asyncio.wait([ended], timeout=LOOK_S)
                else:
                    await ended

    def _event(self, record: TaskRecord) -> bytes:
        name = name_of(record.task_id, record.key)
        data: dict[str, Any] = {
            "task": name.request_id,
            "tenant": name.tenant,
            "state": record.state.name.lower(),
            "model": record.lane.model,
            "attempts": record.attempts,
        }
        if record.state in {State.FAILED, State.DEAD}:
            data["error"] = error_of(refusal_of(record.result))
        happened_s = self._job.read_s - max(0.0, record.ended_s)
        return event_of(TASK_ENDED, self._job.name, name.request_id, happened_s, data)
