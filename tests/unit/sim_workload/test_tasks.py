"""Tasks in workload files."""

from math import inf

import pytest

from hasten_policy.registry import resolve
from hasten_sim.scenario import QueueShape, TaskFlow
from hasten_sim.simulate import simulate
from hasten_sim.workload import WorkloadError
from tests.unit.sim_workload.texts import workload

BULK = '[[tasks]]\nmodel = "model"\ntenant = "archive"\nbacklog = 20\n'
TIMED = (
    '[[tasks]]\nmodel = "model"\nrate_per_s = 50\ndeadline_s = 2\npriority = 0\n'
    "at_s = 1\nfor_s = 3\nattempts_max = 5\n"
)
NINE = '[[tasks]]\nmodel = "model"\nperiod_ms = 9\n'
QUEUE = "[queue]\nschedulers = 2\nshards = 4\nstore_ms = 2\nlease_s = 1\n"


def test_tasks_become_flows() -> None:
    found = workload(QUEUE, BULK, TIMED).scenario()
    assert found.tenants == ("", "archive")
    assert found.tasks == (
        TaskFlow(0, tenant=1, backlog=20),
        TaskFlow(0, 0, 0, 2.0, 50.0, 0, 1.0, 3.0, 5),
    )
    assert found.queue == QueueShape(2, 4, 0.002, 1.0)
    assert found.tasks[0].slack_s == found.tasks[0].for_s == inf


def test_a_workload_without_tasks_has_no_scheduler() -> None:
    found = workload().scenario()
    assert found.tasks == ()
    assert simulate(found, resolve("hasten"), 1).tasks == ()


def test_figures_of_tasks_are_of_each_flow() -> None:
    found = workload(QUEUE, BULK, TIMED, duration_s=5).scenario()
    bulk, timed = simulate(found, resolve("hasten"), 1).tasks
    assert (bulk.name, timed.name) == ("model of archive", "model")
    assert bulk.done_per_s > 0
    assert 100 < timed.submitted < 200
    assert timed.done == timed.in_time == timed.submitted
    assert timed.runs == timed.done


def test_a_model_may_be_there_for_tasks_alone() -> None:
    models = (
        '[[models]]\nname = "a"\nalpha_ms = 1\n[[models]]\nname = "b"\nalpha_ms = 1\nshare = 0\n'
    )
    said = workload('[[tasks]]\nmodel = "b"\nrate_per_s = 9\n', models=models).scenario()
    assert {arrival.model for arrival in said.arrivals(1)} == {0}
    with pytest.raises(WorkloadError, match="models: expected at least one model with a share"):
        workload(models='[[models]]\nname = "b"\nalpha_ms = 1\nshare = 0\n')


def test_periodic_tasks_become_schedules() -> None:
    hard = '[[tasks]]\nmodel = "model"\nperiod_ms = 200\nphase_ms = 50\ndeadline_s = 0.2\n'
    found = workload(QUEUE, f"{hard}hard = true\npriority = 0\n", duration_s=5).scenario()
    (flow,) = found.tasks
    assert (flow.period_s, flow.phase_s, flow.hard) == (0.2, 0.05, True)
    (figures,) = simulate(found, resolve("hasten"), 1).tasks
    assert 20 <= figures.submitted <= 25
    assert figures.in_time == figures.submitted
    assert figures.left_out == 0


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (
            '[[tasks]]\nmodel = "model"\nbacklog = 1\nhard = true\n',
            "tasks[0]: expected period_ms beside hard",
        ),
        (
            f"{NINE}phase_ms = 9\n",
            "tasks[0]: expected phase_ms less than period_ms",
        ),
        (
            f"{NINE}hard = true\n",
            "tasks[0]: expected deadline_s of at most the period, as it is hard",
        ),
        (
            f'{NINE}deadline_s = 0.009\nhard = true\ncatch_up = "all"\n',
            "tasks[0]: expected catch_up and overlap skip, as it is hard",
        ),
        ('[[tasks]]\nmodel = "x"\nbacklog = 1\n', "tasks[0].model: found 'x', expected one of"),
        (
            '[[tasks]]\nmodel = "model"\n',
            "tasks[0]: expected one of rate_per_s, backlog and period_ms",
        ),
        (
            '[[tasks]]\nmodel = "model"\nbacklog = 1\nrate_per_s = 1\n',
            "tasks[0]: expected one of rate_per_s, backlog and period_ms",
        ),
        (
            '[[faults]]\nkind = "scheduler_crash"\nscheduler = 0\nat_s = 1\n',
            "faults[0].scheduler: found 0, expected less than the number of schedulers, 0",
        ),
        ('[[faults]]\nkind = "scheduler_crash"\nat_s = 1\n', "scheduler for scheduler_crash"),
    ],
)
def test_what_is_wrong_is_said(table: str, fault: str) -> None:
    with pytest.raises(WorkloadError) as error:
        workload(table)
    assert fault in str(error.value)
