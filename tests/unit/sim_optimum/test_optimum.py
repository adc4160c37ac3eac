"""The most deadlines that can be kept, on instances whose answer is known."""

from collections.abc import Sequence
from itertools import permutations
from random import Random

import pytest

from hasten_policy.registry import resolve
from hasten_sim.optimum import (
    JOBS_MAX,
    Job,
    edf_on_time,
    most_on_time,
    on_time,
    random_jobs,
)
from loadtest.evaluation.edf import POLICIES

SHEDDING = resolve(POLICIES["EDF with shedding (`hasten`)"]).worker


def best_of_all_orders(jobs: Sequence[Job]) -> int:
    """By trying them, one by one; jobs that would be late are left out."""
    best = 0
    for order in permutations(jobs):
        now_s = 0.0
        kept = 0
        for job in order:
            end_s = max(now_s, job.release_s) + job.run_s
            if end_s <= job.deadline_s:
                now_s = end_s
                kept += 1
        best = max(best, kept)
    return best


@pytest.mark.parametrize(
    ("jobs", "most"),
    [
        ([], 0),
        ([Job(0.0, 1.0, 1.0)], 1),
        ([Job(0.0, 1.0, 0.9)], 0),
        # Either, but not both.
        ([Job(0.0, 1.0, 1.5), Job(0.0, 1.0, 1.5)], 1),
        # The long one is due first, and costs two short ones.
        ([Job(0.0, 3.0, 3.0), Job(0.0, 1.0, 3.5), Job(0.0, 1.0, 3.5)], 2),
        # The lane has to wait for the second to keep both.
        ([Job(0.0, 2.0, 10.0), Job(1.0, 1.0, 2.0)], 2),
    ],
)
def test_known_instances(jobs: list[Job], most: int) -> None:
    assert most_on_time(jobs) == most


def test_the_search_finds_what_all_orders_find() -> None:
    rng = Random(1)
    for _ in range(60):
        jobs = random_jobs(rng, load=2.0, count=5, spread=0.8)
        assert most_on_time(jobs) == best_of_all_orders(jobs)


def test_too_many_jobs_are_refused() -> None:
    jobs = [Job(0.0, 1.0, 100.0)] * (JOBS_MAX + 1)
    with pytest.raises(ValueError, match="at most 12 jobs"):
        most_on_time(jobs)


def test_nobody_keeps_more_than_the_optimum() -> None:
    rng = Random(2)
    for _ in range(40):
        jobs = random_jobs(rng, load=1.5, count=6, spread=0.5)
        most = most_on_time(jobs)
        assert on_time(jobs, SHEDDING) <= most
        assert edf_on_time(jobs) <= most


def test_the_machine_keeps_what_is_easy() -> None:
    jobs = [Job(0.1 * index, 0.01, 0.1 * index + 0.05) for index in range(6)]
    assert on_time(jobs, SHEDDING) == edf_on_time(jobs) == 6


def test_the_machine_cannot_wait_for_what_it_does_not_know() -> None:
    jobs = [Job(0.0, 0.02, 0.1), Job(0.01, 0.01, 0.021)]
    assert most_on_time(jobs) == 2
    assert on_time(jobs, SHEDDING) == edf_on_time(jobs) == 1
