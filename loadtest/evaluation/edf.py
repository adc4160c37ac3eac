"""Deadlines kept on one lane, of those that could have been kept."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from hasten_policy.registry import resolve
from hasten_sim.optimum import Job, edf_on_time, most_on_time, on_time, random_jobs
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, table

SHARE_MIN: Final = 0.95
LOADS: Final = (0.7, 1.0, 1.5, 2.5)
JOBS: Final = 6
INSTANCES: Final = 1000
Rule = Callable[[Sequence[Job]], int]
"""Jobs in time."""
POLICIES: Final = {
    "EDF with shedding (`hasten`)": "hasten,worker.finish_margin_s=0,worker.refuse_hopeless=false,"
    "worker.prediction.cold_factor=1",
    "plain EDF (`edf_plain`)": "edf_plain",
}
SPREADS: Final = {"runs of 10 ms": 0.0, "runs of 5 to 15 ms": 0.5}
PROTOTYPE: Final = (
    ("EDF with shedding", "0.978", "0.976", "0.966", "0.960"),
    ("plain EDF", "0.933", "0.889", "0.821", "0.714"),
)


def share_kept(keeps: Rule, *, load: float, spread: float, instances: int, seed: int = 1) -> float:
    """Jobs in time, of those that the best order would have in time, over random instances."""
    rng = Random(f"{seed}/{load}/{spread}")
    kept = possible = 0
    for _ in range(instances):
        jobs = random_jobs(rng, load=load, count=JOBS, spread=spread)
        kept += keeps(jobs)
        possible += most_on_time(jobs)
    return kept / possible


def by_machine(policy: str) -> Rule:
    """The worker's machine under a policy."""
    worker = resolve(policy).worker
    return lambda jobs: on_time(jobs, worker)


def write(bench: Bench) -> Written:
    """Runs each rule on the same instances."""
    instances = 10 if bench.quick else INSTANCES
    rules: dict[str, Rule] = {name: by_machine(policy) for name, policy in POLICIES.items()}
    rules["EDF with shedding, as in the textbook"] = edf_on_time
    body = TEXT.format(instances=instances)
    claims: list[Claim] = []
    for runs, spread in SPREADS.items():
        found = {
            name: [
                share_kept(keeps, load=load, spread=spread, instances=instances) for load in LOADS
            ]
            for name, keeps in rules.items()
        }
        rows = [(name, *(f"{share:.3f}" for share in shares)) for name, shares in found.items()]
        head = (f"jobs in time, of the optimum; {runs}", *(f"load {load:g}" for load in LOADS))
        body += table(head, rows) + "\n"
        claims.append(_claim(runs, *found.values()))
    body += table(("prototype", *(f"load {load:g}" for load in LOADS)), PROTOTYPE)
    return Written(body, tuple(claims))


def _claim(runs: str, shedding: list[float], plain: list[float], textbook: list[float]) -> Claim:
    return Claim(
        f"{runs}: EDF with shedding keeps at least {SHARE_MIN} of what the best order keeps",
        f"least {min(shedding):.3f}; plain EDF falls to {min(plain):.3f}, the textbook's shedding "
        f"to {min(textbook):.3f}",
        min(shedding) >= SHARE_MIN,
    )


TEXT: Final = f"""\
One lane, batches of one, no run interrupted: {JOBS} jobs come at random, with 1.5 to 4 times their
run until the deadline, {{instances}} instances a load. The worker's machine meets them one by one
in virtual time, without the margins that it keeps for runs that it does not know yet and for the
way back: here runs are as predicted. Runs that are alike are calls of one model, others are of a
model each: where not all of these can be kept, the longest gives way. The optimum is the best of
all orders by exhaustive search; it knows all jobs beforehand and may wait for one that is yet to
come. The textbook's rule knows only what has come: the earliest deadline of those that can still be
kept. The prototype drew its instances in its own way, so its figures compare in shape only.

"""

PAGE: Final = Page(
    "edf",
    "Earliest deadline first against the optimum",
    "jobs in time, of those in time in the best of all orders, small random instances",
    "python -m loadtest.evaluation --only edf",
    write,
)
