"""The process of a model ends while calls run and wait: who is blamed, who waits, who goes on."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.worker.deaths import DEATHS_MAX, WINDOW_S, Deaths
from hasten_policy.worker.events import (
    BatchEnded,
    ModelClosed,
    ModelOpened,
    ModelPaused,
    ModelResumed,
    Refuse,
    WorkerEffect,
)
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import (
    PretendedWorker,
    call,
    delivered,
    model,
    refusals,
    starts,
    worker,
)

KEY = "m/1"


def lost(batch_id: int, process: str, suspects: int = 1, *, killed: bool = False) -> BatchEnded:
    return BatchEnded(
        batch_id,
        0.01,
        failed=True,
        terminated=killed,
        lost=process,
        suspects=suspects,
        fault=f"its process ended ({process})",
    )


def loses(
    pretended: PretendedWorker, batch_id: int, process: str, suspects: int = 1
) -> list[WorkerEffect]:
    """The shell tells of the pause first, so that nothing is begun in what the end sets free."""
    effects = pretended.send(ModelPaused(KEY, 0.1))
    return effects + pretended.send(lost(batch_id, process, suspects))


def refusal(effects: list[WorkerEffect], call_id: int) -> Refusal:
    [found] = [e.refusal for e in effects if isinstance(e, Refuse) and e.call_id == call_id]
    return found


def with_batch(*call_ids: int, lanes: int = 1) -> PretendedWorker:
    """A worker that runs these calls as batch 2."""
    pretended = worker(policy=WorkerPolicy(lanes=lanes))
    for other in range(lanes):
        pretended.send(call(100 + other, 5.0))
    for call_id in call_ids:
        pretended.send(call(call_id, 5.0))
    [batch] = starts(pretended.send(BatchEnded(1, 0.011)))
    assert batch.call_ids == call_ids
    for other in range(1, lanes):
        pretended.send(BatchEnded(1 + other, 0.011))
    return pretended


def test_a_call_that_ran_alone_in_its_process_is_at_fault_and_the_process_is_named() -> None:
    pretended = with_batch(2)
    found = refusal(loses(pretended, 2, "7"), 2)
    assert (found.reason, found.started, found.ended) == (Reason.MODEL_FAILED, True, ("7",))
    assert "its process ended" in found.message


def test_who_shared_the_batch_is_tried_once_more_alone_when_the_model_is_back() -> None:
    pretended = with_batch(2, 3, 4)
    assert not refusals(loses(pretended, 2, "7"))
    assert not starts(pretended.send(call(5, 5.0)))
    [first] = starts(pretended.send(ModelResumed(KEY)))
    assert len(first.call_ids) == 1
    [second] = starts(pretended.send(BatchEnded(first.batch_id, 0.011)))
    effects = loses(pretended, second.batch_id, "8")
    (guilty,) = second.call_ids
    # Both processes ended while it ran: the router hears of both, and sends it nowhere again.
    assert refusal(effects, guilty).ended == ("7", "8")
    pretended.send(ModelResumed(KEY))
    pretended.run()
    answered = {call_id for call_id, end in pretended.ended.items() if end.reason is None}
    assert answered == {100, 2, 3, 4, 5} - {guilty}


def test_a_suspect_has_the_model_for_itself() -> None:
    pretended = with_batch(2, 3, lanes=2)
    batch_id = pretended.batches[-1][1].batch_id
    loses(pretended, batch_id, "7")
    pretended.send(call(4, 5.0))
    [first] = starts(pretended.send(ModelResumed(KEY)))
    # The other lane is free, and takes neither the other suspect nor a new call beside it.
    assert not starts(pretended.send(call(5, 5.0)))
    assert starts(pretended.send(BatchEnded(first.batch_id, 0.01)))


def test_whom_another_run_took_along_goes_on_as_if_nothing_were() -> None:
    pretended = with_batch(2, 3)
    pretended.send(ModelPaused(KEY, 0.1))
    pretended.send(lost(2, "7", suspects=0))
    [again] = starts(pretended.send(ModelResumed(KEY)))
    assert again.call_ids == (2, 3)


def test_one_of_several_runs_is_not_at_fault_at_once() -> None:
    pretended = with_batch(2)
    assert not refusals(loses(pretended, 2, "7", suspects=2))
    [again] = starts(pretended.send(ModelResumed(KEY)))
    assert delivered(pretended.send(BatchEnded(again.batch_id, 0.01))) == [2]


def test_a_run_that_had_to_be_killed_overstayed() -> None:
    pretended = with_batch(2)
    pretended.send(ModelPaused(KEY, 0.1))
    found = refusal(pretended.send(lost(2, "7", killed=True)), 2)
    assert (found.reason, found.ended) == (Reason.RUN_OVERSTAYED, ("7",))


def test_a_paused_model_lets_wait_who_has_the_time_and_sends_others_elsewhere() -> None:
    pretended = with_batch(2)
    pretended.send(call(3, 0.08))
    effects = pretended.send(ModelPaused(KEY, 0.1))
    assert refusals(effects) == {3: Reason.MODEL_LOADING}
    assert refusal(effects, 3).retry_after_s == pytest.approx(0.1)
    assert not refusal(effects, 3).started
    pretended.send(lost(2, "7"))
    assert refusals(pretended.send(call(4, 0.05))) == {4: Reason.MODEL_LOADING}
    assert not refusals(pretended.send(call(5, 1.0)))
    assert not refusals(pretended.send(call(6, inf)))
    [batch] = starts(pretended.send(ModelResumed(KEY)))
    assert batch.call_ids == (5, 6)
    # Pausing and resuming what is not there does no harm.
    assert not pretended.send(ModelPaused("other/1", 0.1))
    assert not pretended.send(ModelResumed("other/1"))


def test_models_beside_it_go_on() -> None:
    pretended = worker(model("m"), model("n"))
    pretended.send(ModelPaused(KEY, 10.0))
    pretended.send(call(1, 20.0))
    [batch] = starts(pretended.send(call(2, 1.0, model_key="n/1")))
    assert batch.call_ids == (2,)


def test_a_model_that_leaves_rotation_refuses_whoever_waits() -> None:
    pretended = with_batch(2)
    loses(pretended, 2, "7")
    pretended.send(call(3, inf))
    assert refusals(pretended.send(ModelClosed(KEY))) == {3: Reason.MODEL_LOADING}
    pretended.send(ModelOpened(model()))
    assert starts(pretended.send(call(4, 1.0)))


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["call", "pause", "resume", "lose", "take along", "answer", "close"]),
            st.floats(0.0, 0.3),
        ),
        max_size=40,
    )
)
def test_whatever_becomes_of_processes_each_call_ends_once(steps: list[tuple[str, float]]) -> None:
    pretended = worker(policy=WorkerPolicy(lanes=2))
    calls = 0
    for number, (what, passes_s) in enumerate(steps):
        pretended.run(pretended.now_s + passes_s)
        pretended.now_s += passes_s
        batch_id = min(pretended._running, default=0)
        if what == "call":
            calls += 1
            pretended.send(call(calls, 0.4))
        elif what == "pause":
            pretended.send(ModelPaused(KEY, 0.1))
        elif what == "resume":
            pretended.send(ModelResumed(KEY))
        elif what == "close":
            pretended.send(ModelClosed(KEY))
            pretended.send(ModelOpened(model()))
        elif batch_id and what == "answer":
            pretended.send(BatchEnded(batch_id, 0.01))
        elif batch_id:
            loses(pretended, batch_id, f"{number}", int(what == "lose"))
    pretended.send(ModelResumed(KEY))
    pretended.run()
    assert set(pretended.ended) == set(range(1, calls + 1))


def test_deaths_are_counted_within_a_minute() -> None:
    deaths = Deaths()
    for number in range(DEATHS_MAX - 1):
        assert deaths.died(float(number)) == number + 1
    assert not deaths.too_many
    assert deaths.died(WINDOW_S + 0.5) == DEATHS_MAX - 1
    assert not deaths.too_many
    assert deaths.died(WINDOW_S + 0.6) == DEATHS_MAX
    assert deaths.too_many
