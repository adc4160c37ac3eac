"""The last thing that is tried of a model: inputs at the ends of what their types hold.

Some callers will send them, by mistake or not. A model that fails for them is none the worse; what
ends its process for them, or does not stop, its owner should know before callers find out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Any, Final

import ml_dtypes
import numpy as np
import onnxruntime as ort

from hasten_worker.engine.config.complete import complete_config
from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.onnx.datatypes import ElementType
from hasten_worker.engine.onnx.runner import OnnxRunner
from hasten_worker.engine.onnx.session import TENSORRT
from hasten_worker.engine.onnx.watchdog import Watchdog
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.trial.budget import Budget
from hasten_worker.engine.trial.free_sizes import Frame, frames
from hasten_worker.engine.trial.generated import check_size
from hasten_worker.engine.trial.task import Task
from hasten_worker.model import Array, ModelError

RUN_S_MAX: Final = 1.0
LEAST, GREATEST, NAN = "least", "greatest", "nan"
Value = int | str
CASES: Final[tuple[tuple[str, tuple[Value, ...]], ...]] = (
    ("zeros", (0,)),
    ("ones", (1,)),
    ("minus one everywhere", (-1,)),
    ("the least number everywhere", (LEAST,)),
    ("the greatest number everywhere", (GREATEST,)),
    ("NaN everywhere", (NAN,)),
    ("the least number in one input and minus one in the next", (LEAST, -1)),
    ("minus one in one input and the least number in the next", (-1, LEAST)),
    ("nothing in its free dimensions", ()),
)
"""What is tried, in words, and the elements of the inputs in turn; none for empty inputs."""


def try_extremes(
    session: ort.InferenceSession,
    task: Task,
    facts: ModelFacts,
    begins: Callable[[int], None],
    first: int = 0,
) -> ModelFacts:
    """Runs the cases from the first one on; the facts with a note for each that does not stop.

    Args:
        session: Of the model.
        task: What was asked.
        facts: What was found.
        begins: Told the number of each case before it is run: the process may end of it.
        first: Number of the first case.
    """
    config = complete_config(task.written, facts, batch_max_default=task.batch_max_default)
    runner = OnnxRunner(session, task.plan, config)
    inputs = frames(config, facts.inputs)
    budget, run_s_max = Budget(task.search_s), min(RUN_S_MAX, task.run_s_max)
    notes: list[str] = []
    with Watchdog(Event()) as watchdog:
        for number, (words, values) in list(enumerate(CASES))[first:]:
            member = _member(inputs, facts.sizes[0], values, batches=config.max_batch_size > 0)
            if member is None or not budget.left():
                continue
            begins(number)
            run = runner.new_run()
            watchdog.guard(run, run_s_max)
            try:
                run.execute([member], 1)
            except ModelError as error:
                if error.terminated and not number:
                    # A model that is as slow with zeros is slow, whatever it is given.
                    break
                if error.terminated:
                    notes.append(f"with {words} a run did not end within {run_s_max:g} s")
            finally:
                watchdog.ended()
    return replace(facts, notes=(*facts.notes, *notes))


def worth_trying(task: Task, facts: ModelFacts) -> bool:
    """It ran, and does not need an engine of its own for each shape."""
    compiled = any(name == TENSORRT for name, _ in task.plan.providers)
    return bool(facts.sizes) and task.warm_up and not compiled


def _member(
    inputs: Sequence[Frame], sizes: Mapping[str, int], values: Sequence[Value], *, batches: bool
) -> dict[str, Array] | None:
    """Inputs of one row; None when the case says nothing of this model."""
    if not values:
        if not sizes:
            return None
        sizes = dict.fromkeys(sizes, 0)
    if len(values) > len(inputs):
        return None
    member: dict[str, Array] = {}
    try:
        for place, frame in enumerate(inputs):
            shape = (*((1,) if batches else ()), *frame.shape(sizes))
            check_size(frame.plan.name, frame.element, shape)
            value = values[place % len(values)] if values else 0
            member[frame.plan.name] = np.full(
                shape, _element(frame.element, value), frame.element.dtype
            )
    except ModelRefused:
        return None
    return member


def _element(element: ElementType, value: Value) -> Any:  # noqa: ANN401  (of the input's type)
    if element.name == "BYTES":
        return {LEAST: b"", GREATEST: b"\xf4\x8f\xbf\xbf" * 256}.get(
            str(value), str(value).encode()
        )
    kind = element.dtype.kind
    if kind == "b":
        return np.bool_(value not in {0, LEAST})
    whole = kind in "iu"
    limits: Any = (np.iinfo if whole else ml_dtypes.finfo)(element.dtype)
    ends: dict[Value, Any] = {LEAST: limits.min, GREATEST: limits.max, NAN: 0 if whole else np.nan}
    if kind == "u" and value == -1:
        value = GREATEST
    return ends.get(value, value)
