"""Builds DAGs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten_client.errors import InvalidArgument
from hasten_client.request import check_deadline, priority_level

if TYPE_CHECKING:
    from hasten_client.codec import TensorLike

COMPARISONS: Final = {
    "==": pb.DAG_COMPARISON_EQ,
    "!=": pb.DAG_COMPARISON_NE,
    "<": pb.DAG_COMPARISON_LT,
    "<=": pb.DAG_COMPARISON_LE,
    ">": pb.DAG_COMPARISON_GT,
    ">=": pb.DAG_COMPARISON_GE,
}
JOINS: Final = {
    "concat": pb.DAG_JOIN_CONCAT,
    "mean": pb.DAG_JOIN_MEAN,
    "vote": pb.DAG_JOIN_VOTE,
    "top_k": pb.DAG_JOIN_TOP_K,
    "model": pb.DAG_JOIN_MODEL,
}


class From(NamedTuple):
    """A tensor of the DAG: an output of a step, or with step "" an input of the DAG."""

    step: str
    tensor: str


@dataclass(frozen=True, slots=True)
class When:
    """A step runs only if an element of a tensor compares so with the value.

    Attributes:
        source: The tensor.
        comparison: ==, !=, <, <=, > or >=.
        value: With what.
        every: Every element has to.
    """

    source: From
    comparison: str
    value: float
    every: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A step that is several tasks, each with some rows of some inputs.

    Attributes:
        inputs: Those that are split; each part gets all of the others.
        rows: Of each part; 0 where `parts` says how many parts there are.
        parts: See rows; both 0 for as many as there are workers that serve the model.
        join: concat, mean, vote, top_k or model.
        top_k: For top_k: how many rows.
        top_by: For top_k: the output with one value a row.
        join_model: For model: takes inputs that are named as the step's outputs.
        join_version: Its version; "" for any.
        best_effort: Parts that fail are left out; one has to succeed. Otherwise all have to.
    """

    inputs: Sequence[str]
    rows: int = 0
    parts: int = 0
    join: str = "concat"
    top_k: int = 0
    top_by: str = ""
    join_model: str = ""
    join_version: str = ""
    best_effort: bool = False


@dataclass(frozen=True, slots=True)
class DagStep:
    """A run of a model.

    Attributes:
        name: Distinguishes it from the DAG's other steps.
        model: Model name.
        inputs: Of each input of the model, where it comes from, the first of several whose step was
            not skipped, or a constant as in `infer`.
        version: Model version; "" for any.
        when: All have to hold, or the step is skipped.
        split: None for one task.
        priority: As in `submit` of tasks; "" for the DAG's.
        deadline_s: Seconds from the DAG's acceptance within which it has to end; None for the
            DAG's.
    """

    name: str
    model: str
    inputs: "Mapping[str, From | Sequence[From] | TensorLike]"
    version: str = ""
    when: Sequence[When] = ()
    split: Split | None = None
    priority: str | int = ""
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True)
class Dag:
    """A DAG to submit.

    Attributes:
        steps: In any order.
        outputs: What is asked of it, by name: a tensor, or the first of several whose step was not
            skipped.
        inputs: What it is given, by name.
        name: Names it: under one name, one DAG. "" for a fresh one.
        tenant: Who pays; "" for the default tenant.
        deadline_s: Seconds from now within which it has to end; None for an hour.
        priority: As in `submit` of tasks.
        keep_s: Seconds for which it is kept after its end; None for the scheduler's setting.
        attempts_max: Most attempts of each task that count; None for the scheduler's setting.
        labels: What to find it by.
    """

    steps: Sequence[DagStep]
    outputs: Mapping[str, From | Sequence[From]]
    inputs: "Mapping[str, TensorLike]" = field(default_factory=dict)
    name: str = ""
    tenant: str = ""
    deadline_s: float | None = None
    priority: str | int = "normal"
    keep_s: float | None = None
    attempts_max: int | None = None
    labels: Mapping[str, str] | None = None


def split_dag(  # noqa: PLR0913  (each is a fact of the request)
    model: str,
    inputs: "Mapping[str, TensorLike]",
    split: Split,
    *,
    outputs: Sequence[str],
    version: str = "",
    name: str = "",
    tenant: str = "",
    deadline_s: float | None = None,
    priority: str | int = "normal",
) -> Dag:
    """One request that is split over workers: a DAG of one step, "all".

    Args:
        model: Model name.
        inputs: As in `infer`.
        split: How.
        outputs: Names of the outputs that are wanted.
        version: Model version; "" for any.
        name: As in Dag.
        tenant: As in Dag.
        deadline_s: As in Dag.
        priority: As in Dag.
    """
    step = DagStep(
        "all", model, {each: From("", each) for each in inputs}, version=version, split=split
    )
    return Dag(
        steps=[step],
        outputs={each: From("all", each) for each in outputs},
        inputs=inputs,
        name=name,
        tenant=tenant,
        deadline_s=deadline_s,
        priority=priority,
    )


def dag_message(dag: Dag) -> pb.Dag:
    """A DAG as it travels. Raises InvalidArgument."""
    return pb.Dag(
        name=dag.name,
        tenant=dag.tenant,
        steps=[_step(step) for step in dag.steps],
        inputs={name: _tensor(name, value) for name, value in dag.inputs.items()},
        outputs=[
            pb.DagOutput(name=name, sources=_sources(source))
            for name, source in dag.outputs.items()
        ],
        time_left_us=_us(check_deadline(dag.deadline_s)),
        priority=_class(dag.priority),
        keep_us=_us(dag.keep_s),
        attempts_max=dag.attempts_max or 0,
        labels=dag.labels,
    )


def _step(step: DagStep) -> pb.DagStep:
    split = step.split
    wanted = () if split is None else split.inputs
    for name in wanted:
        if name not in step.inputs:
            raise InvalidArgument(f"step {step.name!r}: split: it has no input {name!r}")
    return pb.DagStep(
        name=step.name,
        model=step.model,
        version=step.version,
        inputs=[_input(name, value, name in wanted) for name, value in step.inputs.items()],
        when=[_condition(step.name, when) for when in step.when],
        split=None if split is None else _split(step.name, split),
        priority=_class(step.priority),
        time_left_us=_us(check_deadline(step.deadline_s)),
    )


def _input(
    name: str,
    value: "From | Sequence[From] | TensorLike",
    split: bool,  # noqa: FBT001  (a fact beside others)
) -> pb.DagInput:
    if _is_source(value):
        return pb.DagInput(name=name, sources=_sources(value), split=split)
    return pb.DagInput(name=name, constant=_tensor(name, value), split=split)


def _is_source(value: object) -> bool:
    if isinstance(value, From):
        return True
    several = isinstance(value, list | tuple) and len(value) > 0
    return several and all(isinstance(each, From) for each in value)  # type: ignore[attr-defined]


def _sources(value: object) -> list[pb.DagSource]:
    sources = [value] if isinstance(value, From) else list(value)  # type: ignore[call-overload]
    return [pb.DagSource(step=each.step, tensor=each.tensor) for each in sources]


def _tensor(name: str, value: object) -> pb.Tensor:
    # numpy takes a quarter of a second to load, and most calls of operators need none of it.
    from hasten_client.codec import encode

    tensor = encode(name, value)  # type: ignore[arg-type]  # it says what it does not take
    return pb.Tensor(datatype=tensor.datatype, shape=tensor.shape, content=tensor.raw)


def _condition(step: str, when: When) -> pb.DagCondition:
    comparison = COMPARISONS.get(when.comparison)
    if comparison is None:
        raise InvalidArgument(
            f"step {step!r}: when: {when.comparison!r} is not one of {', '.join(COMPARISONS)}"
        )
    (source,) = _sources(when.source)
    return pb.DagCondition(source=source, comparison=comparison, value=when.value, every=when.every)


def _split(step: str, split: Split) -> pb.DagSplit:
    join = JOINS.get(split.join)
    if join is None:
        raise InvalidArgument(
            f"step {step!r}: join: {split.join!r} is not one of {', '.join(JOINS)}"
        )
    return pb.DagSplit(
        rows=split.rows,
        parts=split.parts,
        join=join,
        top_k=split.top_k,
        top_by=split.top_by,
        join_model=split.join_model,
        join_version=split.join_version,
        best_effort=split.best_effort,
    )


def _class(priority: str | int) -> int | None:
    """The class of a named priority or a level; None for the default."""
    level = priority_level(priority) if priority != "" else 0
    return level - 1 if level else None


def _us(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1e6))
