"""Goodput as the offered load grows past what the workers can do.

One synthetic model, so that the sleep and not this machine's two cores is the limit: a batch of
b rows takes 20 + 2 b ms, at most 8 rows, deadline 100 ms. The peak is the best goodput seen in
the run; every load is given in multiples of the capacity computed from the batch times.

    python -m loadtest.overload [--workers 2] [--seconds 10] [--json]
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from loadtest import open_loop
from loadtest.call import serialised
from loadtest.executed import executed_of
from loadtest.mesh import running_mesh
from loadtest.repository import write_synthetic
from loadtest.summary import Summary, summarise

ALPHA_MS = 20.0
BETA_MS = 2.0
BATCH_MAX = 8
DEADLINE_S = 0.1
LOADS = (0.5, 1.0, 1.5, 2.0, 4.0, 10.0)


def capacity_per_s(workers: int) -> float:
    """Rows a second when every batch is full."""
    return workers * BATCH_MAX / ((ALPHA_MS + BETA_MS * BATCH_MAX) / 1000)


def sweep(address: str, workers: int, seconds: float) -> dict[float, tuple[Summary, int]]:
    """Summary and rows run in vain for each load."""
    payload = serialised("step", "INPUT", np.zeros((1, 4), np.float32))
    found: dict[float, tuple[Summary, int]] = {}
    for load in LOADS:
        offer = open_loop.Offer(load * capacity_per_s(workers), seconds, DEADLINE_S)
        before = asyncio.run(executed_of(address, "step")).rows
        summary = summarise(asyncio.run(open_loop.run(address, offer.planned([payload]))))
        rows = asyncio.run(executed_of(address, "step")).rows - before
        found[load] = (summary, rows - summary.answered)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def table(found: dict[float, tuple[Summary, int]], seconds: float) -> str:
    """The sweep as text."""
    peak = max(summary.answered for summary, _ in found.values())
    lines = ["load   offered/s  in time/s  of peak   answer p99  refusal p99  run in vain"]
    lines += [
        f"{load:>4.1f}x {summary.offered / seconds:>10.0f} {summary.answered / seconds:>10.0f}"
        f" {summary.answered / peak:>8.1%} {summary.answer_ms[1]:>9.1f} ms"
        f" {summary.refusal_ms[1]:>9.1f} ms {vain:>12d}"
        for load, (summary, vain) in found.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each load")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_synthetic(
            Path(folder), "step", alpha_ms=ALPHA_MS, beta_ms=BETA_MS, batch_max=BATCH_MAX
        )
        with running_mesh(Path(folder), workers=said.workers) as mesh:
            found = sweep(mesh.router, said.workers, said.seconds)
    if said.json:
        print(json.dumps({str(k): [asdict(s), vain] for k, (s, vain) in found.items()}))
    else:
        print(table(found, said.seconds))


if __name__ == "__main__":
    main()
