"""Calls without a deadline in the lowest class, as tasks are: what others see of them."""

from hasten_policy.batching import BatchingPolicy
from hasten_policy.priorities import LOWEST
from hasten_policy.worker.events import BatchEnded
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import call, model, profile, starts, worker


def test_a_batch_of_guests_is_short_while_calls_come() -> None:
    """A call that comes while they run waits for the end of the run."""
    pretended = worker(
        model(profile=profile(lambda rows: 0.001 * rows, 32)),
        policy=WorkerPolicy(batching=BatchingPolicy(guest_run_s=0.004)),
    )
    pretended.send(call(1, 0.05))
    for call_id in range(2, 34):
        pretended.send(call(call_id, priority=LOWEST))
    [batch] = starts(pretended.send(BatchEnded(1, 0.001)))
    assert 2 <= batch.rows <= 4
    [batch] = starts(pretended.send(BatchEnded(2, 0.001 * batch.rows)))
    assert 2 <= batch.rows <= 4
    pretended.now_s += 2.0
    [batch] = starts(pretended.send(BatchEnded(3, 0.001 * batch.rows)))
    assert batch.rows > 4, "nobody has called for long"


def test_a_guest_that_takes_long_runs_alone_beside_calls() -> None:
    pretended = worker(policy=WorkerPolicy(batching=BatchingPolicy(guest_run_s=0.004)))
    pretended.send(call(1, 0.5))
    for call_id in range(2, 6):
        pretended.send(call(call_id, priority=LOWEST))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert batch.rows == 1
