"""How attempts end, and what becomes of the task."""

import pytest

from hasten_policy.reasons import Reason
from hasten_policy.scheduler.events import Again, Drop, Failed, Send, TaskRevoked
from tests.unit.policy_scheduler.harness import Scheduler

NOT_BEGUN = [Reason.OVERLOADED, Reason.QUEUE_FULL, Reason.DRAINING, Reason.SHED_BEFORE_START]


def scheduler(**policy: object) -> Scheduler:
    made = Scheduler(**policy)
    made.worker()
    return made


def test_an_answer_ends_a_task() -> None:
    found = scheduler()
    task = found.submit("t")
    assert found.running == ["t"]
    found.answer("t")
    assert task.state == "done"


@pytest.mark.parametrize("reason", NOT_BEGUN)
def test_a_task_that_was_not_begun_waits_a_little_and_that_counts_nothing(reason: Reason) -> None:
    found = scheduler(refused_backoff_s=0.1)
    found.submit("t", deadline_s=found.now_s + 0.05)
    found.refuse("t", reason)
    again = found.last(Again)
    assert isinstance(again, Again)
    assert not again.counts
    # Never past the deadline less what a run takes.
    assert 0.0 < again.in_s <= 0.05 - 0.011


def test_a_failure_of_the_worker_counts_and_the_last_one_makes_a_dead_letter() -> None:
    found = scheduler(failed_backoff_s=0.5)
    task = found.submit("t", attempts_max=2)
    found.refuse("t", Reason.INTERNAL, started=True)
    again = found.last(Again)
    assert isinstance(again, Again)
    assert again.counts
    assert 0.0 < again.in_s <= 0.5
    task.state = "waiting"
    found.pass_s(2.0)  # It is found by asking, as nobody told that it waits again.
    found.refuse("t", Reason.INTERNAL, started=True)
    failed = found.last(Failed)
    assert isinstance(failed, Failed)
    assert failed.dead
    assert failed.cause.reason is Reason.INTERNAL


@pytest.mark.parametrize(
    ("reason", "dead"),
    [
        (Reason.SHAPE_MISMATCH, False),
        (Reason.INVALID_REQUEST, False),
        (Reason.DEADLINE_PASSED, False),
        (Reason.MODEL_FAILED, True),
        (Reason.RUN_OVERSTAYED, True),
    ],
)
def test_what_no_other_attempt_helps_fails_at_once(reason: Reason, *, dead: bool) -> None:
    found = scheduler()
    found.submit("t", attempts_max=9)
    found.refuse("t", reason, started=True)
    failed = found.last(Failed)
    assert isinstance(failed, Failed)
    assert (failed.cause.reason, failed.dead) == (reason, dead)


def test_what_ran_when_a_worker_died_runs_alone_and_what_waited_there_as_before() -> None:
    found = scheduler()
    ran, waited = found.submit("ran"), found.submit("waited")
    found.die("w", "ran")
    assert (ran.head.attempts, ran.head.alone, ran.head.deaths) == (1, True, ("w/1",))
    assert (waited.head.attempts, waited.head.alone, waited.head.deaths) == (0, False, ())
    found.pass_s(0.01)
    found.worker("v")
    alone = {e.attempt: e.alone for e in found.said if isinstance(e, Send)}
    assert alone[found.attempt_of("ran")]
    assert not alone[found.attempt_of("waited")]


def test_a_task_of_which_two_processes_died_is_kept_with_the_evidence() -> None:
    found = scheduler()
    found.submit("t", attempts_max=9)
    found.die("w", "t")
    found.worker("v")
    found.die("v", "t")
    failed = found.last(Failed)
    assert isinstance(failed, Failed)
    assert failed.dead
    assert failed.death == "v/1"
    assert failed.cause.reason is Reason.POISONOUS
    assert failed.cause.metadata == (("process_1", "w/1"), ("process_2", "v/1"))


def test_two_suspects_do_not_run_side_by_side() -> None:
    found = Scheduler()
    found.worker("w", lanes=2)
    for name in ("one", "two"):
        found.submit(name, alone=True, deaths=("u/1",))
    assert found.running == ["one"]
    assert found.hurdles("two") == ["alone"]
    found.answer("one")
    assert found.running == ["two"]


def test_a_waiting_task_is_dropped_as_soon_as_its_deadline_cannot_be_kept() -> None:
    found = scheduler()
    found.told(window=0)
    found.submit("t", deadline_s=found.now_s + 1.0)
    found.pass_s(0.98)
    assert not any(isinstance(effect, Drop) for effect in found.said)
    found.pass_s(0.02)
    drop = found.last(Drop)
    assert isinstance(drop, Drop)
    assert drop.cause.reason is Reason.DEADLINE_INFEASIBLE
    assert "after 989 ms in the queue" in drop.cause.message


def test_a_deadline_that_passes_at_a_worker_ends_the_task() -> None:
    found = scheduler()
    found.submit("t", deadline_s=found.now_s + 1.0)
    found.pass_s(1.0)
    failed = found.last(Failed)
    assert isinstance(failed, Failed)
    assert failed.cause.reason is Reason.DEADLINE_PASSED
    assert not found.at


def test_a_revoked_task_leaves_its_worker() -> None:
    found = scheduler()
    found.submit("t")
    found.submit("next", 1.0)
    number = found.attempt_of("t")
    (revoke,) = found.tell(TaskRevoked(0, "t"))[:1]
    assert (type(revoke).__name__, revoke.attempt) == ("Revoke", number)  # type: ignore[union-attr]
    assert found.machine.counts.running == 1
