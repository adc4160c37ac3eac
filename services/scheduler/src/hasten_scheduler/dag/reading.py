"""From what a caller sends to a plan, and from a stored DAG back to it."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten_policy.priorities import LOWEST, NORMAL
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.plan import (
    Comparison,
    Condition,
    How,
    Join,
    Plan,
    Source,
    Split,
    Step,
    StepInput,
    TensorSpec,
)
from hasten_policy.short import short
from hasten_runtime.errors import MeshError
from hasten_scheduler.dag.tensors import Tensor, tensor_from_wire
from hasten_scheduler.naming import refuse_field

DAG_S: Final = 3600.0
"""Time of a DAG that brings no deadline."""
_OF_STEP: Final = ":"
_COMPARISONS: Final = {getattr(pb, f"DAG_COMPARISON_{each.name}"): each for each in Comparison}
_JOINS: Final = {
    pb.DAG_JOIN_UNSPECIFIED: How.CONCAT,
    **{getattr(pb, f"DAG_JOIN_{each.name}"): each for each in How},
}


def constants_of(dag: pb.Dag) -> dict[str, Tensor]:
    """All tensors that a DAG brings along, by the names that its plan gives them: its inputs, and
    constants by step and input.

    Raises:
        MeshError: BYTE_LENGTH_MISMATCH and others; it names the tensor.
    """
    found: dict[str, Tensor] = {}
    for name, wire in dag.inputs.items():
        if _OF_STEP in name or not name:
            refuse_field("inputs", f"must have names without a colon, not {short(name)!r}")
        found[name] = _checked(f"input {name!r}", wire)
    for step in dag.steps:
        for each in step.inputs:
            if each.HasField("constant"):
                what = f"step {step.name!r}: the constant of {each.name!r}"
                found[constant_name(step, each)] = _checked(what, each.constant)
    return found


def _checked(what: str, wire: pb.Tensor) -> Tensor:
    tensor = tensor_from_wire(wire)
    fault = tensor.check()
    if fault:
        raise MeshError(Refusal(Reason.BYTE_LENGTH_MISMATCH, f"{short(what)}: {fault}"))
    return tensor


def constant_name(step: pb.DagStep, given: pb.DagInput) -> str:
    """What a plan calls a constant."""
    return f"{step.name}{_OF_STEP}{given.name}"


def plan_of(
    dag: pb.Dag, inputs: Mapping[str, TensorSpec], predicted_s: Mapping[str, float]
) -> Plan:
    """The plan of a DAG.

    Args:
        dag: As it was submitted.
        inputs: What `constants_of` found.
        predicted_s: What each step is expected to take.

    Raises:
        MeshError: INVALID_REQUEST, which names the field.
    """
    priority = checked_class(dag.priority) if dag.HasField("priority") else NORMAL
    return Plan(
        steps=tuple(_step(step, priority, predicted_s.get(step.name, 0.0)) for step in dag.steps),
        inputs=dict(inputs),
        outputs={output.name: _sources(output.sources) for output in dag.outputs},
    )


def checked_class(priority: int) -> int:
    """Raises MeshError for what is no class."""
    if priority > LOWEST:
        refuse_field("priority", f"must be a class from 0 to {LOWEST}, not {priority}")
    return priority


def _step(step: pb.DagStep, priority: int, predicted_s: float) -> Step:
    return Step(
        name=step.name,
        model=step.model,
        version=step.version,
        inputs=tuple(_input(step, each) for each in step.inputs),
        when=tuple(_condition(each) for each in step.when),
        split=_split(step.split) if step.HasField("split") else None,
        due_in_s=step.time_left_us / 1e6 if step.time_left_us else math.inf,
        priority=checked_class(step.priority) if step.HasField("priority") else priority,
        predicted_s=predicted_s,
    )


def _input(step: pb.DagStep, given: pb.DagInput) -> StepInput:
    where = f"step {short(step.name)!r}: input {short(given.name)!r}"
    if given.HasField("constant"):
        if given.sources:
            refuse_field("steps", f"must say a constant or sources, not both: {where}")
        return StepInput(given.name, (Source("", constant_name(step, given)),), split=given.split)
    if given.split and not step.HasField("split"):
        refuse_field("steps", f"must say how the step is split: {where}")
    return StepInput(given.name, _sources(given.sources), split=given.split)


def _sources(sources: Iterable[pb.DagSource]) -> tuple[Source, ...]:
    return tuple(Source(source.step, source.tensor) for source in sources)


def _condition(condition: pb.DagCondition) -> Condition:
    comparison = _COMPARISONS.get(condition.comparison)
    if comparison is None:
        refuse_field("when", f"must have a comparison, not {condition.comparison}")
    source = Source(condition.source.step, condition.source.tensor)
    return Condition(source, comparison, condition.value, every=condition.every)


def _split(split: pb.DagSplit) -> Split:
    how = _JOINS.get(split.join)
    if how is None:
        refuse_field("split", f"must have a way to join, not {split.join}")
    join = Join(
        how=how,
        k=split.top_k,
        by=split.top_by,
        model=split.join_model,
        version=split.join_version,
        inputs=tuple(split.join_inputs),
    )
    return Split(
        rows=split.rows,
        parts=split.parts,
        join=join,
        best_effort=split.best_effort,
        rows_max=split.rows_max,
    )


def models_of(plan: Plan) -> set[tuple[str, str]]:
    """Names and versions of all models that a plan needs."""
    found = {(step.model, step.version) for step in plan.steps}
    joins = [step.split.join for step in plan.steps if step.split is not None]
    return found | {(join.model, join.version) for join in joins if join.how is How.MODEL}
