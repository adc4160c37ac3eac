"""Goodput at 99 % attainment, and under overload, by the rule that forms batches."""

from dataclasses import dataclass
from typing import Final

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.sweep import Job
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, percent, table
from loadtest.evaluation.setting import CENTRAL, Setting

ATTAINED: Final = 0.99
DURATION_S: Final = 8
WARMUP_S: Final = 3
SHARE_MIN: Final = 0.97
STEP: Final = 0.01
LOAD_MIN: Final = 0.2
LOAD_MAX: Final = 1.16
QUICK_STEPS: Final = 4
OVER_PER_S: Final = 9000
CAPACITY_PER_S: Final = 32 * 8 / 0.042
CASES: Final = {
    "8 models, 100 ms": "batching.toml",
    "CV 4": "batching_cv4.toml",
    "50 ms": "batching_slo50.toml",
    "32 models": "batching_32_models.toml",
}
HYBRID: Final = "hasten,admission=open,worker.refuse_hopeless=false"
RULES: Final = {
    "`shrink`": "shrink",
    "`window`": "window",
    "hybrid, all come in": HYBRID,
    "hybrid, as shipped (`hasten`)": "hasten",
    "`deferral`": "deferral",
}
PROTOTYPE: Final = (("5679", "5364", "3826", "3441"), ("5953", "5915", "4551", "4209"))
"""Of the hybrid: goodput at 99 %, and at 9000/s."""

Key = tuple[str, str]


@dataclass(slots=True)
class Edge:
    """Between which loads the attainment falls below 99 %, in steps of the load."""

    good: int = 0
    bad: int = round((LOAD_MAX - LOAD_MIN) / STEP)
    goodput_per_s: float = 0.0

    @property
    def middle(self) -> int:
        """The load to try next."""
        return (self.good + self.bad) // 2


def write(bench: Bench) -> Written:
    """Finds each rule's edge, and runs it beyond."""
    settings = {
        case: bench.setting(file, CENTRAL, duration_s=DURATION_S, warmup_s=WARMUP_S)
        for case, file in CASES.items()
    }
    keys = [(rule, case) for rule in RULES for case in CASES]
    edges = _edges(bench, settings, keys)
    over = _at(bench, settings, keys, OVER_PER_S / CAPACITY_PER_S)
    halves = [(rule, "8 models, 100 ms") for rule in RULES]
    half = _at(bench, settings, halves, 0.5)
    at_edge = {key: edge.goodput_per_s for key, edge in edges.items()}
    beyond = {key: figures.goodput_per_s for key, figures in over.items()}
    body = TEXT
    for title, found, known in (
        ("answers in time a second, 99 % in time", at_edge, PROTOTYPE[0]),
        (f"answers in time a second, {OVER_PER_S}/s offered", beyond, PROTOTYPE[1]),
    ):
        rows = [(rule, *(f"{found[rule, case]:.0f}" for case in CASES)) for rule in RULES]
        rows.append(("prototype of the hybrid", *known))
        body += table((title, *CASES), rows) + "\n"
    rows = [(rule, percent(half[rule, case].utilisation)) for rule, case in halves]
    body += table(("8 models, 100 ms, at half load", "lanes busy"), rows)
    claims = (_claim("at 99 %", at_edge), _claim(f"at {OVER_PER_S}/s", beyond), _busy(half))
    return Written(body, claims)


def _edges(bench: Bench, settings: dict[str, Setting], keys: list[Key]) -> dict[Key, Edge]:
    """Bisects all edges together, so that every round fills the pool."""
    edges = {key: Edge(bad=QUICK_STEPS) if bench.quick else Edge() for key in keys}
    while open_keys := [key for key in keys if edges[key].bad - edges[key].good > 1]:
        jobs = [
            _job(settings[key[1]], key[0], LOAD_MIN + STEP * edges[key].middle) for key in open_keys
        ]
        for key, figures in zip(open_keys, bench.run(jobs), strict=True):
            edge = edges[key]
            if figures.attainment >= ATTAINED:
                edge.good = edge.middle
                edge.goodput_per_s = figures.goodput_per_s
            else:
                edge.bad = edge.middle
    return edges


def _at(
    bench: Bench, settings: dict[str, Setting], keys: list[Key], load: float
) -> dict[Key, Figures]:
    found = bench.run([_job(settings[case], rule, load) for rule, case in keys])
    return dict(zip(keys, found, strict=True))


def _job(setting: Setting, rule: str, load: float) -> Job:
    return Job(setting, RULES[rule], seed=1, point=Point(load=load))


def _claim(where: str, found: dict[Key, float]) -> Claim:
    shares: dict[str, float] = {}
    for case in CASES:
        rival = max(found["`shrink`", case], found["`window`", case], 1e-9)
        shares[case] = found["hybrid, all come in", case] / rival
    worst = min(shares, key=lambda case: shares[case])
    return Claim(
        f"goodput {where}: the hybrid rule reaches at least {percent(SHARE_MIN, 0)} of the better "
        "of `shrink` and `window` in every case",
        f"least {percent(shares[worst])} ({worst})",
        shares[worst] >= SHARE_MIN,
    )


def _busy(half: dict[Key, Figures]) -> Claim:
    deferral, hybrid = (
        half[rule, "8 models, 100 ms"].utilisation for rule in ("`deferral`", "hybrid, all come in")
    )
    return Claim(
        "at half load deferral keeps lanes free that eager batches keep busy",
        f"lanes busy {percent(deferral)} to {percent(hybrid)}",
        deferral < hybrid,
    )


TEXT: Final = f"""\
One worker of 8 lanes, batches of 10 + b ms of at most 32 rows, Zipf 0.9, Poisson arrivals unless
the column says otherwise. {DURATION_S} virtual seconds of which {WARMUP_S} are not counted.

The first table is the goodput at the highest load with at least {percent(ATTAINED, 0)} of the
offered requests in time, found by bisection to {percent(STEP, 0)} of {CAPACITY_PER_S:.0f} requests
a second. In all rows but `hasten` all that is offered comes in, so that only the rule differs.

"""

PAGE: Final = Page(
    "batching",
    "Which rule forms batches",
    "goodput at 99 % attainment and at 9000/s by rule; lanes busy at half load",
    "python -m loadtest.evaluation --only batching",
    write,
)
