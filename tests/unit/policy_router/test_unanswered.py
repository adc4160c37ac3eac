"""A worker that reports well and never answers."""

from hasten_policy.fleet.events import LoadTold
from hasten_policy.router.events import CallAbandoned
from tests.unit.policy_router.harness import Router, router, sends, standings

DEADLINE_S = 0.05


def passes(made: Router, first: int, calls: int, *, apart_s: float = 0.0) -> list[tuple[str, str]]:
    """Calls come and their deadlines pass without a word of any worker; the new standings."""
    found: list[tuple[str, str]] = []
    for call_id in range(first, first + calls):
        found += standings(made.call(call_id, DEADLINE_S))
        if apart_s:
            found += standings(made.pass_time(apart_s))
    return found + standings(made.pass_time(DEADLINE_S))


def test_it_is_ejected_within_its_first_deadlines() -> None:
    made = router("a", "b", eject_failures=3, hedge_share=0.0)
    found: list[tuple[str, str]] = []
    for call_id in range(40):
        # Only "b" answers.
        if sends(made.call(call_id, DEADLINE_S)) == [(call_id, "b")]:
            found += standings(made.answer(call_id, "b"))
        found += standings(made.pass_time(2 * DEADLINE_S))
        for worker_id in ("a", "b"):
            made.tell(LoadTold(worker_id, made.load(worker_id)))
    assert found == [("a", "ejected")]
    assert made.standing("a") == "ejected"


def test_one_stall_is_one_failure_whatever_waited_in_it() -> None:
    made = router("a", "b", eject_failures=2, hedge_share=0.0)
    assert passes(made, 0, 30, apart_s=0.001) == []


def test_a_caller_that_leaves_at_its_deadline_counts_as_much() -> None:
    made = router("a", "b", eject_failures=2, hedge_share=0.0)
    found: list[tuple[str, str]] = []
    for call_id in range(10):
        made.call(call_id, DEADLINE_S)
        made.now_s += DEADLINE_S
        found += standings(made.tell(CallAbandoned(call_id)))
        made.now_s += DEADLINE_S
    assert len(found) == 1


def test_the_last_open_worker_stays() -> None:
    made = router("a", eject_failures=2)
    for batch in range(10):
        passes(made, 10 * batch, 1)
    assert made.standing("a") == "ready"


def test_a_worker_that_said_it_had_much_to_do_has_not_failed() -> None:
    made = router("a", "b", eject_failures=2, hedge_share=0.0)
    for call_id in range(10):
        assert sends(made.call(call_id, DEADLINE_S)), "it was admitted, as nothing was known"
        for worker_id in ("a", "b"):
            made.tell(LoadTold(worker_id, made.load(worker_id, backlog_s=0.03)))
        assert standings(made.pass_time(2 * DEADLINE_S)) == []
        for worker_id in ("a", "b"):
            made.tell(LoadTold(worker_id, made.load(worker_id)))
