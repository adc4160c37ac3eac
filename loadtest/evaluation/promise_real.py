"""Models that compute, on fresh meshes: what is kept of what could be kept."""

from statistics import fmean
from typing import Final

from hasten_sim.figures import Figures
from hasten_sim.points import Point
from hasten_sim.sweep import Job
from hasten_sim.yardstick import one_next_batch
from loadtest.evaluation import promise_real_cases as cases
from loadtest.evaluation import promise_real_claims as claims
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.page import Page, Written, percent, table
from loadtest.evaluation.promise_real_claims import Cell, Seen
from loadtest.evaluation.setting import Setting

DURATION_S: Final = 4
WARMUP_S: Final = 1
SEEDS: Final = (1, 2, 3)
POLICY: Final = "hasten"


def write(bench: Bench) -> Written:
    """Runs each case at each load, and what could be kept beside it."""
    settings = {
        case: bench.setting(file, change, duration_s=DURATION_S, warmup_s=WARMUP_S)
        for case, (file, change) in cases.ALL.items()
    }
    cells = [Cell(case, load) for case in cases.ALL for load in cases.LOADS]
    seen = _seen(bench, settings, cells)
    could = {
        cell: _could(settings[cell.case], cell.load)
        for cell in cells
        if cell.case in cases.MODELS or cell.case in cases.TRIALS
    }
    back = _back(bench)
    body = TEXT + "\n".join(_tables(seen, could)) + "\n" + _back_table(back)
    found = (
        claims.reaches("a mesh that was just started", cases.MODELS, seen, could),
        claims.reaches("a wrong profile, none, drift or stalls", cases.TRIALS, seen, could),
        claims.late(seen),
        claims.idle(seen),
        *(claims.wanted(case, least, seen) for case, least in cases.WANTED.items()),
        claims.stolen(seen),
        claims.comes_back(back),
    )
    return Written(body, found)


# --- runs -----------------------------------------------------------------------------------


def _seen(bench: Bench, settings: dict[str, Setting], cells: list[Cell]) -> dict[Cell, Seen]:
    jobs = [
        Job(settings[cell.case], POLICY, seed, Point(load=cell.load))
        for cell in cells
        for seed in SEEDS
    ]
    found = bench.run(jobs)
    wide = len(SEEDS)
    return {
        cell: _mean(settings[cell.case], found[at * wide : (at + 1) * wide])
        for at, cell in enumerate(cells)
    }


def _mean(setting: Setting, runs: list[Figures]) -> Seen:
    capacity_per_s = setting.scenario(load=1.0).offered_per_s
    return Seen(
        share=fmean(run.goodput_per_s for run in runs) / capacity_per_s,
        late=fmean(run.late_share for run in runs),
        idle=fmean(run.refused_idle / max(1, run.offered) for run in runs),
        refusal_ms=max(run.refusal_ms["p99"] for run in runs),
        in_vain=sum(run.executed_late for run in runs),
        at_first=_in_second(runs, 0),
    )


def _could(setting: Setting, load: float) -> float:
    """Answers in time with exact knowledge, of the capacity."""
    scenario = setting.scenario(load=load)
    kept = fmean(one_next_batch(scenario, seed).goodput_per_s for seed in SEEDS)
    return kept * load / scenario.offered_per_s


def _back(bench: Bench) -> dict[str, float]:
    """Of the requests of the second that begins a second after something bad: share in time."""
    jobs = [
        Job(bench.setting(file, change, duration_s=cases.BACK_S, warmup_s=0), POLICY, seed)
        for file, change in cases.BACK.values()
        for seed in SEEDS
    ]
    runs = bench.run(jobs)
    wide = len(SEEDS)
    return {
        name: _in_second(runs[at * wide : (at + 1) * wide], cases.BACK_SECOND)
        for at, name in enumerate(cases.BACK)
    }


def _in_second(runs: list[Figures], second: int) -> float:
    offered = sum(sum(run.offered_by_s[second : second + 1]) for run in runs)
    good = sum(sum(run.goodput_by_s[second : second + 1]) for run in runs)
    return good / offered if offered else 1.0


# --- what is shown ----------------------------------------------------------------------------


def _tables(seen: dict[Cell, Seen], could: dict[Cell, float]) -> list[str]:
    loads = [f"{load:g}x" for load in cases.LOADS]
    shares: list[tuple[str, ...]] = []
    for case in cases.ALL:
        row = [f"{seen[Cell(case, load)].share:.2f}" for load in cases.LOADS]
        best = [could.get(Cell(case, load)) for load in cases.LOADS]
        pairs = zip(row, best, strict=True)
        shares.append((case, *(f"{s} / {b:.2f}" if b is not None else s for s, b in pairs)))
    first, late, idle = (
        [
            (case, *(_percent(getattr(seen[Cell(case, load)], what)) for load in cases.LOADS))
            for case in cases.ALL
        ]
        for what in ("at_first", "late", "idle")
    )
    slow = [
        (case, *(f"{seen[Cell(case, load)].refusal_ms:.0f}" for load in cases.LOADS))
        for case in cases.ALL
    ]
    measured = [(case, *row) for case, row in cases.MEASURED.items()]
    return [
        table(("answers in time / could be, of the capacity", *loads), shares),
        table(("the same of real meshes, 25 November 2026", *loads), measured),
        table(("in time in the first second, of the offered", *loads), first),
        table(("not in time, of what was not refused", *loads), late),
        table(("refused for want of time by a mesh with nothing else to do", *loads), idle),
        table(("refusals, ms at the 99th percentile", *loads), slow),
    ]


def _percent(share: float) -> str:
    return percent(share, 1)


def _back_table(back: dict[str, float]) -> str:
    rows = [(name, _percent(share)) for name, share in back.items()]
    head = (f"in time from 1 to 2 s after, {cases.BACK_LOAD:g}x load", "of the offered")
    return table(head, rows)


TEXT: Final = f"""\
One router before one worker with one lane, deadlines of 50 ms, Poisson arrivals. Each run begins
with a mesh that was just started and lasts {DURATION_S} virtual seconds of which the first is not
counted; means over {len(SEEDS)} seeds. The capacity is what batches do of which two in a row end
within 50 ms: 472, 393 and 187 requests a second for 24, 32 and 64 tokens (batches of 2 + 1.8 b,
2.5 + 2.1 b and 2 + 4.6 b ms), 200 for seven lengths from 8 to 128 in one stream. Behind the slash
stands what one lane answers that knows exactly how long runs take and admits by one next batch
(`hasten_sim.yardstick`).

In the last rows router and worker share two cores, on which a router spends 120 us on a call, 80
more to refuse it and 110 more to answer it; calls wait for its thread while their deadlines run, at
most 112 of them. The perceptron takes 0.4 ms, and its load 1 is 4,000/s. Burners are threads that
always want a core; the throttled mesh stands still for 30 of every 100 ms. `as measured` is all of
it at once: two cores, noise that drifts, a stall of 15 ms every second or so, a profile made with
rows of length 1 that is half too short besides, and the capacity of a closed loop of 16 callers
(437, 387 and 215 requests a second).

"""

PAGE: Final = Page(
    "promise_real",
    "The promise on models that compute",
    "goodput of fresh meshes beside what exact knowledge could do; wrong profiles, short CPU",
    "python -m loadtest.evaluation --only promise_real",
    write,
)
