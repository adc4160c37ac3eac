"""Tasks as callers see them."""

import math

from hasten.common.v1.failure_pb2 import Failure
from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import wire
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.port import Change, State, TaskRecord
from hasten_scheduler.naming import Name, name_of
from hasten_scheduler.stored import job_of, labels_of, refusal_of

_US_MAX = 2**63 - 1


def state_from_wire(state: "pb.TaskState.ValueType") -> State:
    """Raises MeshError for a number that is no state."""
    try:
        return State(state)
    except ValueError:
        raise MeshError(
            Refusal(
                Reason.INVALID_REQUEST,
                f"states must be states of tasks, not {state}",
                metadata=(("field", "states"),),
            )
        ) from None


def task_to_wire(record: TaskRecord, response: bytes = b"") -> pb.Task:
    """A task.

    Args:
        record: As the store has it; its result is told if it is a refusal.
        response: Its answer, once it is done.
    """
    lane = record.lane
    task = pb.Task(
        name=name_of(record.task_id, record.key).to_wire(),
        state=pb.TaskState.ValueType(record.state.value),
        model=lane.model,
        priority=lane.priority,
        age_us=to_us(max(0.0, record.age_s)),
        start_in_us=to_us(record.start_in_s),
        attempts=record.attempts,
        attempts_max=record.attempts_max,
        runs=record.runs,
        labels=labels_of(record.about),
        concurrency_max=record.key_max if record.key else 0,
        response=response,
        deaths=record.deaths,
        alone=record.alone,
        job_id=job_of(record.about),
    )
    if record.left_s != math.inf:
        task.time_left_us = round(record.left_s * 1e6)
    if record.ended_s >= 0:
        task.ended_us = to_us(record.ended_s)
    if record.result and record.state in {State.FAILED, State.DEAD}:
        task.failure.CopyFrom(failure_to_wire(refusal_of(record.result)))
    return task


def failure_to_wire(refusal: Refusal) -> Failure:
    """A refusal, for callers."""
    failure = wire.failure_to_wire(refusal)
    failure.status = refusal.reason.status
    return failure


def change_to_wire(change: Change) -> pb.TaskChange:
    """A change."""
    name = name_of(change.task_id, "")
    return pb.TaskChange(
        request_id=name.request_id,
        tenant=name.tenant,
        state=pb.TaskState.ValueType(change.state.value),
        model=change.lane.model,
        priority=change.lane.priority,
    )


def to_us(seconds: float) -> int:
    """Microseconds, none for what is negative."""
    return min(max(0, round(seconds * 1e6)), _US_MAX)


def not_found(name: Name) -> MeshError:
    """There is no such task."""
    owner = f" of tenant {name.tenant!r}" if name.tenant else ""
    return MeshError(
        Refusal(
            Reason.TASK_NOT_FOUND,
            f"there is no task {name.request_id!r}{owner}: it was never accepted, or is kept no "
            "longer",
        )
    )


def wants(record: TaskRecord, wanted: pb.ListTasksRequest) -> bool:
    """A list should have the task."""
    lane = record.lane
    if wanted.HasField("tenant") and lane.tenant != wanted.tenant:
        return False
    if wanted.model and lane.model != wanted.model:
        return False
    if wanted.states and record.state.value not in wanted.states:
        return False
    if wanted.job_id and job_of(record.about) != wanted.job_id:
        return False
    labels = labels_of(record.about) if wanted.labels else {}
    return all(labels.get(name) == value for name, value in wanted.labels.items())
