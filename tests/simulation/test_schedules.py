"""Hard schedules beside bulk without limit, and schedules whose owners die, simulated."""

from dataclasses import replace
from math import inf

import pytest

from hasten_policy.registry import resolve
from hasten_sim.figures import Figures
from hasten_sim.scenario import (
    BatchTimes,
    Fault,
    MeshShape,
    ModelShape,
    Noise,
    QueueShape,
    Scenario,
    TaskFlow,
)
from hasten_sim.simulate import simulate

INSPECT = ModelShape("inspect", BatchTimes(0.010), batch_max=1, noise=Noise(cv=0.1))
SCORE = ModelShape("score", BatchTimes(0.005, 0.001), batch_max=8, noise=Noise(cv=0.1))
PERIODS_S = (0.1, 0.15, 0.2, 0.3, 0.4, 0.1, 0.15, 0.2, 0.3, 0.4)
"""Two workers at 0.66 each, as the test of the reservations counts."""


def hard(period_s: float) -> TaskFlow:
    return TaskFlow(
        0, tenant=0, priority=0, slack_s=period_s, period_s=period_s, at_s=0.5, hard=True
    )


def scenario(
    *tasks: TaskFlow, duration_s: float = 6.0, faults: tuple[Fault, ...] = (), schedulers: int = 1
) -> Scenario:
    return Scenario(
        "schedules",
        duration_s,
        0.0,
        MeshShape(1, 2),
        (INSPECT, SCORE),
        lambda _: iter(()),
        tenants=("line", "bulk"),
        faults=faults,
        tasks=tasks,
        queue=QueueShape(schedulers=schedulers),
    )


def run(said: Scenario, seed: int) -> Figures:
    return simulate(said, resolve("hasten"), seed)


BULK = TaskFlow(1, tenant=1, priority=3, backlog=400)


URGENT = replace(BULK, slack_s=0.06)
"""Its deadlines come before those of the schedules, again and again."""


@pytest.mark.parametrize("bulk", [BULK, URGENT], ids=["patient", "urgent"])
def test_no_run_of_a_hard_set_is_late_beside_bulk_without_limit(bulk: TaskFlow) -> None:
    found = run(scenario(bulk, *map(hard, PERIODS_S)), 1)
    beside, *sets = found.tasks
    assert sum(flow.submitted for flow in sets) > 250
    assert [(flow.in_time, flow.left_out) for flow in sets] == [
        (flow.submitted, 0) for flow in sets
    ]
    # What was not reserved is not idle.
    assert beside.service_s > 0.3 * found.lane_s


def test_without_a_reservation_the_same_runs_are_late() -> None:
    soft = [replace(hard(period_s), hard=False, priority=3) for period_s in PERIODS_S]
    _, *sets = run(scenario(URGENT, *soft), 1).tasks
    assert sum(flow.submitted - flow.in_time for flow in sets) > 0


@pytest.mark.parametrize("catch_up", ["skip", "one", "all"])
def test_turns_at_which_no_owner_lived_are_caught_up_with_by_the_rule(catch_up: str) -> None:
    flow = TaskFlow(0, period_s=0.25, at_s=0.1, catch_up=catch_up, overlap="wait", slack_s=inf)
    crash = Fault("scheduler_crash", 3.0, 0.5, scheduler=0)
    (found,) = run(scenario(flow, duration_s=12.0, faults=(crash,), schedulers=2), 1).tasks
    turns = 47  # each quarter of a second from 0.25 to 11.75 s
    assert found.done == found.submitted
    assert found.submitted + found.left_out in {turns, turns + 1}
    # The lease of the dead one ends after 3 s.
    missed = {"skip": range(10, 14), "one": range(9, 13), "all": range(1)}[catch_up]
    assert found.left_out in missed
