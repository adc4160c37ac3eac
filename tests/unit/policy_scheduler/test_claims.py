"""Between a claim and the store's answer."""

import pytest

from hasten_policy.reasons import Reason
from hasten_policy.scheduler.events import (
    Again,
    Claim,
    Failed,
    Revoke,
    Send,
    ShardGone,
    ShardTaken,
    TaskRevoked,
    TasksLeft,
)
from hasten_policy.scheduler.tasks import Lane
from tests.unit.policy_scheduler.harness import Scheduler


def slow(window: int = 1, **policy: object) -> Scheduler:
    found = Scheduler(**policy)
    found.worker(window=window)
    found.slow = True
    return found


def test_a_claim_takes_a_credit_from_the_moment_it_is_made() -> None:
    found = slow(window=2)
    for number in range(4):
        found.submit(f"t{number}", number)
    assert [len(claim.picks) for claim in found.claims] == [1, 1]
    assert found.machine.counts.claiming == 2
    found.answer_claims()
    assert found.running == ["t0", "t1"]
    assert found.machine.counts.running == 2


def test_what_the_store_takes_too_long_to_claim_is_not_sent() -> None:
    found = slow()
    found.submit("t", deadline_s=found.now_s + 1.0)
    found.pass_s(0.995)
    found.answer_claims()
    assert found.running == []
    failed = found.last(Failed)
    assert isinstance(failed, Failed)
    assert failed.cause.reason is Reason.DEADLINE_INFEASIBLE
    assert not failed.dead


def test_what_waits_no_more_gives_its_credit_back() -> None:
    found = slow()
    found.submit("t")
    found.store.tasks["t"].state = "cancelled"
    found.slow = False
    found.submit("next", 1.0)
    assert found.running == []
    found.answer_claims()
    assert found.running == ["next"]


@pytest.mark.parametrize(
    "gone", [("a",), ("b",), ("a", "b")], ids=["the_first", "the_second", "both"]
)
def test_claims_count_for_their_tenant_until_the_store_says_that_they_are_gone(
    gone: tuple[str, ...],
) -> None:
    found = slow(window=8, tenant_running=(("capped", 2),))
    lane = Lane("capped", "m", 0)
    for place, task_id in enumerate("ab"):
        found.submit(task_id, place, lane=lane)
    for task_id in gone:
        found.store.tasks[task_id].state = "cancelled"
        found.tell(TasksLeft(0, (task_id,)))
    for place, task_id in enumerate("cde"):
        found.submit(task_id, place, lane=Lane("capped", "m", 1))
    found.pass_s(0.1)
    assert found.machine.counts.claiming == 2
    found.answer_claims()
    assert found.machine.counts.claiming == len(gone)
    assert found.machine.counts.running == 2 - len(gone)
    found.answer_claims()
    assert found.running == [*sorted({"a", "b"} - set(gone)), *"cde"[: len(gone)]]


@pytest.mark.parametrize("key_max", [1, 2])
def test_claims_hold_their_key_until_the_store_says_that_they_are_gone(key_max: int) -> None:
    found = slow(window=8)
    for place, task_id in enumerate("abc"):
        found.submit(task_id, place, key="k", key_max=key_max)
    found.store.tasks["a"].state = "cancelled"
    found.tell(TasksLeft(0, ("a",)))
    assert found.machine.counts.claiming == key_max
    found.answer_claims()
    found.answer_claims()
    assert found.running == [*"bc"[:key_max]]


def test_a_worker_that_is_gone_is_replaced_by_another() -> None:
    found = slow()
    found.submit("t")
    found.die("w")
    found.worker("v", window=1)
    found.answer_claims()
    assert found.at[found.attempt_of("t")][0] == "v"


def test_without_another_the_task_waits_again_uncounted() -> None:
    found = slow()
    task = found.submit("t")
    found.die("w")
    found.answer_claims()
    again = found.last(Again)
    assert isinstance(again, Again)
    assert (again.in_s, again.counts, task.head.attempts) == (0.0, False, 0)
    found.slow = False
    found.pass_s(0.01)
    found.worker("v")
    assert found.running == ["t"]


def test_nothing_is_said_of_the_tasks_of_a_shard_that_is_gone() -> None:
    found = slow(window=2)
    found.submit("sent")
    found.answer_claims()
    number = found.attempt_of("sent")
    found.submit("claimed", 1.0)
    (effect,) = found.tell(ShardGone(0))
    assert effect == Revoke(number, "w")
    before = len(found.said)
    found.answer_claims()
    found.answer("sent")
    assert len(found.said) == before
    assert found.machine.counts.shards == 0


def test_a_shard_that_is_taken_again_begins_anew() -> None:
    found = slow(window=2)
    found.submit("t")
    found.answer_claims()
    found.store.adopt()
    found.at.clear()
    found.slow = False
    found.tell(ShardTaken(0))
    assert found.running == ["t"]
    assert found.store.tasks["t"].runs == 2


def test_a_revoked_claim_is_not_sent() -> None:
    found = slow()
    found.submit("t")
    found.tell(TaskRevoked(0, "t"))
    found.answer_claims()
    assert not [effect for effect in found.said if isinstance(effect, Send | Revoke)]
    assert found.machine.counts.claiming == 0


def test_what_has_left_its_lane_is_not_claimed() -> None:
    found = Scheduler()
    for number in range(3):
        found.submit(f"t{number}", number)
    found.pass_s(0.1)
    found.tell(TasksLeft(0, ("t0", "t1")))
    found.worker()
    assert found.running == ["t2"]


def test_a_claim_has_at_most_64_picks() -> None:
    found = Scheduler(slack_own_s=1000.0)
    for number in range(100):
        found.submit(f"t{number:02d}", number)
    found.pass_s(0.1)
    found.worker(window=200)
    claims = [effect for effect in found.said if isinstance(effect, Claim)]
    assert [len(claim.picks) for claim in claims] == [64, 36]
