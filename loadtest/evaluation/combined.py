"""The whole mesh against one central queue."""

from statistics import fmean
from typing import Final

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.sweep import Job
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Claim, Page, Written, percent, table
from loadtest.evaluation.setting import CENTRAL

RATIO_MIN: Final = 0.93
LOADS: Final = (1.1, 2.0, 3.0)
NAMES: Final = ("model", "resnet-v")
MODELS: Final = """\
[[models]]
name = "{name}"
count = 8
zipf = 0.9
alpha_ms = 10
beta_ms = 1
batch_max = 32
"""
MESHES: Final = {
    "one central queue": CENTRAL,
    "1 router, 8 workers": "[mesh]\nrouters = 1\n",
    "2 routers, 8 workers": "[mesh]\nrouters = 2\n",
    "4 routers, 8 workers": "[mesh]\nrouters = 4\n",
}
SEVERAL: Final = ("2 routers, 8 workers", "4 routers, 8 workers")

Cell = tuple[str, float]


def write(bench: Bench) -> Written:
    """Runs each mesh at each load with each set of names."""
    cells = [(mesh, load) for mesh in MESHES for load in LOADS]
    jobs = [
        Job(
            bench.setting(
                "combined.toml",
                MESHES[mesh] + MODELS.format(name=name),
                duration_s=15,
                warmup_s=6,
            ),
            "hasten",
            seed=1,
            point=Point(load=load),
        )
        for mesh, load in cells
        for name in NAMES
    ]
    figures = bench.run(jobs)
    sets = len(NAMES)
    found = {cell: figures[at * sets : (at + 1) * sets] for at, cell in enumerate(cells)}
    goodput = {cell: fmean(each.goodput_per_s for each in runs) for cell, runs in found.items()}
    ratio = {
        (mesh, load): goodput[mesh, load] / max(goodput["one central queue", load], 1e-9)
        for mesh, load in cells
    }
    loads = [f"{load:g}x" for load in LOADS]
    body = TEXT
    for title, shown in (
        ("answers in time a second", {cell: f"{g:.0f}" for cell, g in goodput.items()}),
        ("the same, of one central queue", {cell: f"{r:.3f}" for cell, r in ratio.items()}),
        ("P(miss given admitted)", {cell: _missed(runs) for cell, runs in found.items()}),
    ):
        rows = [(mesh, *(shown[mesh, load] for load in LOADS)) for mesh in MESHES]
        body += table((title, *loads), rows) + "\n"
    return Written(body, (_claim(ratio),))


def _missed(runs: list[Figures]) -> str:
    return percent(fmean(each.miss_given_admitted for each in runs), 2)


def _claim(ratio: dict[Cell, float]) -> Claim:
    several = {cell: share for cell, share in ratio.items() if cell[0] in SEVERAL}
    worst = min(several, key=lambda cell: several[cell])
    return Claim(
        f"several routers before 8 workers reach at least {RATIO_MIN} of one central queue",
        f"least {several[worst]:.3f} ({worst[0]}, {worst[1]:g}x load)",
        several[worst] >= RATIO_MIN,
    )


TEXT: Final = f"""\
All decisions at once: several routers, load on every reply, admission by plan, hybrid batches on
each of 8 workers, 8 models (Zipf 0.9), batches of 10 + b ms of at most 32 rows, deadlines of
100 ms. Beside it one router before one worker of 8 lanes: the same work in one queue. Means over
{len(NAMES)} sets of model names, for the layout of models over workers depends on the names. 15
virtual seconds of which 6 are not counted.

"""

PAGE: Final = Page(
    "combined",
    "The whole mesh against one central queue",
    "goodput of 1, 2 and 4 routers before 8 workers, of that of one queue before 8 lanes",
    "python -m loadtest.evaluation --only combined",
    write,
)
