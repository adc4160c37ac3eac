"""What every balancer promises, whatever it goes by."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.fleet.events import WorkerQuiesced
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.reasons import Reason
from hasten_policy.registry import names
from tests.unit.policy_router.harness import Router, router, sends

WORKERS = ("a", "b", "c", "d", "e")
DRAWS = 4000

every_balancer = pytest.mark.parametrize("name", names("balancer"))


def pool(name: str, *workers: str) -> Router:
    return router(*(workers or WORKERS), balancer=name, admission="open", partition_share=0.6)


def serve(made: Router, count: int, *, first: int = 1) -> list[str]:
    """Workers that got `count` calls, each answered before the next comes."""
    chosen = []
    for call_id in range(first, first + count):
        ((_, worker_id),) = sends(made.call(call_id, 5.0))
        made.answer(call_id, worker_id)
        chosen.append(worker_id)
    return chosen


def drain(made: Router, worker_id: str) -> None:
    made.report(worker_id, draining=True)


def quiesce(made: Router, worker_id: str) -> None:
    made.tell(WorkerQuiesced(worker_id))


def fill(made: Router, worker_id: str) -> None:
    made.report(worker_id, window=0)


def silence(made: Router, worker_id: str) -> None:
    made.pass_time(0.9)
    for other in WORKERS:
        if other != worker_id:
            made.report(other)
    made.pass_time(0.4)
    assert made.standing(worker_id) == "suspect"


def eject(made: Router, worker_id: str) -> None:
    """Its first call fails; with one failure allowed, that is all. The others have theirs until
    then: some balancers give it none while they are idle.
    """
    others: list[tuple[int, str]] = []
    for call_id in range(1000, 1200):
        ((_, chosen),) = sends(made.call(call_id, 5.0))
        if chosen == worker_id:
            made.turn_down(call_id, chosen, Reason.INTERNAL)
            break
        others.append((call_id, chosen))
    for call_id, chosen in others:
        made.answer(call_id, chosen)
    assert made.standing(worker_id) == "ejected"


@every_balancer
@pytest.mark.parametrize("shut", [drain, quiesce, fill, silence, eject])
def test_a_worker_that_takes_no_calls_gets_none(
    name: str, shut: Callable[[Router, str], None]
) -> None:
    made = router(*WORKERS, balancer=name, admission="open", eject_failures=1, partition_share=1.0)
    shut(made, "c")
    assert "c" not in serve(made, 60, first=5000)


@every_balancer
@pytest.mark.parametrize("only", WORKERS)
def test_the_one_worker_with_a_credit_gets_the_call(name: str, only: str) -> None:
    made = router(*WORKERS, balancer=name, admission="open", partition_share=1.0)
    for worker_id in WORKERS:
        if worker_id != only:
            fill(made, worker_id)
    assert sends(made.call(1, 5.0)) == [(1, only)]


@every_balancer
@pytest.mark.parametrize("only", WORKERS)
def test_the_one_worker_that_is_open_gets_the_call(name: str, only: str) -> None:
    made = pool(name)
    for worker_id in WORKERS:
        if worker_id != only:
            quiesce(made, worker_id)
    assert sends(made.call(1, 5.0)) == [(1, only)]


@every_balancer
def test_without_credits_a_call_waits_and_goes_to_the_first_that_has_one(name: str) -> None:
    made = router("a", "b", balancer=name, admission="open", partition_share=1.0)
    for worker_id in ("a", "b"):
        fill(made, worker_id)
    assert sends(made.call(1, 5.0)) == []
    assert sends(made.report("b", window=1)) == [(1, "b")]


@every_balancer
def test_no_worker_gets_more_than_its_credits(name: str) -> None:
    made = pool(name)
    for worker_id in WORKERS:
        made.report(worker_id, window=2)
    given = Counter(
        worker_id for call_id in range(1, 30) for _, worker_id in sends(made.call(call_id, 5.0))
    )
    assert max(given.values()) == 2


@every_balancer
def test_without_late_binding_credits_do_not_bind_but_the_bound_does(name: str) -> None:
    made = router("a", "b", balancer=name, admission="open", late_binding=False, hold_calls_max=4)
    for worker_id in ("a", "b"):
        made.report(worker_id, window=1)
    given = Counter(
        worker_id for call_id in range(1, 20) for _, worker_id in sends(made.call(call_id, 5.0))
    )
    assert max(given.values()) == 4


@every_balancer
def test_a_second_attempt_goes_to_another_worker(name: str) -> None:
    made = router("a", "b", balancer=name, admission="open", partition_share=1.0)
    ((_, first),) = sends(made.call(1, 5.0))
    ((_, second),) = sends(made.turn_down(1, first, Reason.QUEUE_FULL))
    assert {first, second} == {"a", "b"}


@every_balancer
def test_the_same_events_give_the_same_choices(name: str) -> None:
    assert serve(pool(name), 50) == serve(pool(name), 50)


@every_balancer
def test_the_order_in_which_workers_came_is_no_matter(name: str) -> None:
    assert serve(pool(name, *reversed(WORKERS)), 50) == serve(pool(name), 50)


@every_balancer
def test_the_order_in_which_workers_are_listed_changes_no_share(name: str) -> None:
    """In a static case: nothing is sent, so that every draw sees the same."""

    def shares(turn: int) -> Counter[str]:
        entries: list[ModelEntry] = pool(name).machine._state.fleet.registry.views["m"].open
        turned = entries[turn:] + entries[:turn]
        rng = Random(3)
        balancer = BALANCERS.get(name)()
        drawn = [balancer.pick("m", turned, rng, 100.0) for _ in range(DRAWS)]
        assert None not in drawn
        return Counter(entry.worker.worker_id for entry in drawn if entry is not None)

    straight, turned = shares(0), shares(2)
    assert straight.keys() == turned.keys()
    for worker_id, count in straight.items():
        assert abs(count - turned[worker_id]) < 0.05 * DRAWS
