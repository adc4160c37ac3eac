"""What exact knowledge of a model's run times would answer in time, beside a real mesh."""

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from hasten_sim.points import Lasting, Point, scenario_at
from hasten_sim.workload import parse
from hasten_sim.yardstick import one_next_batch
from loadtest import computing, plain
from loadtest.yardstick import FILE

ROWS: Final = (1, 2, 4, 8, 16)
BATCH_MAX: Final = 32
LAG_MS: Final = 1.5
"""Between two batches, as seen of meshes on two cores."""
WAY_MS: Final = 0.2
SECONDS: Final = 20


def line_ms(models: Path, model: str, length: int) -> tuple[float, float]:
    """Milliseconds of a batch and of each row, by runs of onnxruntime alone on this machine."""
    session = plain.session_of(models / model / "1" / "model.onnx")
    took_ms = np.array(
        [1e3 * plain.cost_s(session, computing.inputs(model, length, rows=rows)) for rows in ROWS]
    )
    # By relative error: the runs of one row matter as much as those of sixteen.
    terms = np.array([[1.0, rows] for rows in ROWS]) / took_ms[:, None]
    (alpha, beta), *_ = np.linalg.lstsq(terms, np.ones(len(ROWS)), rcond=None)
    return max(0.0, float(alpha)), max(1e-6, float(beta))


def exact_per_s(line: tuple[float, float], deadline_ms: float, rate_per_s: float) -> float:
    """Answers in time a second of one lane that knows the line and admits by one next batch."""
    alpha, beta = line
    filled = partial(FILE.format, lag=LAG_MS, way=WAY_MS, batch_max=BATCH_MAX, seconds=SECONDS)
    source = Lasting(parse(filled(alpha=alpha, beta=beta, deadline=deadline_ms), "measured.toml"))
    # The load 1 is one request a second.
    return one_next_batch(scenario_at(source, Point(load=rate_per_s)), 1).goodput_per_s
