"""A DAG as the store keeps it: what it is, and how far it is."""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from hasten.common.v1.failure_pb2 import Failure
from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten.scheduler.v1 import stored_dag_pb2 as stored
from hasten_policy.reasons import Refusal
from hasten_policy.scheduler.jobs.dag.plan import Plan, TensorSpec
from hasten_policy.scheduler.jobs.dag.progress import Part, Progress, StepProgress, StepState
from hasten_runtime import wire
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import Job
from hasten_scheduler.dag.reading import constant_name, plan_of


@dataclass(slots=True)
class KeptDag:
    """A DAG out of the store.

    Attributes:
        spec: As it is stored.
        plan: What it is.
        due_s: Its deadline, by the store's clock.
    """

    spec: stored.StoredDag
    plan: Plan
    due_s: float

    @property
    def dag(self) -> pb.Dag:
        """As it was submitted, but for the contents of tensors."""
        return self.spec.dag


def kept_dag(job: Job) -> KeptDag:
    """What a job is. Raises ValueError when it cannot be read."""
    try:
        spec = stored.StoredDag.FromString(job.spec)
        dag = spec.dag
        given = {name: _spec(each) for name, each in dag.inputs.items()}
        for step in dag.steps:
            for each in step.inputs:
                if each.HasField("constant"):
                    given[constant_name(step, each)] = _spec(each.constant)
        plan = plan_of(dag, given, spec.predicted_s)
    except (DecodeError, MeshError) as error:
        raise ValueError(f"not a DAG: {error}") from error
    return KeptDag(spec, plan, job.created_s + dag.time_left_us / 1e6)


def _spec(tensor: pb.Tensor) -> TensorSpec:
    return TensorSpec(tensor.datatype, tuple(tensor.shape))


def progress_to_bytes(progress: Progress) -> bytes:
    """How far a DAG is."""
    kept = stored.StoredProgress(
        ended=progress.ended,
        ended_s=progress.ended_s,
        failure=_failure(progress.refusal),
        failed_step=progress.failed_step,
    )
    for name, step in progress.steps.items():
        kept.steps[name].CopyFrom(
            stored.StoredStep(
                state=_state(step.state),
                parts=[_state(part.state) for part in step.parts],
                part_failures={
                    number: wire.failure_to_wire(part.refusal)
                    for number, part in enumerate(step.parts)
                    if part.refusal is not None
                },
                begun_s=step.begun_s,
                ended_s=step.ended_s,
                failure=_failure(step.refusal),
            )
        )
    return kept.SerializeToString()


def progress_from_bytes(data: bytes) -> Progress:
    """What `progress_to_bytes` made. Raises ValueError when it cannot be read."""
    try:
        kept = stored.StoredProgress.FromString(data)
        steps = {name: _step(step) for name, step in kept.steps.items()}
    except DecodeError as error:
        raise ValueError(f"no progress of a DAG: {error}") from error
    return Progress(
        steps=steps,
        ended=kept.ended,
        ended_s=kept.ended_s,
        refusal=_refusal(kept.failure) if kept.HasField("failure") else None,
        failed_step=kept.failed_step,
    )


def _step(step: stored.StoredStep) -> StepProgress:
    failures = step.part_failures
    return StepProgress(
        state=StepState(step.state),
        parts=[
            Part(StepState(state), _refusal(failures[number]) if number in failures else None)
            for number, state in enumerate(step.parts)
        ],
        begun_s=step.begun_s,
        ended_s=step.ended_s,
        refusal=_refusal(step.failure) if step.HasField("failure") else None,
    )


def _state(state: StepState) -> pb.DagStepState.ValueType:
    return pb.DagStepState.ValueType(state.value)


def _failure(refusal: Refusal | None) -> Failure | None:
    return None if refusal is None else wire.failure_to_wire(refusal)


def _refusal(failure: Failure) -> Refusal:
    return wire.failure_from_wire(failure)
