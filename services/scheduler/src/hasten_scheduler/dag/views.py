"""DAGs as callers see them."""

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten.scheduler.v1 import scheduler_service_pb2 as task_pb
from hasten_policy.scheduler.jobs.dag.machine import JOIN, DagMachine, key_of
from hasten_policy.scheduler.jobs.dag.plan import Step, in_order
from hasten_policy.scheduler.jobs.dag.progress import Progress, StepProgress, StepState
from hasten_runtime.tasks.jobs import Job, JobState
from hasten_scheduler.dag.stored import KeptDag, progress_from_bytes
from hasten_scheduler.naming import job_task_name
from hasten_scheduler.views import failure_to_wire

_ENDED = {
    "done": pb.DAG_STATE_DONE,
    "failed": pb.DAG_STATE_FAILED,
    "cancelled": pb.DAG_STATE_CANCELLED,
}


def short_status(job: Job) -> pb.DagStatus:
    """A DAG as it is listed. Raises ValueError when it cannot be read."""
    return _status(job, progress_from_bytes(job.body))


def full_status(job: Job, kept: KeptDag, progress: Progress) -> pb.DagStatus:
    """A DAG with its steps; reasons and outputs are not told here."""
    status = _status(job, progress)
    status.time_left_us = round((kept.due_s - job.read_s) * 1e6)
    status.labels.update(kept.dag.labels)
    machine = DagMachine(kept.plan, progress, created_s=job.created_s, due_s=kept.due_s)
    steps = {step.name: step for step in kept.plan.steps}
    order, _ = in_order(kept.plan)
    status.steps.extend(_step(job, steps[name], progress.steps[name], machine) for name in order)
    return status


def _status(job: Job, progress: Progress) -> pb.DagStatus:
    status = pb.DagStatus(
        name=pb.DagName(name=job.name, tenant=job.tenant),
        state=state_of(job, progress),
        age_us=_us(job.read_s - job.created_s),
        failed_step=progress.failed_step,
        steps_ended=sum(step.state.ended for step in progress.steps.values()),
        steps_count=len(progress.steps),
    )
    if progress.ended:
        status.ended_us = _us(progress.ended_s - job.created_s)
    if progress.refusal is not None:
        status.failure.CopyFrom(failure_to_wire(progress.refusal))
    return status


def state_of(job: Job, progress: Progress) -> pb.DagState.ValueType:
    """Where a DAG is."""
    if progress.ended:
        return _ENDED[progress.ended]
    cancelling = job.state is JobState.CANCELLING
    return pb.DAG_STATE_CANCELLING if cancelling else pb.DAG_STATE_ACTIVE


def _step(job: Job, step: Step, progress: StepProgress, machine: DagMachine) -> pb.DagStepStatus:
    wish = machine.wish(step.name, 0)
    status = pb.DagStepStatus(
        name=step.name,
        state=pb.DagStepState.ValueType(progress.state.value),
        model=f"{step.model}/{step.version}" if step.version else step.model,
        due_us=_us(wish.deadline_s - job.created_s),
        priority=wish.priority,
    )
    if progress.begun_s:
        status.begun_us = _us(progress.begun_s - job.created_s)
    if progress.ended_s:
        status.ended_us = _us(progress.ended_s - job.created_s)
    if progress.refusal is not None:
        status.failure.CopyFrom(failure_to_wire(progress.refusal))
    for number, part in enumerate(progress.parts):
        told = pb.DagPartStatus(
            state=pb.DagStepState.ValueType(part.state.value),
            task=task_name(job, step.name, number),
        )
        if part.refusal is not None:
            told.failure.CopyFrom(failure_to_wire(part.refusal))
        status.parts.append(told)
    return status


def task_name(job: Job, step: str, part: int | str) -> task_pb.TaskName:
    """The task of a step."""
    return job_task_name(job.kind, job.tenant, job.name, key_of(step, part)).to_wire()


def open_tasks(progress: StepProgress) -> list[int | str]:
    """Parts of a step whose tasks have not ended."""
    if progress.state is StepState.JOINING:
        return [JOIN]
    return [number for number, part in enumerate(progress.parts) if not part.state.ended]


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))
