"""What a leader leaves to the next fits into the store."""

import pytest

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.stored_state_pb2 import StoredState
from hasten_autoscaler.book import STORED
from hasten_autoscaler.fitting import fitting
from hasten_plan.forecasting.foresight import KEPT
from hasten_policy.scaling.growth import KEPT as SAMPLES
from hasten_runtime.load_store import CHECKPOINT_BYTES_MAX

BECAUSE = pb.Because(
    kind="not_calm",
    workers=40,
    facts={"refused": 1.0, "late": 2.0, "window_s": 3.0, "queued": 4.0},
    sentence="none leaves while calls are refused (20000) or late (10000), " * 2,
)
DECISION = pb.Decision(number=10**6, at_s=1.8e9, desired=9, rule="hasten", reasons=[BECAUSE] * 5)


def state(decisions: int, machine: int = 8 * SAMPLES) -> StoredState:
    worker = pb.PoolWorker(worker_id="worker-with-a-name", stage="starting", since_s=1.5, busy=0.5)
    return StoredState(
        number=7,
        plan=pb.GetPlanResponse(pool="default", workers=[worker] * 64, last=DECISION),
        decisions=[DECISION] * decisions,
        machine="x" * machine,
        demand=[1.5] * KEPT,
    )


def test_a_usual_checkpoint_is_kept_whole() -> None:
    kept = StoredState.FromString(fitting(state(STORED)))
    assert (len(kept.decisions), len(kept.demand)) == (STORED, KEPT)


@pytest.mark.parametrize("machine", [8 * SAMPLES, 58_000])
def test_of_one_that_is_too_large_the_oldest_is_left_out(machine: int) -> None:
    value = fitting(state(500, machine))
    assert len(value) <= CHECKPOINT_BYTES_MAX
    kept = StoredState.FromString(value)
    assert (kept.number, len(kept.machine)) == (7, machine)
    assert len(kept.decisions) < 500
