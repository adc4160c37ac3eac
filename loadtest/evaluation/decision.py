"""What a decision costs as the pool grows."""

from typing import Final

from loadtest.bench_decision import POOLS, measure
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, table

CALLS: Final = 20_000
ROUNDS: Final = 3
"""The least of so many is taken: whatever else runs here only adds."""
FROM: Final = 64


def write(bench: Bench) -> Written:
    """Measures each size of pool in this process."""
    calls, rounds = (300, 1) if bench.quick else (CALLS, ROUNDS)
    found = {
        workers: min((measure(workers, calls) for _ in range(rounds)), key=sum) for workers in POOLS
    }
    rows = [
        (str(workers), f"{arrival_us:.1f}", f"{answer_us:.1f}", f"{arrival_us + answer_us:.1f}")
        for workers, (arrival_us, answer_us) in found.items()
    ]
    most = max(POOLS)
    growth = sum(found[most]) / sum(found[FROM])
    claim = Claim(
        f"the cost of a decision grows less than the pool beyond {FROM} workers",
        f"{growth:.2f} times for {most // FROM} times the workers",
        growth < most / FROM,
    )
    head = ("workers", "arrival, us", "answer, us", "both, us")
    return Written(TEXT + table(head, rows, left=0), (claim,))


TEXT: Final = f"""\
Microseconds of the router's machine alone, without any IO: an arrival that is sent, and its answer.
Means over {CALLS} calls, the least of {ROUNDS} rounds. Above 64 workers a router keeps to a subset
of them (`router.subset_above`). These are timings: they differ from machine to machine.

"""

PAGE: Final = Page(
    "decision",
    "What a decision costs",
    "microseconds of a router decision at 4 to 1024 workers",
    "python -m loadtest.evaluation --only decision",
    write,
)
