"""The examination of one model file; runs in a process that may die of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from threading import Timer
from typing import Any, Final

import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine import samples
from hasten_worker.engine.config_complete import complete_config
from hasten_worker.engine.external_data import check_graph
from hasten_worker.engine.facts import ModelFacts, TensorFacts
from hasten_worker.engine.intake_task import Task
from hasten_worker.engine.onnx_runner import OnnxRunner, run_options
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.session import open_session
from hasten_worker.model import Array, ModelError

FILE_BYTES_MAX: Final = 2**31 - 1
"""protobuf takes no larger message; larger models keep their weights in external data."""
_SHAPE_MISSING: Final = "Field 'shape' of 'type' is required but missing"


class RunTooLong(ModelRefused):
    """Another input will not make it faster."""


def examine(task: Task, stage: Callable[[str], None]) -> ModelFacts:
    """Checks the file, opens it, runs it once.

    Args:
        task: What to examine.
        stage: Told what begins now, so that a death has a place.

    Raises:
        ModelRefused: It is not to be used.
    """
    path = task.folder / task.version / task.file_name
    stage("checking the file")
    shapeless = _check_file(path)
    stage("opening the session")
    before_bytes = _resident_bytes()
    session = open_session(path, task.plan)
    facts = session_facts(session, shapeless)
    config = complete_config(task.written, facts, batch_max_default=task.batch_max_default)
    runner = OnnxRunner(session, task.plan, config)
    fill = 0
    if task.warm_up:
        stage("running it for the first time")
        fill = _first_run(task, config, runner)
    grown_bytes = max(0, _resident_bytes() - before_bytes)
    size_bytes = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
    return replace(facts, memory_bytes=max(grown_bytes, size_bytes), fill=fill)


def session_facts(session: ort.InferenceSession, shapeless: AbstractSet[str]) -> ModelFacts:
    """What the session says of its inputs and outputs.

    Args:
        session: Open.
        shapeless: Those without a shape in the file, which onnxruntime cannot tell from
            scalars unless it has inferred their shape.
    """

    def tensor(node: Any, *, optional: bool = False) -> TensorFacts:  # noqa: ANN401  (a binding)
        dims: tuple[int, ...] | None
        dims = tuple(size if isinstance(size, int) else -1 for size in node.shape)
        if not dims and node.name in shapeless:
            dims = None
        return TensorFacts(node.name, node.type, dims, optional)

    return ModelFacts(
        inputs=(
            *(tensor(node) for node in session.get_inputs()),
            *(tensor(node, optional=True) for node in session.get_overridable_initializers()),
        ),
        outputs=tuple(tensor(node) for node in session.get_outputs()),
        memory_bytes=0,
    )


def _check_file(path: Path) -> frozenset[str]:
    """Checks the file; names of the inputs and outputs for which it says no shape."""
    if not path.is_file():
        raise ModelRefused(f"there is no file {path.name!r} in the version's folder")
    size_bytes = path.stat().st_size
    if size_bytes > FILE_BYTES_MAX:
        raise ModelRefused(f"{path.name} has {size_bytes} bytes, more than an ONNX file can have")
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        raise ModelRefused(f"{path.name} is not an ONNX file: it cannot be parsed") from None
    check_graph(model, path.parent)
    shapeless = frozenset(
        value.name
        for value in (*model.graph.input, *model.graph.output)
        if not value.type.tensor_type.HasField("shape")
    )
    del model
    try:
        # By path, so that external data are checked too.
        onnx.checker.check_model(str(path))
    except Exception as error:  # noqa: BLE001  (a binding: any type may come)
        text = " ".join(str(error).split())[:400].replace(str(path), path.name)
        # Some exporters leave shapes out; onnxruntime does without, and so does the
        # configuration when it lists them.
        if not (shapeless and _SHAPE_MISSING in text):
            raise ModelRefused(f"{path.name} is not a valid ONNX model: {text}") from None
    return shapeless


def _first_run(task: Task, config: ModelConfig, runner: OnnxRunner) -> int:
    """Runs the configuration's samples, else generated inputs; the fill that worked."""
    given = samples.from_config(config, task.folder)
    for sample in given:
        _run_members(task, runner, [sample.inputs], sample.rows, f"warm-up sample {sample.name!r}")
    if given:
        return 0
    try:
        _run_generated(task, config, runner, 0)
    except RunTooLong:
        raise
    except ModelRefused:
        # Zeros may be outside of what the model can take: a length, a divisor.
        _run_generated(task, config, runner, 1)
        return 1
    return 0


def _run_generated(task: Task, config: ModelConfig, runner: OnnxRunner, fill: int) -> None:
    row = samples.generated(config, 1, fill=fill)
    what = f"a run of one row of generated inputs (all {fill})"
    _run_members(task, runner, [row], 1, what)
    if config.max_batch_size > 1:
        what = f"a run of two rows of generated inputs (all {fill})"
        _run_members(task, runner, [row, row], 2, what)


def _run_members(
    task: Task,
    runner: OnnxRunner,
    members: Sequence[Mapping[str, Array]],
    rows: int,
    what: str,
) -> None:
    options = run_options()

    def stop() -> None:
        options.terminate = True

    watchdog = Timer(task.run_s_max, stop)
    watchdog.daemon = True
    watchdog.start()
    try:
        runner.run(members, rows, options)
    except ModelError as error:
        if error.terminated:
            raise RunTooLong(f"{what} did not end within {task.run_s_max:g} s") from None
        raise ModelRefused(
            f"{what} failed: {error}; if the model needs other inputs, give a sample in "
            "model_warmup, or set the parameter hasten.warm_up to off"
        ) from None
    finally:
        watchdog.cancel()


def _resident_bytes() -> int:
    """Memory of this process that is not a copy of a file: libraries do not count."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
