"""Calls with a reservation: nothing without one goes before them, and no rule leaves them out."""

import pytest

from hasten_policy.worker.events import BatchEnded
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import call, model, starts, worker


def singles(**runs_s: float) -> list[object]:
    return [
        model(name, batch_max=1, profile=((1, 1, run_s),) * 10) for name, run_s in runs_s.items()
    ]


@pytest.mark.parametrize("reserved_s", [0.2, 1.0])
def test_it_goes_first_though_others_are_due_sooner(reserved_s: float) -> None:
    pretended = worker(*singles(first=0.01, called=0.01, hard=0.02))  # type: ignore[arg-type]  # a test's shorthand
    pretended.send(call(1, 5.0, model_key="first/1"))
    for call_id in range(2, 6):
        pretended.send(call(call_id, 0.15, model_key="called/1"))
    pretended.send(call(9, reserved_s, model_key="hard/1", reserved_s=reserved_s))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.call_ids == (9,)


def test_of_two_the_one_with_the_shorter_deadline_goes_first_however_long_it_waits() -> None:
    pretended = worker(*singles(first=0.01, a=0.01, b=0.01))  # type: ignore[arg-type]  # as above
    pretended.send(call(1, 5.0, model_key="first/1"))
    # The one that came earlier is due sooner now; the test of its reservation counts on ranks.
    pretended.send(call(2, 0.05, model_key="a/1", reserved_s=0.4))
    pretended.send(call(3, 0.2, model_key="b/1", reserved_s=0.2))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.call_ids == (3,)


def test_it_is_not_left_out_for_the_sake_of_cheaper_calls() -> None:
    exact = WorkerPolicy(finish_margin_s=0.0, refuse_hopeless=False)
    specs = singles(first=0.01, hard=0.1, short=0.02)
    pretended = worker(*specs, policy=exact)  # type: ignore[arg-type]  # as above
    pretended.send(call(1, 5.0, model_key="first/1"))
    pretended.send(call(2, 0.13, model_key="hard/1", reserved_s=0.13))
    pretended.send(call(3, 0.135, model_key="short/1"))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.call_ids == (2,), "without a reservation the short one would go first"


def test_it_waits_for_no_company() -> None:
    pretended = worker(model(batch_max=8, queue_delay_max_s=1.0, preferred_sizes=(8,)))
    [batch] = starts(pretended.send(call(1, 5.0, reserved_s=0.5)))
    assert batch.call_ids == (1,)
