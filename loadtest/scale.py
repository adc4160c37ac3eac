"""One run of a thousand workers, four thousand models and ten million requests.

Prints what it took and writes docs/evaluation/scale.md. Half an hour at full length; progress on
stderr.

python -m loadtest.scale [--duration SECONDS] [--to FOLDER]
"""

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import psutil

from hasten_policy.registry import resolve
from hasten_policy.router import machine as router
from hasten_sim.figures import Figures
from hasten_sim.scenario import Arrival, Scenario
from hasten_sim.simulate import simulate
from hasten_sim.workload import load
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.command import FOLDER, ORDER, make
from loadtest.evaluation.index import write_index
from loadtest.evaluation.page import Claim, Page, Written, percent, table
from loadtest.evaluation.setting import WORKLOADS

SHARES: Final = (0.1, 0.5, 1.0)
"""Of the run's length: when memory is noted."""
GROWTH_MAX: Final = 1.1
TELL_EVERY_S: Final = 5.0
POLICIES: Final = (
    "interpreted" if (router.__file__ or "").endswith(".py") else "compiled (`make compiled`)"
)
GC_THRESHOLDS: Final = (100_000, 20, 20)
LOOK_EVERY: Final = 1000
"""Arrivals between two looks at the clock."""


@dataclass(slots=True)
class Watch:
    """Looks on while arrivals come.

    Attributes:
        duration_s: Virtual length of the run.
        requests: So far.
        peak_mb: Most memory seen so far.
        marks: Share of the run to the most memory until then, in MB.
    """

    duration_s: float
    requests: int = 0
    peak_mb: float = 0.0
    marks: dict[float, float] = field(default_factory=dict)
    _began_s: float = field(default_factory=time.monotonic)
    _told_s: float = field(default_factory=time.monotonic)

    def through(self, arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
        """The arrivals, watched."""
        # What the mesh is made of lives as long as the run: half a gigabyte that the collector of
        # cycles need not look through again and again. It finds little in the rest.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        for arrival in arrivals:
            if self.requests % LOOK_EVERY == 0:
                self._look(arrival.at_s / self.duration_s)
            self.requests += 1
            yield arrival
        self._look(1.0)

    def _look(self, share: float) -> None:
        self.peak_mb = max(self.peak_mb, psutil.Process().memory_info().rss / 1e6)
        for mark in SHARES:
            if share >= mark:
                self.marks.setdefault(mark, self.peak_mb)
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            print(
                f"scale: {percent(share)}, {self.requests} requests, {self.peak_mb:.0f} MB, "
                f"{now_s - self._began_s:.0f} s",
                file=sys.stderr,
                flush=True,
            )


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took.

    Attributes:
        figures: Of the run.
        requests: Offered, the warm-up included.
        seconds: On the clock.
        cpu_s: Of this process.
        memory_mb: Share of the run to the most memory until then.
    """

    figures: Figures
    requests: int
    seconds: float
    cpu_s: float
    memory_mb: dict[float, float]


def watched_run(scenario: Scenario) -> Run:
    """Runs a scenario under `hasten` and looks on."""
    watch = Watch(scenario.duration_s)
    arrivals = scenario.arrivals
    watched = replace(scenario, arrivals=lambda seed: watch.through(arrivals(seed)))
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    figures = simulate(watched, resolve("hasten"), seed=1)
    return Run(
        figures,
        watch.requests,
        time.monotonic() - began_s,
        time.process_time() - began_cpu_s,
        watch.marks,
    )


def written(scenario: Scenario, run: Run) -> Written:
    """The run as a page."""
    figures = run.figures
    mesh = scenario.mesh
    rows = [
        ("policies", POLICIES),
        ("requests", f"{run.requests:,}"),
        ("events that machines handled", f"{figures.events:,}"),
        ("seconds", f"{run.seconds:.0f}"),
        ("events a second", f"{figures.events / run.seconds:,.0f}"),
        ("events a CPU second", f"{figures.events / run.cpu_s:,.0f}"),
        *((f"memory at {percent(at, 0)}, MB", f"{mb:.0f}") for at, mb in run.memory_mb.items()),
        ("attainment", percent(figures.attainment, 2)),
        ("P(miss given admitted)", percent(figures.miss_given_admitted, 2)),
        ("lanes busy", percent(figures.utilisation)),
    ]
    body = (
        f"{mesh.routers} routers, {mesh.workers} workers, {len(scenario.models)} models, "
        f"{scenario.offered_per_s:.0f} requests a second for {scenario.duration_s:g} virtual "
        "seconds, in one process. Memory is the most that was resident until then.\n\n"
    ) + table(("", "one run"), rows)
    growth = run.memory_mb[1.0] / run.memory_mb[0.5]
    claim = Claim(
        f"memory is bounded: the second half of the run adds at most {percent(GROWTH_MAX - 1, 0)}",
        f"{percent(growth - 1)} ({run.memory_mb[0.5]:.0f} to {run.memory_mb[1.0]:.0f} MB), "
        f"{run.requests:,} requests",
        growth <= GROWTH_MAX,
    )
    return Written(body, (claim,))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--duration", type=float, help="virtual seconds; as scale.toml says when left out"
    )
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder (docs/evaluation)")
    said = parser.parse_args()
    scenario = load(WORKLOADS / "scale.toml").scenario(duration_s=said.duration)
    lasts = f" --duration {said.duration:g}" if said.duration else ""
    page = Page(
        "scale",
        "A thousand workers in one run",
        "events a second and memory of 1000 workers, 4000 models, 10 million requests",
        f"python -m loadtest.scale{lasts}",
        lambda _: written(scenario, watched_run(scenario)),
    )
    said.to.mkdir(parents=True, exist_ok=True)
    make(page, Bench("scale"), said.to)
    write_index(said.to, ORDER)


if __name__ == "__main__":
    main()
