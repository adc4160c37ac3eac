"""Which of several models goes first."""

from hasten_policy.machines.worker_events import BatchEnded
from tests.unit.policy_worker.harness import call, model, starts, worker


def test_of_two_models_with_single_calls_the_one_that_is_due_first_goes_first() -> None:
    slow = model("slow", batch_max=1, profile=((1, 0.5),) * 3)
    quick = model("quick", batch_max=1, profile=((1, 0.01),) * 3)
    pretended = worker(quick, slow, model(batch_max=1))
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 0.6, model_key="quick/1"))
    pretended.send(call(3, 0.9, model_key="slow/1"))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert batch.call_ids == (2,), "though the slow one has less laxity"


def test_a_full_batch_goes_before_a_call_that_is_due_a_little_earlier() -> None:
    profile = ((1, 0.01),) * 3 + ((8, 0.08),) * 3
    pretended = worker(*(model(name, batch_max=8, profile=profile) for name in "ab"))
    pretended.send(call(1, 5.0, model_key="a/1"))
    pretended.send(call(2, 0.96, model_key="a/1"))
    for call_id in range(3, 11):
        pretended.send(call(call_id, 1.0, model_key="b/1"))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.model_key == "b/1"


def test_models_that_are_due_alike_share_the_lane() -> None:
    specs = [model(name, batch_max=1, profile=((1, 0.01),) * 3) for name in "ab"]
    pretended = worker(*specs, run_s=lambda _key, _rows: 0.01)
    for index in range(40):
        pretended.send(call(2 * index + 1, model_key="a/1"))
        pretended.send(call(2 * index + 2, model_key="b/1"))
    pretended.run(until_s=0.2)
    served = [batch.model_key for _, batch in pretended.batches]
    assert abs(served.count("a/1") - served.count("b/1")) <= 1
