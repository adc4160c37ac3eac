"""Deadlines kept on one lane, of those that could have been kept."""

from random import Random
from typing import Final

from hasten_policy.machines.worker_policy import WorkerPolicy
from hasten_policy.registry import resolve
from hasten_sim.optimum import most_on_time, on_time, random_jobs
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, table

SHARE_MIN: Final = 0.95
LOADS: Final = (0.7, 1.0, 1.5, 2.5)
JOBS: Final = 6
INSTANCES: Final = 2000
POLICIES: Final = {
    "EDF with shedding (`hasten`)": "hasten,worker.finish_margin_s=0",
    "plain EDF (`edf_plain`)": "edf_plain",
}
PROTOTYPE: Final = (
    ("prototype: EDF with shedding", "0.978", "0.976", "0.966", "0.960"),
    ("prototype: plain EDF", "0.933", "0.889", "0.821", "0.714"),
)


def share_kept(policy: WorkerPolicy, *, load: float, instances: int, seed: int = 1) -> float:
    """Jobs in time, of those that the best order would have in time, over random instances."""
    rng = Random(f"{seed}/{load}")
    kept = possible = 0
    for _ in range(instances):
        jobs = random_jobs(rng, load=load, count=JOBS)
        kept += on_time(jobs, policy)
        possible += most_on_time(jobs)
    return kept / possible


def write(bench: Bench) -> Written:
    """Runs each policy on the same instances."""
    instances = 10 if bench.quick else INSTANCES
    found = {
        name: [share_kept(resolve(policy).worker, load=load, instances=instances) for load in LOADS]
        for name, policy in POLICIES.items()
    }
    rows = [(name, *(f"{share:.3f}" for share in shares)) for name, shares in found.items()]
    head = ("jobs in time, of the optimum", *(f"load {load:g}" for load in LOADS))
    body = TEXT.format(instances=instances) + table(head, [*rows, *PROTOTYPE])
    shedding, plain = found.values()
    claim = Claim(
        f"EDF with shedding keeps at least {SHARE_MIN} of what the best order keeps",
        f"least {min(shedding):.3f}; plain EDF falls to {min(plain):.3f}",
        min(shedding) >= SHARE_MIN,
    )
    return Written(body, (claim,))


TEXT: Final = f"""\
One lane, batches of one, no run interrupted: {JOBS} jobs of 5 to 15 ms that come at random, with
1.2 to 4 times their run until the deadline, {{instances}} instances a load. The worker's machine
meets them one by one in virtual time. The optimum is the best of all orders by exhaustive search;
it knows all jobs beforehand and may wait for one that is yet to come. The prototype drew its
instances in its own way, so its figures compare in shape only.

"""

PAGE: Final = Page(
    "edf",
    "Earliest deadline first against the optimum",
    "jobs in time, of those in time in the best of all orders, small random instances",
    "python -m loadtest.evaluation --only edf",
    write,
)
