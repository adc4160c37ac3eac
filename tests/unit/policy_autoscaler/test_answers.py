"""What-if answers, verdicts, and decisions in words."""

from math import inf, nan

import pytest

from hasten_policy.scaling.demand import Counts, Demand
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.rules.table import SCALING_RULES
from hasten_policy.scaling.sight import Because, Forecast, Sight
from hasten_policy.scaling.verdict import Court
from hasten_policy.scaling.whatif import Standing, what_if
from hasten_policy.scaling.words import sentence, summary
from tests.unit.policy_autoscaler.driving import Driven

STANDING = Standing(load=3.0, rate_per_s=10.0, slack_s=0.5)
WIDE = Bounds(workers_max=50, price_per_h=2.0)


def test_more_demand_needs_more_workers_and_more_workers_wait_less() -> None:
    needed = [what_if(STANDING, WIDE, demand_factor=factor).needed for factor in (0, 1, 2, 4)]
    assert needed == sorted(set(needed))
    assert needed[0] == 1
    late = [what_if(STANDING, WIDE, workers=workers).late_share for workers in range(7)]
    assert late == sorted(late, reverse=True)
    assert (late[0], late[3]) == (1.0, 1.0)
    answer = what_if(STANDING, WIDE)
    assert answer.late_share <= 0.01
    assert answer.use == pytest.approx(3.0 / answer.workers)
    assert answer.price_per_h == 2.0 * answer.workers


def test_what_keeps_it_from_what_is_needed_is_named() -> None:
    assert what_if(STANDING, WIDE).limited_by == ""
    assert what_if(STANDING, Bounds(workers_max=2)).limited_by == "workers_max"
    bought = what_if(STANDING, Bounds(workers_max=50, price_per_h=1.0, budget_per_h=2.0))
    assert (bought.limited_by, bought.needed) == ("budget", 2)


def test_waiting_tasks_need_workers_too() -> None:
    tasks = Standing(load=0.0, rate_per_s=1.0, queued=4.5)
    assert what_if(tasks, WIDE).needed == 5


@pytest.mark.parametrize("factor", [-1.0, nan, inf])
def test_a_question_that_makes_no_sense_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="demand_factor"):
        what_if(STANDING, WIDE, demand_factor=factor)
    with pytest.raises(ValueError, match="workers must not be negative"):
        what_if(STANDING, WIDE, workers=-1)


def sight(now_s: float, *, load_s: float = 0.0, forecast: Forecast | None = None) -> Sight:
    demand = Demand(900.0)
    demand.add(now_s, Counts(calls=60, load_s=load_s, refused=6, late=3))
    return Sight(now_s, 10.0, 3, 3, 0, 20.0, demand, forecast=forecast)


def test_a_decision_is_judged_when_the_workers_that_it_started_are_ready() -> None:
    court = Court()
    court.decided(7, sight(100.0, forecast=Forecast(200.0, 2.5, 4.0)))
    assert court.due(sight(119.0)) == []
    (verdict,) = court.due(sight(120.0, load_s=240.0))
    assert (verdict.number, verdict.after_s, verdict.ready) == (7, 20.0, 3)
    assert (verdict.load, verdict.enough, verdict.forecast) == (4.0, 5, 2.5)
    assert (verdict.calls, verdict.refused, verdict.late) == (60, 6, 3)
    assert court.due(sight(500.0)) == []


@pytest.mark.parametrize("rule", SCALING_RULES.names)
def test_every_reason_of_every_rule_has_a_sentence(rule: str) -> None:
    pool = Driven(rule, bounds=Bounds(1, 8), ready=2)
    pool.seconds(60, calls=25, refused=3)
    pool.seconds(30, calls=200, refused=120)
    pool.seconds(600, calls=3)
    pool.seconds(60, calls=None)
    reasons = [each for decision in pool.decisions for each in decision.reasons]
    said = {sentence(each) for each in reasons}
    assert all(text and "{" not in text for text in said)


def test_a_decision_in_one_sentence() -> None:
    because = (Because("workers_max", 8, (("not_granted", 3.0),)),)
    assert summary(8, 4, because) == ("8 workers, 4 more: workers_max is reached; 3 not granted")
    assert summary(8, 8, because).startswith("8 workers, as before: ")
    assert summary(2, 3, ()) == "2 workers"
    assert sentence(Because("budget", 1)) == "budget"
    assert sentence(Because("own_rule", 1, (("x", 1.5),))) == "own rule: x 1.5"
