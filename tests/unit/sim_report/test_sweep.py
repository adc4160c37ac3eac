"""Many runs: order, processes, errors, and nothing left behind."""

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hasten_sim.figures import Figures
from hasten_sim.points import Point, at_rate, load_at, scenario_at
from hasten_sim.report.about import about
from hasten_sim.report.document import document
from hasten_sim.report.page import page
from hasten_sim.report.summary import summed_up
from hasten_sim.scenario import Scenario
from hasten_sim.sweep import Job, JobError, run_all
from tests.unit.sim_report.runs import SMALL, Small

JOBS = [
    Job(SMALL, policy, seed, Point(load=load))
    for policy in ("hasten", "fifo")
    for load in (0.5, 2.0)
    for seed in (1, 2)
]


@dataclass(frozen=True)
class Broken:
    """A source that fails."""

    def scenario(
        self, *, load: float | None = None, workers: int | None = None, routers: int | None = None
    ) -> Scenario:
        del load, workers, routers
        raise RuntimeError("no such mesh")


@dataclass(frozen=True)
class Deadly:
    """A source that takes its process with it."""

    def scenario(
        self, *, load: float | None = None, workers: int | None = None, routers: int | None = None
    ) -> Scenario:
        del load, workers, routers
        os._exit(9)


def test_the_number_of_processes_changes_no_byte() -> None:
    told = about(SMALL, description="", command="", seeds=(1, 2))
    said = []
    for processes in (1, 2, 3):
        found = summed_up(JOBS, run_all(JOBS, processes))
        said.append((json.dumps(document(found, told)), page(found, told)))
    assert said[0] == said[1] == said[2]


def test_figures_come_in_the_order_of_the_jobs_and_each_is_told_of_once() -> None:
    told: list[Job] = []
    found = run_all(JOBS, 2, lambda job, _figures: told.append(job))
    assert [(one.policy, one.load, one.seed) for one in found] == [
        (job.policy, job.point.load, job.seed) for job in JOBS
    ]
    assert sorted(told, key=str) == sorted(JOBS, key=str)


def test_another_seed_gives_other_figures() -> None:
    one, other = run_all([Job(SMALL, "hasten", seed) for seed in (1, 2)], 1)
    assert one.offered != other.offered


@pytest.mark.parametrize("processes", [1, 2])
def test_a_failed_run_names_its_job(processes: int) -> None:
    bad = Job(Broken(), "hasten", 7, Point(load=2.0, workers=3))
    with pytest.raises(
        JobError, match=r"hasten at 2x load, 3 workers, seed 7.*no such mesh"
    ) as hit:
        run_all([JOBS[0], bad], processes)
    assert hit.value.job == bad
    assert not multiprocessing.active_children()


def test_a_process_that_dies_ends_the_sweep_with_a_sentence() -> None:
    with pytest.raises(JobError, match="a process of the pool died"):
        run_all([Job(Deadly(), "hasten", 1), Job(Deadly(), "hasten", 2)], 2)
    assert not multiprocessing.active_children()


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """A test run in the background of a shell inherits an ignored SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
def test_ctrl_c_leaves_no_process() -> None:
    jobs = [Job(Small(duration_s=20.0), "hasten", seed) for seed in range(6)]
    jobs.insert(0, JOBS[0])

    def interrupt(_job: Job, _figures: Figures) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_all(jobs, 2, interrupt)
    assert not multiprocessing.active_children()
    assert not [one for one in threading.enumerate() if "QueueManager" in one.name]


def test_more_workers_meet_the_same_rate() -> None:
    base = SMALL.scenario()
    for workers in (1, 2, 5):
        point = Point(workers=workers)
        found = scenario_at(SMALL, point)
        assert found.mesh.workers == workers
        assert found.offered_per_s == pytest.approx(base.offered_per_s)
        assert load_at(SMALL, point, found) == pytest.approx(1.2 * 2 / workers, rel=1e-5)


def test_a_load_is_of_the_capacity_of_that_mesh() -> None:
    point = Point(load=1.5, workers=4)
    found = scenario_at(SMALL, point)
    assert found.offered_per_s == pytest.approx(1.5 * SMALL.scenario(load=1.0).offered_per_s * 2)
    assert at_rate(SMALL, found.offered_per_s, point).load == pytest.approx(1.5)
