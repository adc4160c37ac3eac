"""A history is judged by what was promised: nothing lost, no second result, no work in vain."""

import pytest

from loadtest.task_history import (
    Acted,
    Executed,
    History,
    Reply,
    Seen,
    Sighting,
    Submitted,
    check,
)
from tests.unit.loadtest.faulty_mesh import Bug, FaultyMesh

SEEDS = range(60)
STEPS = 400

CAUGHT_AS = {
    Bug.NO_ATTEMPT_CHECK: "second result",
    Bug.COMPLETION_BEFORE_RESULT: "lost",
    Bug.NO_EPOCH_CHECK: "later owner",
    Bug.ACKNOWLEDGED_BEFORE_STORED: "lost",
    Bug.ID_WITHOUT_CONTENT: "two contents",
    Bug.RETRY_BY_THE_LIBRARY: "lost",
}


def faults_of(seed: int, bug: Bug) -> tuple[str, ...]:
    # So many owners die here that much is done twice: that is judged by a test of its own.
    return check(FaultyMesh(seed, bug).play(STEPS), executions_max=10.0).faults


@pytest.mark.parametrize("seed", SEEDS)
def test_a_queue_without_a_bug_has_no_fault(seed: int) -> None:
    history = FaultyMesh(seed, Bug.NONE).play(STEPS)
    verdict = check(history, executions_max=10.0)
    assert verdict.faults == ()
    assert verdict.done == verdict.accepted > 10
    assert (verdict.lost, verdict.second_results, verdict.waiting) == (0, 0, 0)


@pytest.mark.parametrize("bug", CAUGHT_AS)
def test_each_planted_bug_is_caught(bug: Bug) -> None:
    found = [faults for seed in SEEDS if (faults := faults_of(seed, bug))]
    # A new owner mends some of them, if one comes after the bug has done its harm.
    assert len(found) >= 5, f"{bug.value}: in {len(found)} of {len(SEEDS)} histories"
    assert any(CAUGHT_AS[bug] in fault for faults in found for fault in faults), found[0]


def sighting(seen: Seen, evidence: str = "", at_s: float = 1.0, content: str = "") -> Sighting:
    return Sighting("t", seen, evidence, content, at_s, at_s + 0.5)


ACCEPTED = Submitted("t", "c", Reply.OK)


@pytest.mark.parametrize(
    ("end", "lost"),
    [
        (sighting(Seen.DONE, "answer"), 0),
        (sighting(Seen.WAITING), 0),
        (sighting(Seen.FAILED, "DEADLINE_PASSED"), 0),
        (sighting(Seen.FAILED), 1),
        (sighting(Seen.DONE), 1),
        (sighting(Seen.RUNNING), 1),
        (sighting(Seen.MISSING), 1),
        (None, 1),
    ],
)
def test_what_was_accepted_is_done_waits_or_failed_with_a_reason(
    end: Sighting | None, lost: int
) -> None:
    history = History([ACCEPTED], [] if end is None else [end])
    assert check(history).lost == lost
    assert bool(check(history).faults) == bool(lost)


def test_what_nobody_was_told_is_accepted_may_be_there_or_not() -> None:
    unknown = Submitted("t", "c", Reply.UNKNOWN)
    for seen in (Seen.MISSING, Seen.WAITING):
        assert check(History([unknown], [sighting(seen)])).faults == ()


def test_what_was_refused_is_not_there() -> None:
    refused = Submitted("t", "c", Reply.REFUSED)
    assert check(History([refused], [sighting(Seen.MISSING)])).faults == ()
    (fault,) = check(History([refused], [sighting(Seen.WAITING)])).faults
    assert fault == "1 refused, and there all the same: t"
    assert check(History([refused], executed=[Executed("t")])).faults
    # Another try of the same client may have come through.
    both = [refused, Submitted("t", "c", Reply.UNKNOWN)]
    assert check(History(both, [sighting(Seen.WAITING)])).faults == ()


def test_two_answers_are_one_too_many_however_long_after() -> None:
    twice = [sighting(Seen.DONE, "a", 1.0), sighting(Seen.DONE, "b", 9000.0)]
    assert check(History([ACCEPTED], twice)).second_results == 1
    once = [sighting(Seen.DONE, "a", 1.0), sighting(Seen.DONE, "a", 9000.0)]
    assert check(History([ACCEPTED], once)).faults == ()


def test_what_has_ended_comes_back_for_nobody_who_asks_later() -> None:
    ended = sighting(Seen.DONE, "a", 5.0)
    for earlier in (sighting(Seen.RUNNING, at_s=1.0), sighting(Seen.WAITING, at_s=5.2)):
        # The second asked before the first was told, and may be told what was.
        assert check(History([ACCEPTED], [earlier, ended])).faults == ()
    later = sighting(Seen.WAITING, at_s=6.0)
    assert "and then something else" in check(History([ACCEPTED], [ended, later])).faults[0]


def test_an_answer_belongs_to_what_was_accepted() -> None:
    assert check(History([ACCEPTED], [sighting(Seen.DONE, "a", content="c")])).faults == ()
    (fault,) = check(History([ACCEPTED], [sighting(Seen.DONE, "a", content="d")])).faults
    assert "another content" in fault


def test_work_done_twice_is_counted() -> None:
    done = [sighting(Seen.DONE, "a")]
    executed = [Executed("t"), *[Executed(f"u-{number}") for number in range(19)]]
    once = check(History([ACCEPTED], done, executed))
    assert (once.executions, once.faults) == (1.0, ())
    more = [*executed, Executed("t"), Executed("t")]
    twice = check(History([ACCEPTED], done, more))
    assert twice.executions == pytest.approx(1.1)
    assert twice.faults == ("1.100 executions a task, more than 1.05",)


def test_owners_follow_each_other_by_epoch() -> None:
    fine = [Acted(0, "a", 1), Acted(1, "b", 7), Acted(0, "b", 2), Acted(0, "b", 2)]
    assert check(History(acted=fine)).faults == ()
    assert check(History(acted=[*fine, Acted(0, "a", 1)])).faults
    # One epoch given out twice, by a replica that lagged.
    assert check(History(acted=[*fine, Acted(0, "c", 2)])).faults
