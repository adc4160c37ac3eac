"""What the router's hop costs: direct to a worker against through the router, in one run.

Next to both stand a bare grpc.aio server that calls onnxruntime, and onnxruntime in this very
process. The variants take turns, round by round, so that a noisy machine disturbs all alike;
each figure is the median over the rounds. "least p50" is that of the quietest round: on a shared
machine it is nearest to what the code itself costs.

    python -m loadtest.hop [--rounds 15] [--seconds 0.6] [--json]
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import psutil

from loadtest import closed_loop
from loadtest.call import serialised
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_mean
from loadtest.wake import wake_us
from loadtest.yardstick_server import started

CALLERS = (1, 8, 64)
WIDTHS = {"tiny": 16, "600kB": 150_528}


@dataclass(frozen=True, slots=True)
class Cell:
    """One measured cell; medians over the rounds.

    Attributes:
        payload: "tiny" or "600kB".
        callers: Concurrent callers.
        variant: in-process, bare, direct or router.
        p50_ms: Median latency.
        p50_ms_least: The least of the rounds' median latencies.
        p99_ms: 99th percentile.
        per_s: Calls a second.
        cpu_us: CPU of all serving processes for one call.
    """

    payload: str
    callers: int
    variant: str
    p50_ms: float
    p50_ms_least: float
    p99_ms: float
    per_s: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Extent:
    """How much to measure: turns of each variant, and the length of one."""

    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Target:
    """One server under test."""

    variant: str
    address: str
    pids: tuple[int, ...]


def cpu_s(pids: tuple[int, ...]) -> float:
    """CPU seconds used so far by the processes."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(used.user + used.system for used in times)


def in_process(model: Path, width: int, seconds: float) -> tuple[float, float, float, float]:
    """(p50 ms, p99 ms, calls/s, CPU us per call) of onnxruntime here, one caller."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    value = np.ones((1, width), np.float32)
    latencies: list[float] = []
    cpu_begin_s = time.process_time()
    begin_s = time.monotonic()
    # At least one: this process may stand still for all of a short run.
    while not latencies or time.monotonic() < begin_s + seconds:
        sent_s = time.monotonic()
        session.run(None, {"INPUT": value})
        latencies.append(time.monotonic() - sent_s)
    wall_s = time.monotonic() - begin_s
    latencies.sort()
    n = len(latencies)
    used_us = (time.process_time() - cpu_begin_s) / n * 1e6
    return latencies[n // 2] * 1e3, latencies[int(n * 0.99)] * 1e3, n / wall_s, used_us


def measure(target: Target, payload: bytes, callers: int, seconds: float) -> tuple[float, ...]:
    """(p50 ms, p99 ms, calls/s, CPU us per call) of one target."""
    before_s = cpu_s(target.pids)
    run = asyncio.run(closed_loop.run(target.address, payload, callers=callers, seconds=seconds))
    used_us = (cpu_s(target.pids) - before_s) / len(run.latencies_s) * 1e6
    return run.quantile_s(0.5) * 1e3, run.quantile_s(0.99) * 1e3, run.per_s, used_us


def targets(mesh: Mesh, bare: Target) -> list[Target]:
    """The servers that take turns."""
    return [
        bare,
        Target("direct", mesh.workers[0], mesh.worker_pids),
        Target("router", mesh.router, (mesh.router_pid, *mesh.worker_pids)),
    ]


def medians_of(
    servers: list[Target], model: Path, width: int, callers: int, said: Extent
) -> Iterator[tuple[str, list[float]]]:
    """Takes turns over the variants; yields each with the median of each figure."""
    payload = serialised(model.parent.parent.name, "INPUT", np.ones((1, width), np.float32))
    samples: dict[str, list[tuple[float, ...]]] = {}
    for _ in range(said.rounds):
        if callers == 1:
            here = in_process(model, width, said.seconds / 2)
            samples.setdefault("in-process", []).append(here)
        for server in servers:
            figures = measure(server, payload, callers, said.seconds)
            samples.setdefault(server.variant, []).append(figures)
    for variant, rows in samples.items():
        p50, *others = zip(*rows, strict=True)
        medians = [statistics.median(column) for column in others]
        yield variant, [statistics.median(p50), min(p50), *medians]


def run_all(models: Path, said: Extent) -> list[Cell]:
    """Every payload, number of callers and variant."""
    cells: list[Cell] = []
    with running_mesh(models) as mesh:
        for payload_name, width in WIDTHS.items():
            model = models / f"mean{width}" / "1" / "model.onnx"
            with started("loadtest.bare_server", str(model)) as (address, pid):
                bare = Target("bare", address, (pid,))
                for callers in CALLERS:
                    servers = targets(mesh, bare)
                    for variant, figures in medians_of(servers, model, width, callers, said):
                        cells.append(Cell(payload_name, callers, variant, *figures))
                    print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return cells


def table(cells: list[Cell], woken_us: float | None) -> str:
    """The cells as text, with what the router adds below."""
    lines = ["payload  callers  variant     p50 ms  least p50   p99 ms   calls/s   CPU us/call"]
    lines += [
        f"{c.payload:<8} {c.callers:>7}  {c.variant:<10} {c.p50_ms:>7.3f}    {c.p50_ms_least:>7.3f}"
        f"  {c.p99_ms:>7.3f}  {c.per_s:>8.0f}  {c.cpu_us:>12.0f}"
        for c in cells
    ]
    found = {(c.payload, c.callers, c.variant): c for c in cells}
    for payload in WIDTHS:
        for callers in CALLERS:
            direct = found[payload, callers, "direct"]
            router = found[payload, callers, "router"]
            bare = found[payload, callers, "bare"]
            added_ms = router.p50_ms - direct.p50_ms
            lines.append(
                f"{payload}, {callers} callers: the router adds "
                f"{added_ms * 1000:.0f} us at p50, {added_ms / bare.p50_ms:.2f} of a bare call "
                f"({(router.p50_ms_least - direct.p50_ms_least) * 1000:.0f} us in the quietest "
                f"rounds), and gives {router.per_s / direct.per_s:.0%} of the direct throughput"
            )
    if woken_us is not None:
        lines.append(
            f"waking a process on another core takes {woken_us:.0f} us here; a call through the "
            "router needs it twice more than a direct one"
        )
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="turns of each variant")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of one measurement")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for width in WIDTHS.values():
            write_mean(Path(folder), f"mean{width}", width=width)
        cells = run_all(Path(folder), Extent(said.rounds, said.seconds))
    woken_us = wake_us()
    if said.json:
        print(json.dumps({"cells": [asdict(cell) for cell in cells], "wake_us": woken_us}))
    else:
        print(table(cells, woken_us))


if __name__ == "__main__":
    main()
