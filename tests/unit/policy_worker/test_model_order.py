"""Which of several models goes first."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.batching.candidate import Candidate, first_kept
from hasten_policy.batching.edf_queue import EdfQueue, WaitingCall
from hasten_policy.batching.margin import Margin
from hasten_policy.batching.model_state import ModelState
from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.worker.events import BatchEnded
from hasten_policy.worker.policy import WorkerPolicy
from hasten_sim.optimum import Job, most_on_time
from tests.unit.policy_worker.harness import call, model, starts, worker


def test_of_two_models_with_single_calls_the_one_that_is_due_first_goes_first() -> None:
    slow = model("slow", batch_max=1, profile=((1, 1, 0.5),) * 3)
    quick = model("quick", batch_max=1, profile=((1, 1, 0.01),) * 3)
    pretended = worker(quick, slow, model(batch_max=1))
    pretended.send(call(1, 5.0))
    pretended.send(call(2, 0.6, model_key="quick/1"))
    pretended.send(call(3, 0.9, model_key="slow/1"))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert batch.call_ids == (2,), "though the slow one has less laxity"


def test_a_full_batch_goes_before_a_call_that_is_due_a_little_earlier() -> None:
    profile = ((1, 1, 0.01),) * 3 + ((8, 8, 0.08),) * 3
    pretended = worker(*(model(name, batch_max=8, profile=profile) for name in "ab"))
    pretended.send(call(1, 5.0, model_key="a/1"))
    pretended.send(call(2, 0.96, model_key="a/1"))
    for call_id in range(3, 11):
        pretended.send(call(call_id, 1.0, model_key="b/1"))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.model_key == "b/1"


def test_models_that_are_due_alike_share_the_lane() -> None:
    specs = [model(name, batch_max=1, profile=((1, 1, 0.01),) * 3) for name in "ab"]
    pretended = worker(*specs, run_s=lambda _key, _rows: 0.01)
    for index in range(40):
        pretended.send(call(2 * index + 1, model_key="a/1"))
        pretended.send(call(2 * index + 2, model_key="b/1"))
    pretended.run(until_s=0.2)
    served = [batch.model_key for _, batch in pretended.batches]
    assert abs(served.count("a/1") - served.count("b/1")) <= 1


# --- when not all can make it -------------------------------------------------------------

EXACT = WorkerPolicy(finish_margin_s=0.0, refuse_hopeless=False)


def singles(**runs_s: float) -> list[object]:
    return [
        model(name, batch_max=1, profile=((1, 1, run_s),) * 10) for name, run_s in runs_s.items()
    ]


def test_a_long_run_gives_way_when_it_would_make_another_late() -> None:
    pretended = worker(*singles(first=0.01, long=0.1, short=0.02), policy=EXACT)  # type: ignore[arg-type]
    pretended.send(call(1, 5.0, model_key="first/1"))
    pretended.send(call(2, 0.13, model_key="long/1"))
    pretended.send(call(3, 0.135, model_key="short/1"))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.call_ids == (3,), "of the two only one can be in time, and it is cheaper"


def test_a_long_run_goes_first_when_both_can_be_in_time() -> None:
    pretended = worker(*singles(first=0.01, long=0.1, short=0.02), policy=EXACT)  # type: ignore[arg-type]
    pretended.send(call(1, 5.0, model_key="first/1"))
    pretended.send(call(2, 0.13, model_key="long/1"))
    pretended.send(call(3, 0.2, model_key="short/1"))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.call_ids == (2,)


def test_a_more_urgent_class_never_gives_way_to_a_less_urgent_one() -> None:
    pretended = worker(*singles(first=0.01, long=0.1, short=0.02), policy=EXACT)  # type: ignore[arg-type]
    pretended.send(call(1, 5.0, model_key="first/1"))
    pretended.send(call(2, 0.13, model_key="long/1", priority=0))
    pretended.send(call(3, 0.135, model_key="short/1", priority=3))
    [batch] = starts(pretended.send(BatchEnded(1, 0.01)))
    assert batch.call_ids == (2,)


jobs = st.lists(st.tuples(st.floats(0.005, 0.05), st.floats(1.0, 6.0)), min_size=1, max_size=7)


def candidates(found: list[tuple[float, float]], ages: list[bool]) -> list[Candidate]:
    """Single calls of a model each, with so many seconds to run, due after as many runs; those of
    `ages` have no deadline and are due, for the order, after that time.
    """
    made = []
    for number, ((run_s, slack), aged) in enumerate(zip(found, ages, strict=True)):
        spec = model(f"m{number}", batch_max=1, profile=((1, 1, run_s),) * 10)
        state = ModelState(spec, PredictionPolicy(), BatchingPolicy(), lanes=1, margin=Margin())
        due_s = slack * run_s
        waits = WaitingCall(
            number, 0, state, 1, 1.0, 0, inf if aged else due_s, due_s, 0.0, due_s, due_s, 0
        )
        queue = EdfQueue(state, number, solo=False)
        queue.push(waits)
        made.append(Candidate(queue, 0, 1, (round(due_s * 1e6), 0.0, number)))
    return made


@given(jobs)
def test_started_one_after_the_other_the_most_that_can_be_are_in_time(
    found: list[tuple[float, float]],
) -> None:
    left = candidates(found, [False] * len(found))
    now_s = 0.0
    kept = 0
    while left:
        best = first_kept(left, now_s, 1, 0.5)
        left.remove(best)
        run_s = found[best.queue.serial][0]
        now_s += run_s
        kept += now_s <= best.queue.calls[0].deadline_s + 1e-6
        left = [c for c in left if now_s + found[c.queue.serial][0] <= due_s(c) + 1e-9]
    most = most_on_time([Job(0.0, run_s, slack * run_s + 1e-6) for run_s, slack in found])
    assert kept == most


def due_s(candidate: Candidate) -> float:
    return candidate.queue.calls[0].deadline_s


@given(jobs, st.data(), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_and_spares_the_aged(
    found: list[tuple[float, float]], data: st.DataObject, rng: object
) -> None:
    ages = data.draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    listed = candidates(found, ages)
    first = min(listed, key=lambda candidate: candidate.rank)
    best = first_kept(list(listed), 0.0, 1, 0.5)
    rng.shuffle(listed)  # type: ignore[attr-defined]  # a random.Random
    assert first_kept(listed, 0.0, 1, 0.5) is best
    if first.queue.calls[0].deadline_s == inf:
        assert best is first
