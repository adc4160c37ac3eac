"""How a model's onnxruntime session is set up, and opening it.

The same plan is used by the child process that tries the model and by the worker, so what
passed there is what runs here.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import onnxruntime as ort

from hasten_worker.engine.refusal import ModelRefused

LOG_SILENT: Final = 4
"""onnxruntime's level "fatal": errors come back as exceptions and need no second voice."""
CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
TENSORRT: Final = "TensorrtExecutionProvider"
_LEVELS: Final = {
    -1: ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """Settings of one session.

    Attributes:
        providers: onnxruntime's execution providers and their options, best first.
        device: "cpu" or "cuda": where inputs and outputs live.
        device_id: Which GPU.
        intra_op_threads: Threads within one operator.
        inter_op_threads: Threads across operators; 0 for onnxruntime's choice.
        parallel: Run independent branches of the graph at once.
        mem_arena: Keep freed memory for later runs.
        mem_pattern: Plan the memory of a run ahead.
        graph_level: As `optimization.graph.level`: -1 basic, 1 extended, 2 none, else all.
    """

    providers: tuple[tuple[str, Mapping[str, str]], ...]
    device: str = "cpu"
    device_id: int = 0
    intra_op_threads: int = 1
    inter_op_threads: int = 0
    parallel: bool = False
    mem_arena: bool = True
    mem_pattern: bool = True
    graph_level: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "SessionPlan":
        """The inverse of `to_json`, after a trip through JSON."""
        providers = tuple((name, dict(options)) for name, options in value["providers"])
        return SessionPlan(**{**value, "providers": providers})


def session_options(plan: SessionPlan) -> ort.SessionOptions:
    """Options for the plan."""
    options = ort.SessionOptions()
    options.log_severity_level = LOG_SILENT
    options.intra_op_num_threads = plan.intra_op_threads
    options.inter_op_num_threads = plan.inter_op_threads
    options.execution_mode = (
        ort.ExecutionMode.ORT_PARALLEL if plan.parallel else ort.ExecutionMode.ORT_SEQUENTIAL
    )
    options.graph_optimization_level = _LEVELS.get(
        plan.graph_level, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    )
    options.enable_cpu_mem_arena = plan.mem_arena
    options.enable_mem_pattern = plan.mem_pattern
    # A spinning thread takes the core that another lane or the event loop needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def open_session(
    path: Path, plan: SessionPlan, options: ort.SessionOptions | None = None
) -> ort.InferenceSession:
    """Opens the model file.

    By path, not by content: onnxruntime holds Python's lock while it parses content, which
    stops the event loop for a tenth of a second and more.

    Args:
        path: The model file, in a folder that nobody else changes.
        plan: How.
        options: From `session_options(plan)`, when the caller wants to be able to cancel.

    Raises:
        ModelRefused: onnxruntime does not take it; the sentence is its own.
    """
    names = [name for name, _ in plan.providers]
    settings = [dict(chosen) for _, chosen in plan.providers]
    try:
        session = ort.InferenceSession(
            str(path),
            options if options is not None else session_options(plan),
            providers=names,
            provider_options=settings,
        )
    except Exception as error:  # noqa: BLE001  (a binding: any type may come)
        raise ModelRefused(f"onnxruntime refused the model: {clean_message(error, path)}") from None
    # Falling back to another provider in silence would hide a dead GPU.
    session.disable_fallback()
    return session


def clean_message(error: BaseException, path: Path | None = None) -> str:
    """The message on one line, without its frame and without our folder's name."""
    text = " ".join(str(error).split()) or type(error).__name__
    if text.startswith("[ONNXRuntimeError] : "):
        text = text.split(" : ", 3)[-1]
    if path is not None:
        text = text.replace(str(path), path.name).replace(str(path.parent), ".")
    return text[:500]
