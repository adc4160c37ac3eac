"""While calls of its models are refused, a worker gets tasks at a pace."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.load import LoadSample
from hasten_policy.reasons import Reason
from hasten_policy.router.turned_away import TurnedAway
from hasten_policy.scheduler.pace import FREE, GROUP_S, INCREASE, LEAST, LOOK_S, Pace
from hasten_policy.scheduler.policy import SlackPolicy
from tests.unit.policy_scheduler.harness import Scheduler

EMPTY = LoadSample(1, 0, 0.0, 0.0, 0, 8, 0.01)


class Paced:
    """A pace, its clock and the worker's counts."""

    def __init__(self, policy: SlackPolicy | None = None) -> None:
        self.pace = Pace(policy or SlackPolicy())
        self.now_s = 0.0
        self.load = EMPTY
        self.look()

    def look(self, calls: int = 0, refused: int = 0, tasks_s: float = 0.0) -> float:
        """So many calls came until the next look, and tasks of so many seconds began."""
        if tasks_s:
            self.pace.begins(tasks_s, 1, self.now_s)
        load = self.load
        self.load = replace(load, arrived=load.arrived + calls, refused=load.refused + refused)
        self.now_s += LOOK_S
        self.pace.hear(self.load, 1, self.now_s)
        return self.pace.per_s


def test_a_pace_halves_what_was_used_and_climbs_while_nothing_is_refused() -> None:
    paced = Paced()
    assert paced.look(calls=100, tasks_s=0.1) == FREE
    assert paced.look(calls=98, refused=2, tasks_s=0.1) == pytest.approx(0.2)
    assert paced.look(calls=98, refused=2, tasks_s=0.05) == pytest.approx(0.1)
    assert paced.look(calls=100) == pytest.approx(0.1 + INCREASE)
    for _ in range(40):
        paced.look(calls=100)
    assert paced.pace.per_s == FREE


def test_a_pace_does_not_change_for_a_refusal_in_many_calls() -> None:
    paced = Paced()
    assert paced.look(calls=199, refused=1, tasks_s=0.1) == FREE
    assert Paced(SlackPolicy(slack_refused_max=1.0)).look(calls=10, refused=90) == FREE


def test_few_calls_are_judged_together_with_the_next() -> None:
    paced = Paced()
    assert paced.look(calls=2, refused=1, tasks_s=0.1) == FREE
    assert paced.look(calls=3, refused=0, tasks_s=0.1) < FREE


def test_a_pace_never_ends_and_forgets_a_process_that_is_gone() -> None:
    paced = Paced()
    for _ in range(10):
        paced.look(calls=10, refused=90)
    assert paced.pace.per_s == LEAST
    paced.load = EMPTY
    assert paced.look(calls=5) == LEAST, "counts that fell say nothing"


@given(st.lists(st.tuples(st.floats(0.0, 0.05), st.floats(1e-4, 0.01)), max_size=200))
def test_no_more_goes_than_the_pace_and_a_group(steps: list[tuple[float, float]]) -> None:
    paced = Paced()
    per_s = paced.look(calls=50, refused=50, tasks_s=0.1)
    began_s, total_s, last_s = paced.now_s, 0.0, 0.0
    for passed_s, hold_s in steps:
        paced.now_s += passed_s
        if not paced.pace.waits(paced.now_s):
            paced.pace.begins(hold_s, 1, paced.now_s)
            total_s, last_s = total_s + hold_s, hold_s
        assert total_s <= per_s * (paced.now_s - began_s + GROUP_S) + last_s + 1e-9


def test_a_worker_gets_tasks_slowly_while_calls_are_refused_and_more_by_and_by() -> None:
    found = Scheduler(slack_own_s=0.16)
    found.worker(window=1000)
    for number in range(900):
        found.submit(f"t{number:03d}", number)
    counts = {"arrived": 0, "refused": 0}

    def done_in(seconds: float, refused: int) -> int:
        """Tasks that end in that time, each soon after it was sent, while calls come."""
        done, ends_s = 0, found.now_s + seconds
        while found.now_s < ends_s:
            found.pass_s(0.01)
            counts["arrived"] += 1
            counts["refused"] += refused
            found.told(window=1000, **counts)
            for task_id in list(found.running):
                found.answer(task_id, window=1000, depth=1, **counts)
                done += 1
        return done

    free = done_in(0.1, refused=0)
    then = done_in(1.0, refused=1)
    slow = done_in(0.2, refused=1)
    assert free > 60
    assert slow < 20, "of 1.3 ms each: their pace was halved at each look"
    assert not found.running
    assert found.hurdles(f"t{free + then + slow:03d}") == ["calls_refused"]
    assert done_in(2.0, refused=0) > 100


def test_refusals_are_told_once_and_only_those_for_want_of_time() -> None:
    turned = TurnedAway[str]()
    for reason in (Reason.OVERLOADED, Reason.SHED_BEFORE_START, Reason.DEADLINE_PASSED):
        turned.refused("m", reason)
    for reason in (Reason.DEADLINE_INFEASIBLE, Reason.TENANT_QUOTA, Reason.SHAPE_MISMATCH):
        turned.refused("m", reason)
    turned.refused("n", Reason.OVERLOADED)
    assert [turned.tell(model) for model in ("m", "m", "n", "x")] == [3, 0, 1, 0]
