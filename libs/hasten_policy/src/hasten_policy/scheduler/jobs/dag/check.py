"""Whether a DAG can be run: names, circles, types and shapes, against the models' metadata."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.inheritance import inherited
from hasten_policy.scheduler.jobs.dag.plan import (
    PARTS_MAX,
    STEPS_MAX,
    How,
    Join,
    Plan,
    Signature,
    Source,
    Split,
    Step,
    StepInput,
    TensorSpec,
    in_order,
)
from hasten_policy.short import short

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
NAME_MEANS: Final = "1 to 32 letters, digits, dots, hyphens and underscores"
Models = Mapping[tuple[str, str], Signature]
"""By name and version."""
_FLOATS: Final = frozenset({"FP16", "FP32", "FP64"})
_NUMBERS: Final = _FLOATS | {
    "BOOL",
    *(f"{kind}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)),
}


def check_graph(plan: Plan) -> Refusal | None:
    """What is wrong with a DAG whatever its models are; None for nothing."""
    return next(_names(plan), None) or next(_circles(plan), None)


def check(plan: Plan, models: Models) -> Refusal | None:
    """Why a DAG cannot be run, the first thing that is wrong with it; None when it can.

    Args:
        plan: One of which `check_graph` finds nothing wrong.
        models: Every model that a step names.
    """
    return next(_Check(plan, models).faults(), None)


def check_time(plan: Plan, left_s: float) -> Refusal | None:
    """The step that cannot be in time even if nothing waits, for itself or for what is behind it.

    Args:
        plan: One that can be run.
        left_s: Seconds until the DAG's deadline.
    """
    dues = inherited(plan, created_s=0.0, due_s=left_s)
    for step in plan.steps:
        due_s = dues.due_s(step.name)
        if due_s < step.predicted_s:
            message = (
                f"step {step.name!r} takes about {step.predicted_s:.3g} s, and would have to end "
                f"after {max(due_s, 0.0):.3g} s for what waits for it"
            )
            return _wrong(Reason.DEADLINE_INFEASIBLE, message, step.name)
    return None


def _wrong(reason: Reason, message: str, step: str = "") -> Refusal:
    return Refusal(reason, message, metadata=(("step", step),) if step else ())


def _names(plan: Plan) -> Iterator[Refusal]:
    invalid = Reason.INVALID_REQUEST
    if not 1 <= len(plan.steps) <= STEPS_MAX:
        yield _wrong(invalid, f"steps must be 1 to {STEPS_MAX}, not {len(plan.steps)}")
    if not plan.outputs:
        yield _wrong(invalid, "outputs must name at least one output")
    seen: set[str] = set()
    for step in plan.steps:
        if not NAME.fullmatch(step.name):
            yield _wrong(invalid, f"a step's name must be {NAME_MEANS}, not {short(step.name)!r}")
        if step.name in seen:
            yield _wrong(invalid, f"two steps are named {step.name!r}", step.name)
        seen.add(step.name)
    for who, name in _needs(plan):
        if name not in seen:
            yield _wrong(invalid, f"{who} needs {short(name)!r}, which is no step")


def _circles(plan: Plan) -> Iterator[Refusal]:
    _, circle = in_order(plan)
    if circle:
        path = " -> ".join([*circle, circle[0]])
        yield _wrong(Reason.DAG_CYCLE, f"steps wait for each other: {path}", circle[0])


def _needs(plan: Plan) -> list[tuple[str, str]]:
    """Who names which step."""
    needs = [(f"step {step.name!r}", name) for step in plan.steps for name in step.before()]
    return needs + [("an output", source.step) for each in plan.outputs.values() for source in each]


class _Check:
    """Checks a DAG of which `check_graph` finds nothing wrong."""

    def __init__(self, plan: Plan, models: Models) -> None:
        self._plan = plan
        self._models = models
        self._given: dict[str, dict[str, TensorSpec]] = {"": dict(plan.inputs)}
        wanted = [source for sources in plan.outputs.values() for source in sources]
        for step in plan.steps:
            wanted += [source for each in step.inputs for source in each.sources]
            wanted += [condition.source for condition in step.when]
        self._wanted = {(source.step, source.tensor) for source in wanted}

    def faults(self) -> Iterator[Refusal]:
        order, _ = in_order(self._plan)
        steps = {step.name: step for step in self._plan.steps}
        for name in order:
            yield from self._step(steps[name])
        for name, sources in self._plan.outputs.items():
            for source in sources:
                if self._spec(source) is None:
                    yield self._no_tensor(source, f"output {short(name)!r}")

    def _spec(self, source: Source) -> TensorSpec | None:
        return self._given[source.step].get(source.tensor)

    def _no_tensor(self, source: Source, who: str) -> Refusal:
        given = ", ".join(sorted(self._given[source.step])) or "none"
        whose = f"step {source.step!r} gives" if source.step else "the DAG is given"
        message = f"{who} needs {short(source.tensor)!r}, but {whose} {given}"
        return _wrong(Reason.OUTPUT_UNKNOWN, message, source.step)

    def _step(self, step: Step) -> Iterator[Refusal]:
        model = self._models[step.model, step.version]
        yield from _inputs(step, model)
        for each in step.inputs:
            for source in each.sources:
                yield from self._source(step, each, source, model.inputs[each.name])
        for condition in step.when:
            yield from self._condition(step, condition.source)
        self._given[step.name] = model.outputs
        if step.split is not None:
            yield from self._split(step, step.split, model)

    def _source(
        self, step: Step, given: StepInput, source: Source, takes: TensorSpec
    ) -> Iterator[Refusal]:
        name = given.name
        gives = self._spec(source)
        if gives is None:
            yield self._no_tensor(source, f"step {step.name!r}")
            return
        told = f"step {step.name!r}: {step.model}'s input {name!r} is {_text(takes)}, not "
        if gives.datatype != takes.datatype:
            yield _wrong(Reason.DTYPE_MISMATCH, told + _text(gives), step.name)
        if given.split and step.split:
            rows = gives.shape[0] if gives.shape else -1
            if gives.shape == ():
                message = f"step {step.name!r}: input {name!r} has no rows to split"
                yield _wrong(Reason.SHAPE_MISMATCH, message, step.name)
            if rows > 0 and step.split.count(rows) > PARTS_MAX:
                message = f"step {step.name!r} would have more than {PARTS_MAX} parts"
                yield _wrong(Reason.BATCH_TOO_LARGE, message, step.name)
            each = step.split.rows or -1
            gives = TensorSpec(gives.datatype, gives.shape and (each, *gives.shape[1:]))
        if not _fits(gives.shape, takes.shape):
            yield _wrong(Reason.SHAPE_MISMATCH, told + _text(gives), step.name)

    def _condition(self, step: Step, source: Source) -> Iterator[Refusal]:
        gives = self._spec(source)
        if gives is None:
            yield self._no_tensor(source, f"a condition of step {step.name!r}")
        elif gives.datatype not in _NUMBERS:
            told = f"a condition of step {step.name!r} compares {source.tensor!r}"
            message = f"{told}, which is {gives.datatype}: no numbers"
            yield _wrong(Reason.DTYPE_MISMATCH, message, step.name)

    def _split(self, step: Step, split: Split, model: Signature) -> Iterator[Refusal]:
        if not any(each.split for each in step.inputs):
            message = f"step {step.name!r} is split, but none of its inputs is"
            yield _wrong(Reason.INVALID_REQUEST, message, step.name)
        yield from self._join(step, split.join, model)

    def _join(self, step: Step, join: Join, model: Signature) -> Iterator[Refusal]:
        outputs = model.outputs
        if join.how is How.MODEL:
            reducer = self._models[join.model, join.version]
            yield from _reduces(step, join, outputs, reducer)
            self._given[step.name] = reducer.outputs
            return
        if join.how is How.TOP_K:
            if join.k < 1:
                message = f"step {step.name!r}: top_k needs a k of at least 1"
                yield _wrong(Reason.INVALID_REQUEST, message, step.name)
            by = outputs.get(join.by)
            if by is None or by.datatype not in _NUMBERS:
                message = f"step {step.name!r}: {short(join.by)!r} is no output to order rows by"
                yield _wrong(Reason.OUTPUT_UNKNOWN, message, step.name)
        for name, spec in outputs.items():
            if (step.name, name) in self._wanted:
                yield from _joinable(step, join.how, name, spec)
        rows = 1 if join.how in {How.MEAN, How.VOTE} else -1
        self._given[step.name] = {
            name: TensorSpec(spec.datatype, spec.shape and (rows, *spec.shape[1:]))
            for name, spec in outputs.items()
        }


def _inputs(step: Step, model: Signature) -> Iterator[Refusal]:
    named = [each.name for each in step.inputs]
    for each in step.inputs:
        if each.name not in model.inputs:
            has = ", ".join(sorted(model.inputs))
            message = f"step {step.name!r}: {step.model} has inputs {has}, not {short(each.name)!r}"
            yield _wrong(Reason.INPUT_UNKNOWN, message, step.name)
        if named.count(each.name) > 1:
            message = f"step {step.name!r}: input {each.name!r} is given twice"
            yield _wrong(Reason.INVALID_REQUEST, message, step.name)
        if not each.sources:
            message = f"step {step.name!r}: input {each.name!r} has no source"
            yield _wrong(Reason.INPUT_MISSING, message, step.name)
    for name in model.inputs:
        if name not in named:
            message = f"step {step.name!r} does not give {step.model}'s input {name!r}"
            yield _wrong(Reason.INPUT_MISSING, message, step.name)


def _joinable(step: Step, how: How, name: str, spec: TensorSpec) -> Iterator[Refusal]:
    is_float = spec.datatype in _FLOATS
    if (how is How.MEAN and not is_float) or (how is How.VOTE and is_float):
        message = f"step {step.name!r}: output {name!r} is {spec.datatype}; no {how.value} of that"
        yield _wrong(Reason.DTYPE_MISMATCH, message, step.name)
    if spec.shape == ():
        message = f"step {step.name!r}: output {name!r} has no rows to join"
        yield _wrong(Reason.SHAPE_MISMATCH, message, step.name)


def _reduces(
    step: Step, join: Join, outputs: Mapping[str, TensorSpec], reducer: Signature
) -> Iterator[Refusal]:
    for name, takes in reducer.inputs.items():
        gives = outputs.get(name)
        told = f"step {step.name!r}: its joining model {join.model} takes {name!r}"
        if gives is None:
            has = ", ".join(sorted(outputs))
            yield _wrong(Reason.INPUT_MISSING, f"{told}, but the parts give {has}", step.name)
        elif gives.datatype != takes.datatype:
            message = f"{told} as {_text(takes)}, not {_text(gives)}"
            yield _wrong(Reason.DTYPE_MISMATCH, message, step.name)
        elif not _fits(gives.shape and (-1, *gives.shape[1:]), takes.shape):
            message = f"{told} as {_text(takes)}, not {_text(gives)}"
            yield _wrong(Reason.SHAPE_MISMATCH, message, step.name)


def _fits(gives: tuple[int, ...] | None, takes: tuple[int, ...] | None) -> bool:
    if gives is None or takes is None:
        return True
    return len(gives) == len(takes) and all(
        one == other or -1 in {one, other} for one, other in zip(gives, takes, strict=True)
    )


def _text(spec: TensorSpec) -> str:
    return f"{spec.datatype} {list(spec.shape) if spec.shape is not None else 'of any shape'}"
