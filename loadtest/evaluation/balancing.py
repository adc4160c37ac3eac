"""Tail latency by the rule that chooses the worker."""

from typing import Final, NamedTuple

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.sweep import Job
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, percent, table

RATIO_MAX: Final = 1.3
DURATION_S: Final = 30
WARMUP_S: Final = 8
ANSWERED_MIN: Final = 0.995
EARLY: Final = "hasten,router.late_binding=false,balancer="
REFERENCE: Final = EARLY + "wlc_static"
RIVALS: Final = {
    "`wlc_static`": (EARLY + "wlc_static", ""),
    "`p2c`": (EARLY + "p2c", ""),
    "`peak_ewma`": (EARLY + "peak_ewma", ""),
    "`least_connections`": (EARLY + "least_connections", ""),
    "`snapshot_least_connections`, 50 ms": (
        EARLY + "snapshot_least_connections",
        "[mesh.network]\nreport_period_ms = 50\n",
    ),
    "`snapshot_least_connections`, 250 ms": (EARLY + "snapshot_least_connections", ""),
    "`snapshot_own`, 250 ms": (EARLY + "snapshot_own", ""),
    "`weighted_random`": (EARLY + "weighted_random", ""),
    "`round_robin`": (EARLY + "round_robin", ""),
}
"""Policies with what they change in the workload."""


class Column(NamedTuple):
    """One situation; `known` is what the operator's weights are under `hasten`."""

    name: str
    file: str
    routers: int
    known: str = "weights_known = false\nweights = []"


COLUMNS: Final = (
    Column("1 router", "balancing.toml", 1),
    Column("4 routers", "balancing.toml", 4),
    Column("16 routers", "balancing.toml", 16),
    Column(
        "weights 40 % wrong, 4",
        "balancing_wrong_weights.toml",
        4,
        "weights_known = true\nweights = [1.4, 0.6]",
    ),
    Column("one worker 4x slower, 4", "balancing_silent_slow.toml", 4),
    Column("one worker 4x slower, 16", "balancing_silent_slow.toml", 16),
)
PROTOTYPE: Final = ("61", "74", "102", "74", "86", "117")


def write(bench: Bench) -> Written:
    """Runs each balancer in each situation."""
    jobs = [_job(bench, REFERENCE, "[mesh.network]\nlatency_ms = 0\n", COLUMNS[0])]
    jobs += [_job(bench, "hasten", f"[mesh]\n{each.known}\n", each) for each in COLUMNS]
    for policy, change in RIVALS.values():
        jobs += [_job(bench, policy, change, each) for each in COLUMNS]
    reference, *figures = bench.run(jobs)
    names = ("`hasten`", *RIVALS)
    wide = len(COLUMNS)
    found = {name: figures[at * wide : (at + 1) * wide] for at, name in enumerate(names)}
    rows = [(name, *(_cell(each) for each in row)) for name, row in found.items()]
    rows.append(("prototype of `hasten`", *PROTOTYPE))
    best_ms = _p99_ms(reference)
    body = TEXT.format(best_ms=best_ms)
    body += table(("p99, ms", *(each.name for each in COLUMNS)), rows)
    body += _reading(found)
    return Written(body, tuple(_claims(found, best_ms)))


def _job(bench: Bench, policy: str, change: str, column: Column) -> Job:
    setting = bench.setting(column.file, change, duration_s=DURATION_S, warmup_s=WARMUP_S)
    return Job(setting, policy, seed=1, point=Point(routers=column.routers))


def _p99_ms(figures: Figures) -> float:
    return figures.latency_ms["p99"]


def _cell(figures: Figures) -> str:
    shown = f"{_p99_ms(figures):.0f}"
    if figures.attainment < ANSWERED_MIN:
        shown += f" ({percent(1 - figures.attainment)} refused)"
    return shown


def _claims(found: dict[str, list[Figures]], best_ms: float) -> list[Claim]:
    hasten = [_p99_ms(each) for each in found["`hasten`"]]
    ratios = [p99_ms / max(best_ms, 1e-9) for p99_ms in hasten]
    fixed = [_p99_ms(each) for each in found["`wlc_static`"]]
    return [
        Claim(
            f"p99 is at most {RATIO_MAX} times that of the omniscient join-shortest-queue, for "
            "1 and 4 routers",
            f"{ratios[0]:.2f} and {ratios[1]:.2f} times {best_ms:.0f} ms",
            max(ratios[:2]) <= RATIO_MAX,
        ),
        Claim(
            "it holds with one worker silently 4 times slower: p99 is at most "
            f"{RATIO_MAX} times that without, and below that of static weights",
            f"4 routers: {hasten[4] / max(hasten[1], 1e-9):.2f} times, {hasten[4]:.0f} ms to "
            f"{fixed[4]:.0f}; 16 routers: {hasten[5] / max(hasten[2], 1e-9):.2f} times, "
            f"{hasten[5]:.0f} ms to {fixed[5]:.0f}",
            all(
                hasten[slow] <= RATIO_MAX * hasten[same] and hasten[slow] < fixed[slow]
                for same, slow in ((1, 4), (2, 5))
            ),
        ),
    ]


def _reading(found: dict[str, list[Figures]]) -> str:
    said: list[str] = []
    for at, column in enumerate(COLUMNS):
        first = min(found, key=lambda name: (_p99_ms(found[name][at]), name))
        said.append(f"{column.name}: {first}")
    return f"\nLeast p99 by column: {'; '.join(said)}.\n"


TEXT: Final = f"""\
16 workers of speeds 0.5, 1 and 2, runs of 10 ms at speed 1, log-normal with a CV of 1, no batches,
no deadlines, load 0.85. {DURATION_S} virtual seconds of which {WARMUP_S} are not counted.

The reference is join-shortest-queue with nothing hidden: `wlc_static` with one router, no network
latency and true weights: p99 {{best_ms:.0f}} ms. It and all rows but the first are plain proxies
(`router.late_binding=false`: calls go to workers at once) and are told the true speeds as weights,
40 % wrong in the fourth column. `hasten` measures the workers and is told nothing: it would
multiply a weight with seconds that hold the speed already. In the fourth column it is told weights
that are 40 % off from 1. Where calls were refused because a queue was full, the cell says so.

"""

PAGE: Final = Page(
    "balancing",
    "Which worker gets the call",
    "p99 on unequal workers for 1, 4 and 16 routers, wrong weights, one silently slow worker",
    "python -m loadtest.evaluation --only balancing",
    write,
)
