"""What the worker's machine is sent, and its backlog told from scratch."""

from math import inf

import hypothesis.strategies as st

from hasten_policy.load import ModelSpec
from hasten_policy.worker.machine import WorkerMachine
from tests.unit.policy_worker.harness import call as new_call
from tests.unit.policy_worker.harness import model, profile

MODELS = ("a/1", "b/1", "c/1")
LINKS = (0, 1, 2)
SIZES = (1, 40)
"""Elements per row of each shape."""


def opened(lie: float, batch_max: int, name: str, **changes: object) -> ModelSpec:
    """A model of 10 ms and 1 ms per row whose profile says `lie` times as much."""
    told = profile(lambda rows: lie * (0.010 + 0.001 * rows), batch_max)
    return model(name, batch_max=batch_max, profile=told, **changes)


specs = st.builds(
    opened,
    lie=st.sampled_from([0.001, 0.3, 1.0, 1.0, 1.0, 3.0, 1000.0]),
    name=st.sampled_from([key[0] for key in MODELS]),
    batch_max=st.sampled_from([1, 4, 8]),
    instances=st.integers(1, 3),
    queue_max=st.sampled_from([0, 3, 100]),
    default_timeout_s=st.sampled_from([0.0, 0.2]),
    run_s_max=st.sampled_from([0.5, inf]),
)

arrivals = st.builds(
    new_call,
    call_id=st.just(0),
    time_left_s=st.one_of(st.floats(0.0, 0.4), st.sampled_from([inf, -1.0, 2.0])),
    link_id=st.sampled_from(LINKS),
    model_key=st.sampled_from(MODELS),
    rows=st.integers(1, 9),
    shape_key=st.integers(0, 1),
    priority=st.integers(0, 3),
    payload_bytes=st.sampled_from([1, 300]),
)


def from_scratch_s(machine: WorkerMachine, now_s: float) -> float:
    """The backlog, with nothing that any part keeps of what it computed before."""
    total_s = machine._lanes.residuals_s(now_s)
    for queue in machine._batcher._active.values():
        model = queue.model
        curve = model.predictor._made(queue.size)
        factor = model.predictor._spread.factor(machine._policy.batching.target_quantile)
        room_s = model.slack_median_s - machine._batcher.margin.seconds
        target = max(1, curve.rows_within(room_s / (1.0 + 1.0 / machine._policy.lanes) / factor))
        rows = sum(call.rows for call in queue.calls)
        pieces = [rows]
        if queue.solo:
            pieces = [-(-rows // len(queue.calls))] * len(queue.calls)
        for piece in pieces:
            full, rest = divmod(piece, target)
            total_s += full * curve.seconds(target) + (curve.seconds(rest) if rest else 0.0)
    return total_s / machine._policy.lanes
