"""Goodput as the offered load grows past the capacity, by policy."""

from typing import Final

from hasten_sim.sweep import Job
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, percent, table

SHARE_MIN: Final = 0.95
DURATION_S: Final = 10
WARMUP_S: Final = 4
POLICIES: Final = (
    "fifo",
    "dynamic",
    "gradient2",
    "codel",
    "codel_lifo",
    "dagor",
    "fixed_limit",
    "hasten,admission=fixed_limit",
    "hasten",
)
COLUMNS: Final = (
    ("4000/s", "overload.toml", 4000),
    ("7000/s", "overload.toml", 7000),
    ("12000/s", "overload.toml", 12000),
    ("12000/s, CV 4", "overload_bursty.toml", 12000),
)
PROTOTYPE: Final = ("4000", "5987", "6004", "6062")
"""What the rules of `hasten` did in the prototype by which they were chosen."""


def write(bench: Bench) -> Written:
    """Runs each policy at each load."""
    jobs = [
        Job(
            bench.setting(
                file,
                f"[arrivals]\nrate_per_s = {rate}\n[deadlines]\ncallers_leave = false\n",
                duration_s=DURATION_S,
                warmup_s=WARMUP_S,
            ),
            policy,
            seed=1,
        )
        for policy in POLICIES
        for _, file, rate in COLUMNS
    ]
    figures = bench.run(jobs)
    wide = len(COLUMNS)
    goodput = {
        policy: [each.goodput_per_s for each in figures[at * wide : (at + 1) * wide]]
        for at, policy in enumerate(POLICIES)
    }
    rows = [(f"`{policy}`", *(f"{g:.0f}" for g in found)) for policy, found in goodput.items()]
    rows.append(("prototype of `hasten`", *PROTOTYPE))
    head = ("answers in time a second", *(name for name, _, _ in COLUMNS))
    return Written(TEXT + table(head, rows) + _reading(goodput), (_claim(goodput["hasten"]),))


def _claim(hasten: list[float]) -> Claim:
    smooth = hasten[:3]
    share = smooth[-1] / max(*smooth, 1e-9)
    return Claim(
        f"goodput at twice the capacity is at least {percent(SHARE_MIN, 0)} of its own peak",
        f"{percent(share)} ({smooth[-1]:.0f}/s of {max(smooth):.0f}/s)",
        share >= SHARE_MIN,
    )


def _reading(goodput: dict[str, list[float]]) -> str:
    at_twice = {policy: found[2] for policy, found in goodput.items() if policy != "hasten"}
    best = max(at_twice, key=lambda policy: at_twice[policy])
    worst = min(at_twice, key=lambda policy: at_twice[policy])
    return (
        f"\nAt 12000/s `hasten` answers {goodput['hasten'][2]:.0f} requests a second in time; the "
        f"best of the others, `{best}`, {at_twice[best]:.0f}, the last, `{worst}`, "
        f"{at_twice[worst]:.0f}.\n"
    )


TEXT: Final = f"""\
8 workers, 4 alike models, batches of 10 + b ms of at most 32 rows, deadlines of 100 ms, one router:
the capacity is 6095 requests a second. Arrivals are Poisson, in the last column gamma gaps with a
CV of 4. Callers stay until they hear something (`callers_leave = false`): a policy that knows no
deadline is not helped by callers who cancel.
The policies of peers spread each model over all workers, so their batches are smaller as well;
`hasten,admission=fixed_limit` is `hasten` in all but who comes in.
{DURATION_S} virtual seconds of which {WARMUP_S} are not counted.

"""

PAGE: Final = Page(
    "overload",
    "Goodput under overload",
    "answers in time a second at 0.7, 1.15 and 2 times the capacity, by policy",
    "python -m loadtest.evaluation --only overload",
    write,
)
