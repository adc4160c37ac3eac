"""DAGs for tests, and the metadata of their models."""

from typing import Any

from hasten_policy.scheduler.jobs.dag.plan import (
    Plan,
    Signature,
    Source,
    Step,
    StepInput,
    TensorSpec,
)

ROWS = TensorSpec("FP32", (-1, 4))
MODEL = Signature({"x": ROWS}, {"y": ROWS, "label": TensorSpec("INT64", (-1, 1))})
PAIR = Signature({"a": ROWS, "b": ROWS}, {"y": ROWS})
NARROW = Signature({"x": TensorSpec("FP32", (1, 3))}, {"y": TensorSpec("FP64", (1,))})
TEXT = Signature({"t": TensorSpec("BYTES", (-1,))}, {"t": TensorSpec("BYTES", (-1,))})
MODELS = {("m", ""): MODEL, ("pair", ""): PAIR, ("narrow", ""): NARROW, ("text", ""): TEXT}


def step(name: str, *before: str, **more: Any) -> Step:
    """A step of the model "m" whose input is the DAG's, or the output of a step; of two, "pair"."""
    sources = [Source(each, "y") if each else Source("", "x") for each in before or ("",)]
    if len(sources) > 1:
        inputs = tuple(
            StepInput(given, (source,)) for given, source in zip("ab", sources, strict=True)
        )
        return Step(name, "pair", inputs, **more)
    split = more.get("split") is not None
    return Step(name, "m", (StepInput("x", tuple(sources), split),), **more)


def plan(*steps: Step, outputs: tuple[str, ...] = ()) -> Plan:
    """A DAG whose outputs are those of its last step, or of those that are named."""
    named = outputs or (steps[-1].name,)
    return Plan(steps, {"x": ROWS}, {name: (Source(name, "y"),) for name in named})
