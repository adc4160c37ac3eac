"""How much is answered in time, against what could have been."""

from itertools import permutations
from random import Random

import pytest

from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import PretendedWorker, call, model, worker

RUN_S = 0.1
SETS = 60
WARM = 42
"""Runs before, after which no caution is due any more."""
Job = tuple[float, float]
"""(arrival, deadline), absolute seconds."""


def jobs_at(load: float, rng: Random) -> list[Job]:
    arrived_s = 0.0
    jobs = []
    for _ in range(6):
        arrived_s += rng.expovariate(load / RUN_S)
        jobs.append((arrived_s, arrived_s + RUN_S * rng.uniform(1.1, 4.0)))
    return jobs


def clairvoyant(jobs: list[Job]) -> int:
    """Most jobs that one lane can end in time, knowing all arrivals in advance."""
    best = 0
    for order in permutations(jobs):
        free_s, count = 0.0, 0
        for arrived_s, deadline_s in order:
            end_s = max(free_s, arrived_s) + RUN_S
            if end_s <= deadline_s:
                free_s, count = end_s, count + 1
        best = max(best, count)
        if best == len(jobs):
            break
    return best


@pytest.mark.parametrize("load", [0.7, 1.0, 1.5, 2.5])
def test_one_call_at_a_time_comes_near_the_clairvoyant_optimum(load: float) -> None:
    rng = Random(f"{load}")
    policy = WorkerPolicy(finish_margin_s=0.0)
    spec = model(batch_max=1, instances=1, profile=((1, 1, RUN_S),) * 5)
    ratios = []
    for _ in range(SETS):
        jobs = jobs_at(load, rng)
        pretended = worker(spec, policy=policy, run_s=lambda _key, _rows: RUN_S)
        for warm in range(WARM):
            pretended.at(1.01 * RUN_S * warm, call(100 + warm))
        warm_s = 1.01 * RUN_S * WARM
        for index, (arrived_s, deadline_s) in enumerate(jobs):
            pretended.at(warm_s + arrived_s, call(index + 1, deadline_s - arrived_s))
        pretended.run()
        ratios.append((len(pretended.on_time()) - WARM) / clairvoyant(jobs))
    assert sum(ratios) / SETS >= 0.95


def offered(rate: float, until_s: float, **how: object) -> PretendedWorker:
    """Eight models of unequal fame, 100 ms each, on eight lanes."""
    rng = Random(7)
    specs = [model(f"m{index}") for index in range(8)]
    fame = [(index + 1) ** -0.9 for index in range(8)]
    pretended = worker(*specs, policy=WorkerPolicy(lanes=8), **how)
    at_s, call_id = 0.0, 0
    while at_s < until_s:
        at_s += rng.expovariate(rate)
        call_id += 1
        pretended.at(at_s, call(call_id, 0.1, model_key=rng.choices(specs, fame)[0].key))
    pretended.run()
    assert len(pretended.ended) == call_id
    return pretended


def test_twice_the_load_keeps_nine_tenths_of_the_goodput() -> None:
    once = offered(6000.0, 1.5)
    twice = offered(12000.0, 1.5)
    assert len(twice.on_time()) >= 0.9 * len(once.on_time())
    for pretended in (once, twice):
        answered = [end for end in pretended.ended.values() if end.reason is None]
        assert len(pretended.on_time()) == len(answered), "what was run was in time"


def test_with_noisy_runs_few_answers_are_late_and_goodput_holds() -> None:
    rng = Random(3)
    pretended = offered(
        9000.0,
        1.5,
        run_s=lambda _key, rows: (0.010 + 0.001 * rows) * rng.lognormvariate(0.0, 0.2),
    )
    answered = [end for end in pretended.ended.values() if end.reason is None]
    assert len(pretended.on_time()) >= 0.95 * len(answered)
    assert len(pretended.on_time()) >= 5000 * 1.5
