"""Scaling rules against each other; writes docs/evaluation/autoscaling.md.

python -m loadtest.autoscale [--processes N] [--to FOLDER]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from typing import Final

from hasten_sim.figures import Figures
from hasten_sim.report.statistics import Interval, interval
from hasten_sim.sweep import Job
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.command import make_alone
from loadtest.evaluation.page import Claim, Page, Written, table
from loadtest.evaluation.setting import Setting
from loadtest.scaling_traces import PLANNED, TRACES, UNPLANNED

SEEDS: Final = 5
TUNED_ON: Final = 1
"""The seed on which rules are tuned: the first of those that are shown."""
OURS: Final = "hasten"
USES: Final = (0.6, 0.7, 0.8, 0.9)
CALLS: Final = (0.6, 0.8, 1.0, 1.5)
GRID: Final[Mapping[str, tuple[str, ...]]] = {
    OURS: (OURS,),
    **{
        rule: tuple(f"{rule},target={use}" for use in USES)
        for rule in ("hpa", "reactive", "predictive", "hybrid")
    },
    # Knative decides every two seconds.
    "kpa": tuple(f"kpa,target={use}{fast}" for use in USES for fast in ("", ",period_s=2")),
    **{
        rule: tuple(f"{rule},target={calls}" for calls in CALLS) for rule in ("ray", "queue_length")
    },
    "thresholds": ("thresholds",),
    "bands": ("bands",),
    "static": tuple(f"static,workers={count}" for count in (5, 8, 11, 14)),
}
PEERS: Final = ("hpa", "kpa", "ray")
RATIO_MAX: Final = 0.6
LEAST: Final = 1e-5
"""Fewer misses than this are counted as this many: a ratio of nothing says nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One rule with its parameters on one trace.

    Attributes:
        text: The rule as it is written.
        figures: By ascending seed.
    """

    text: str
    figures: tuple[Figures, ...]

    def missed(self) -> Interval:
        """Share of the calls that were not answered in time."""
        return interval([1.0 - each.attainment for each in self.figures])

    def replica_h(self) -> Interval:
        """Replica-hours."""
        return interval([each.scaling.replica_h for each in self.figures if each.scaling])

    def mean(self, of: str) -> float:
        """Mean of another figure of the scaling, by its name."""
        return interval([getattr(each.scaling, of) for each in self.figures]).mean


def tuned(runs: Sequence[Run], most: float) -> Run:
    """Of the parameters of a rule the cheapest that misses no more than `most`; where none does,
    those that miss least.
    """
    good = [run for run in runs if run.missed().mean <= most]
    if good:
        return min(good, key=lambda run: run.replica_h().mean)
    return min(runs, key=lambda run: run.missed().mean)


def missed_at(runs: Sequence[Run], replica_h: float) -> float:
    """What a rule would miss at a price, between its own parameters; log-linear, and as its
    nearest parameters beyond them.
    """
    points = sorted((run.replica_h().mean, max(LEAST, run.missed().mean)) for run in runs)
    for (low_h, low), (high_h, high) in pairwise(points):
        if low_h <= replica_h <= high_h and high_h > low_h:
            part = (replica_h - low_h) / (high_h - low_h)
            return exp((1.0 - part) * log(low) + part * log(high))
    return points[0][1] if replica_h < points[0][0] else points[-1][1]


def on_front(runs: Mapping[str, Run], rule: str) -> bool:
    """No other rule is at least as good in both, and better in one."""
    own = runs[rule].missed().mean, runs[rule].replica_h().mean
    others = [
        (run.missed().mean, run.replica_h().mean) for name, run in runs.items() if name != rule
    ]
    return not any(
        missed <= own[0] and hours <= own[1] and (missed, hours) != own for missed, hours in others
    )


def write(
    bench: Bench,
    traces: Mapping[str, Setting] = TRACES,
    grid: Mapping[str, Sequence[str]] = GRID,
    seeds: int = SEEDS,
) -> Written:
    """Tunes every rule on each trace, runs them on all seeds, and compares."""
    body, claims, ratios = TEXT.format(seeds=seeds), list[Claim](), list[float]()
    front: list[str] = []
    for name, setting in traces.items():
        texts = [text for rule in grid for text in grid[rule]]
        first = dict(zip(texts, _run(bench, setting, texts, [TUNED_ON]), strict=True))
        ours = first[OURS]
        chosen = {
            rule: tuned([first[text] for text in grid[rule]], ours.missed().mean).text
            for rule in grid
        }
        last = _run(bench, setting, list(chosen.values()), range(1, seeds + 1))
        final = dict(zip(chosen, last, strict=True))
        price_h = ours.replica_h().mean
        best = min(
            missed_at([first[text] for text in grid[rule]], price_h)
            for rule in PEERS
            if rule in grid
        )
        ratios.append(max(LEAST, ours.missed().mean) / best)
        if on_front(final, OURS):
            front.append(name)
        if name == PLANNED:
            claims.append(_planned(bench, final[OURS], seeds))
        body += f"## {name}\n\n{_table(final)}\n{_reading(final, ratios[-1])}\n\n"
    mean = exp(sum(log(ratio) for ratio in ratios) / len(ratios))
    claims = [
        Claim(
            "`hasten` is on the front of misses against replica-hours on every trace",
            f"on {len(front)} of {len(traces)}"
            + ("" if len(front) == len(traces) else f"; not on {_others(traces, front)}"),
            len(front) == len(traces),
        ),
        Claim(
            f"at equal replica-hours `hasten` has at most {RATIO_MAX} of the misses of the best of "
            "`hpa`, `kpa` and `ray`, geometric mean over the traces",
            f"{mean:.2f} ("
            + ", ".join(f"{name} {each:.2f}" for name, each in zip(traces, ratios, strict=True))
            + ")",
            mean <= RATIO_MAX,
        ),
        *claims,
    ]
    return Written(body, tuple(claims))


def _planned(bench: Bench, known: Run, seeds: int) -> Claim:
    """What it is worth that schedulers tell of batches in advance."""
    unknown = _run(bench, UNPLANNED, [OURS], range(1, seeds + 1))[0].missed().mean
    missed = known.missed().mean
    return Claim(
        "batches that are known in advance are missed at most half as often as by the same rule "
        "that hears of them when they may start",
        f"{missed:.3%} instead of {unknown:.3%}",
        missed <= 0.5 * unknown,
    )


def _others(traces: Mapping[str, Setting], front: Sequence[str]) -> str:
    return ", ".join(name for name in traces if name not in front)


def _run(bench: Bench, setting: Setting, texts: Sequence[str], seeds: Sequence[int]) -> list[Run]:
    """One seed after the other: the rules share its arrivals, which take longest."""
    jobs = [
        Job(setting, "hasten", seed, rule=text, coarse=True) for seed in seeds for text in texts
    ]
    found = bench.run(jobs)
    return [Run(text, tuple(found[at :: len(texts)])) for at, text in enumerate(texts)]


def _table(runs: Mapping[str, Run]) -> str:
    head = (
        "rule, tuned",
        "missed",
        "replica-hours",
        "changes",
        "reversed",
        "worst shortage",
        "front",
    )
    rows = [
        (
            f"`{run.text}`",
            _shown(run.missed(), 100.0, 3, " %"),
            _shown(run.replica_h(), 1.0, 2),
            f"{run.mean('changes'):.0f}",
            f"{run.mean('reversals'):.1f}",
            f"{run.mean('shortage_max'):.1f}",
            "yes" if on_front(runs, rule) else "",
        )
        for rule, run in sorted(runs.items(), key=lambda each: each[1].replica_h().mean)
    ]
    return table(head, rows)


def _reading(runs: Mapping[str, Run], ratio: float) -> str:
    """Where ours loses, the page says so."""
    own_missed, own_h = runs[OURS].missed().mean, runs[OURS].replica_h().mean
    better = [
        f"`{name}`"
        for name, run in runs.items()
        if run.missed().mean <= own_missed and run.replica_h().mean < own_h and name != OURS
    ]
    said = (
        f"`{OURS}` loses here: {', '.join(better)} missed no more for fewer replica-hours."
        if better
        else f"No other rule missed as little as `{OURS}` for fewer replica-hours."
    )
    return f"{said} At equal replica-hours it has {ratio:.2f} times the misses of the best peer."


def _shown(found: Interval, factor: float, digits: int, unit: str = "") -> str:
    half = "" if found.half is None else f" ± {found.half * factor:.{digits}f}"
    return f"{found.mean * factor:.{digits}f}{half}{unit}"


TEXT: Final = """\
One pool of workers that do ten calls a second each, one by one, with 500 ms until the deadline. A
worker takes 30 s to start on average (8 s process, 20 s load, 2 s warm-up; each varies by 20 %).
Admission is on: what cannot be in time is refused, and counts as missed. The autoscaler's machine
and its shell are those of the whole mesh; demand is simulated by its level
([0057](../decisions/0057-a-day-by-its-demand-level.md)). All rules decide every ten seconds under
the same limits: at most twice as many workers or four more in a step up, a quarter fewer in a
minute. `hasten` asks to decide sooner when demand rises at once; `kpa` is also tried with a
decision every two seconds, as Knative has it.

`hasten` has its shipped parameters everywhere. Every other rule is tuned on each trace, with the
first seed: the cheapest parameters of its grid that miss no more than `hasten`, or those that miss
least where none does. The tables show the means of {seeds} seeds with 95 % intervals. "Reversed"
are changes taken back within ten minutes; the worst shortage is the demand, in workers, above those
that served, over ten seconds. On the front are the rules than which none is as good in both misses
and replica-hours and better in one. Misses at equal replica-hours are interpolated between a rule's
own parameters, on the first seed; fewer than 0.001 % count as that many. Forecasts begin after 120
periods of 30 s, an hour: until then `predictive` keeps the number it has.

The first seven traces are made, the others real: [sources and
licences](../../loadtest/series/README.md). A day of a real series is played in an hour; the rate
lies on the line through its values, and calls come by chance at that rate. Two days (of `wikipedia`
five weeks) are for learning, and what follows counts. None is a trace of inference; one's own is
`process = "trace"` in a [workload file](../workloads.md).

"""

PAGE: Final = Page(
    "autoscaling",
    "Scaling rules against each other",
    "calls missed and replica-hours paid, by rule and trace",
    "python -m loadtest.autoscale",
    write,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    make_alone(PAGE, __doc__, arguments, choices=True)


if __name__ == "__main__":
    main()
