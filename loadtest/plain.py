"""onnxruntime alone, with the settings that a worker on this machine gives it."""

import statistics
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from hasten_worker.engine.onnx.session import CPU, SessionPlan, open_session
from hasten_worker.engine.settings import cores_available
from hasten_worker.settings import WorkerSettings

RUNS: Final = 15
RUN_S_MAX: Final = 3.0
"""For all timed runs: a slow model is run less often."""

Array = np.ndarray[Any, Any]


def session_of(path: Path) -> ort.InferenceSession:
    """Opens a model file for the CPU.

    Raises:
        ModelRefused: onnxruntime does not take it.
    """
    lanes = WorkerSettings.model_construct().lane_count()
    threads = max(1, cores_available() // lanes)
    return open_session(path, SessionPlan(((CPU, {}),), intra_op_threads=threads))


def cost_s(session: ort.InferenceSession, inputs: dict[str, Array]) -> float:
    """Median seconds of a run."""
    took_s: list[float] = []
    end_s = time.monotonic() + RUN_S_MAX
    session.run(None, inputs)
    while len(took_s) < RUNS and (not took_s or time.monotonic() < end_s):
        begin_s = time.perf_counter()
        session.run(None, inputs)
        took_s.append(time.perf_counter() - begin_s)
    return statistics.median(took_s)


def outputs_of(session: ort.InferenceSession, inputs: dict[str, Array]) -> dict[str, Array]:
    """The outputs by name."""
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
