"""How often an admitted request is late after all."""

from typing import Final, NamedTuple

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.sweep import Job
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, percent, table

MISS_MAX: Final = 0.015
DURATION_S: Final = 16
WARMUP_S: Final = 7
FREE_DURATION_S: Final = 6
FREE_WARMUP_S: Final = 2
LOADS: Final = (0.5, 1.1, 2.0, 3.0)
FREE_LOAD: Final = 2.0
"""At this load `max_goodput` shows what the promise costs."""


class Cell(NamedTuple):
    """One run, by what stands in its row, its column and its table."""

    case: str
    mesh: str
    load: float
    policy: str


CASES: Final = {
    "base": "promise.toml",
    "CV 4": "promise_cv4.toml",
    "deadline 50 ms": "promise_tight.toml",
    "32 models": "promise_32_models.toml",
    "20 % noise": "promise_noise.toml",
    "20 % noise, profiles 40 % too low": "promise_biased.toml",
}
MESHES: Final = {
    "1 router, 8 workers": "[mesh]\nrouters = 1\n",
    "4 routers, 8 workers": "[mesh]\nrouters = 4\n",
}


def write(bench: Bench) -> Written:
    """Runs each case in each mesh at each load."""
    cells = [
        Cell(case, mesh, load, "hasten") for mesh in MESHES for case in CASES for load in LOADS
    ]
    cells += [Cell(case, mesh, FREE_LOAD, "max_goodput") for mesh in MESHES for case in CASES]
    jobs = [
        Job(
            bench.setting(
                CASES[cell.case],
                MESHES[cell.mesh],
                duration_s=DURATION_S if cell.policy == "hasten" else FREE_DURATION_S,
                warmup_s=WARMUP_S if cell.policy == "hasten" else FREE_WARMUP_S,
            ),
            cell.policy,
            seed=1,
            point=Point(load=cell.load),
        )
        for cell in cells
    ]
    found = dict(zip(cells, bench.run(jobs), strict=True))
    body = TEXT + "\n".join(_tables(mesh, found) for mesh in MESHES)
    return Written(body, (_claim(found),))


def _tables(mesh: str, found: dict[Cell, Figures]) -> str:
    loads = [f"{load:g}x" for load in LOADS]
    missed = [
        (case, *(_share(found[Cell(case, mesh, load, "hasten")]) for load in LOADS))
        for case in CASES
    ]
    goodput = [
        (
            case,
            *(f"{found[Cell(case, mesh, load, 'hasten')].goodput_per_s:.0f}" for load in LOADS),
            f"{found[Cell(case, mesh, FREE_LOAD, 'max_goodput')].goodput_per_s:.0f}",
        )
        for case in CASES
    ]
    free = f"`max_goodput` at {FREE_LOAD:g}x"
    return (
        f"## {mesh[0].upper()}{mesh[1:]}\n\n"
        + table(("P(miss given admitted)", *loads), missed)
        + "\n"
        + table(("answers in time a second", *loads, free), goodput)
    )


def _share(figures: Figures) -> str:
    share = figures.miss_given_admitted
    shown = percent(share, 2)
    return shown if share <= MISS_MAX else f"**{shown}**"


def _claim(found: dict[Cell, Figures]) -> Claim:
    strict = {c: f.miss_given_admitted for c, f in found.items() if c.policy == "hasten"}
    worst = max(strict, key=lambda cell: strict[cell])
    over = sum(share > MISS_MAX for share in strict.values())
    return Claim(
        f"P(miss given admitted) is at most {percent(MISS_MAX)} in every cell",
        f"worst {percent(strict[worst], 2)} ({worst.case}, {worst.mesh}, {worst.load:g}x load); "
        f"{over} of {len(strict)} cells above",
        over == 0,
    )


TEXT: Final = f"""\
8 lanes, 8 models of unequal demand (Zipf 0.9), batches of 10 + b ms of at most 32 rows, deadlines
of 100 ms, unless the row says otherwise. The load is a multiple of 6095 requests a second, what
full batches would do. The policy is `hasten` (mode `strict`); an admitted request that was refused
in a queue, or whose caller left, counts as missed. Cells above {percent(MISS_MAX)} are bold.

{DURATION_S} virtual seconds of which {WARMUP_S} are not counted; for `max_goodput`, which promises
nothing, {FREE_DURATION_S} and {FREE_WARMUP_S}.

"""

PAGE: Final = Page(
    "promise",
    "The promise: admitted requests are in time",
    "P(miss given admitted) and goodput from 0.5 to 3 times the capacity, six cases, two meshes",
    "python -m loadtest.evaluation --only promise",
    write,
)
