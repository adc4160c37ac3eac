"""Goodput as the offered load grows past what the workers can do, and how soon it is over.

One synthetic model, so that the sleep and not this machine's cores is the limit: each call takes
10 ms, one at a time on a worker, deadline 50 ms. Loads are multiples of what the workers can do;
the peak is the best goodput seen in the run. After the highest load half the capacity is offered
without a pause, to see when all is well again.

"sent late" tells on the sender: when it is not small, the figures are the sender's own.
"missed" is the share of what was not refused on arrival that was not answered in time.
"begun late" counts calls whose batch began after their deadline; "in vain" also those that were
run and whose answer came too late for the caller.

    python -m loadtest.overload [--workers 2] [--seconds 10] [--json]
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import uvloop

from loadtest import open_loop
from loadtest.call import Outcome, serialised
from loadtest.executed import executed_of, late_starts
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_synthetic
from loadtest.summary import Summary, normal_after_s, summarise

RUN_MS = 10.0
DEADLINE_S = 0.05
LOADS = (0.5, 1.0, 1.5, 2.0, 4.0, 10.0)
LOAD_AFTER = 0.5
HEAD = (
    "  load  offered/s  in time/s  of peak   missed  answer p99  refusal p99  sent late p99"
    "  begun late  in vain"
)
SECONDS_AFTER = 4.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one load.

    Attributes:
        summary: As the callers saw it.
        in_vain: Rows run without an answer in time.
        begun_late: Calls whose batch began after their deadline.
    """

    summary: Summary
    in_vain: int
    begun_late: int


def capacity_per_s(workers: int) -> float:
    """Calls a second when no worker is ever idle."""
    return workers * 1000 / RUN_MS


def run(work: Coroutine[Any, Any, T]) -> T:
    """The work's result, on the fastest loop there is: the sender shares the cores."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def measured(
    mesh: Mesh, offer: open_loop.Offer, then: open_loop.Offer | None = None
) -> tuple[Step, list[Outcome]]:
    """One load, and the outcomes of what followed it."""
    payload = serialised("step", "INPUT", np.zeros((1, 4), np.float32))
    rows, late = run(executed_of(mesh.router, "step")).rows, late_starts(mesh.worker_metrics)
    calls = list(offer.planned([payload]))
    count = len(calls)
    if then is not None:
        calls += [
            replace(call, at_s=offer.duration_s + call.at_s) for call in then.planned([payload])
        ]
    outcomes = run(open_loop.run(mesh.router, calls))
    rows = run(executed_of(mesh.router, "step")).rows - rows
    late = late_starts(mesh.worker_metrics) - late
    answered = sum(outcome.answered for outcome in outcomes)
    step = Step(summarise(outcomes[:count]), in_vain=rows - answered, begun_late=late)
    return step, outcomes[count:]


def sweep(mesh: Mesh, workers: int, seconds: float) -> tuple[dict[float, Step], float]:
    """Every load, and how many seconds after the last all was well again."""
    steps: dict[float, Step] = {}
    after: list[Outcome] = []
    capacity = capacity_per_s(workers)
    for load in LOADS:
        offer = open_loop.Offer(load * capacity, seconds, DEADLINE_S)
        then = open_loop.Offer(LOAD_AFTER * capacity, SECONDS_AFTER, DEADLINE_S)
        last = load == LOADS[-1]
        steps[load], after = measured(mesh, offer, then if last else None)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return steps, normal_after_s(after)


def table(steps: dict[float, Step], seconds: float) -> str:
    """The sweep as text."""
    peak = max(step.summary.answered for step in steps.values())
    lines = [HEAD]
    for load, step in steps.items():
        seen = step.summary
        lines.append(
            f"{load:>5.1f}x {seen.offered / seconds:>10.0f} {seen.answered / seconds:>10.0f}"
            f" {seen.answered / peak:>8.1%} {seen.missed_share:>8.2%} {seen.answer_ms[1]:>8.1f} ms"
            f" {seen.refusal_ms[1]:>9.1f} ms {seen.sent_late_ms[1]:>11.1f} ms"
            f" {step.begun_late:>11d} {step.in_vain:>8d}"
        )
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each load")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_synthetic(Path(folder), "step", alpha_ms=RUN_MS, beta_ms=0.0, batch_max=1)
        with running_mesh(Path(folder), workers=said.workers) as mesh:
            steps, normal_s = sweep(mesh, said.workers, said.seconds)
    if said.json:
        loads = {str(load): asdict(step) for load, step in steps.items()}
        print(json.dumps({"loads": loads, "normal_after_s": normal_s}))
        return
    print(table(steps, said.seconds))
    print(f"after {LOADS[-1]:g}x, nine in ten are answered again within {normal_s:g} s")


if __name__ == "__main__":
    main()
