"""The demonstration: real models, real answers, and what overload does. Ends by itself.

python -m examples.demo [--seconds 5]
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from examples.train.layout import MODELS, read_held_out
from hasten_client import AsyncClient
from loadtest import generator
from loadtest.call import serialised
from loadtest.executed import executed_of
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_synthetic
from loadtest.summary import quantile, summarise

INPUTS = {"digits": "image", "risk": "measurements", "tickets": "text"}
IN_FLIGHT = 8
OVERLOAD = 4
# One batch: 40 ms and 2.5 ms a row, at most 8 rows; slow enough that four times the workers'
# capacity is no more than this one process can send from a small machine.
ALPHA_MS, BETA_MS, BATCH_MAX = 40.0, 2.5, 8
DEADLINE_S = 0.2
WORKERS = 2
PATIENCE_S = 30.0
"""Of calls that are not about time: on a busy machine one may wait for seconds."""


async def classify(client: AsyncClient, model: str) -> tuple[float, list[float]]:
    """(share right, latencies in ms) over the model's held-out inputs, one request each."""
    inputs, classes = read_held_out(model)
    right = 0
    latencies: list[float] = []
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(index: int) -> None:
        nonlocal right
        async with slots:
            sent_s = time.monotonic()
            row = {INPUTS[model]: inputs[index : index + 1]}
            result = await client.infer(model, row, deadline_s=PATIENCE_S)
            latencies.append((time.monotonic() - sent_s) * 1e3)
            right += int(result["probabilities"].argmax()) == int(classes[index])

    await asyncio.gather(*(one(index) for index in range(len(classes))))
    return right / len(classes), latencies


async def show_answers(console: Console, mesh: Mesh) -> None:
    """Accuracy and latency of each model, and where the time of one request went."""
    table = Table(title="Held-out inputs, through the router", title_justify="left")
    for column in ("model", "requests", "right", "p50", "p90", "p99"):
        table.add_column(column, justify="left" if column == "model" else "right")
    async with AsyncClient(mesh.router) as client:
        for model in INPUTS:
            share, latencies = await classify(client, model)
            times = [f"{quantile(latencies, q):.1f} ms" for q in (0.5, 0.9, 0.99)]
            table.add_row(model, str(len(latencies)), f"{share:.1%}", *times)
        console.print(table)
        text = np.array([[b"the parcel is late, where is it?"]], dtype=object)
        begin_s = time.monotonic()
        result = await client.infer("tickets", {"text": text}, deadline_s=PATIENCE_S, timing=True)
        took_us = (time.monotonic() - begin_s) * 1e6
    labels = (MODELS / "tickets" / "labels.txt").read_text().split()
    chosen = int(result["probabilities"].argmax())
    console.print(
        f"\n[bold]One request[/bold]: 'the parcel is late, where is it?' is about "
        f"[bold]{labels[chosen]}[/bold] ({float(result['probabilities'][0, chosen]):.0%})"
    )
    show_timing(console, result.timing, took_us)


def show_timing(console: Console, timing: object, took_us: float) -> None:
    """Where one request spent its time; what no service saw is the client's own hop."""
    parts = {
        "admission": "admission_us",
        "router queue": "router_queue_us",
        "router - worker, wire": "wire_us",
        "worker queue": "worker_queue_us",
        "batch wait": "batch_wait_us",
        "pre-process": "preprocess_us",
        "compute": "compute_us",
        "post-process": "postprocess_us",
    }
    spent = {label: float(getattr(timing, name)) for label, name in parts.items()}
    spent["client - router, wire"] = max(0.0, took_us - sum(spent.values()))
    for label, part_us in spent.items():
        bar = "#" * round(40 * part_us / took_us)
        console.print(f"  {label:<22} {part_us:>7.0f} us  [green]{bar}[/green]")
    console.print(f"  {'total':<22} {took_us:>7.0f} us")


async def show_overload(console: Console, mesh: Mesh, seconds: float) -> None:
    """Offers four times the workers' capacity."""
    capacity_per_s = WORKERS * BATCH_MAX / ((ALPHA_MS + BETA_MS * BATCH_MAX) / 1000)
    payload = serialised("slow", "INPUT", np.zeros((1, 4), np.float32))
    offer = generator.Offer(OVERLOAD * capacity_per_s, seconds, DEADLINE_S)
    console.print(
        f"\n[bold]Overload[/bold]: {offer.rate_per_s:.0f} requests/s for {seconds:.0f} s, deadline "
        f"{DEADLINE_S * 1e3:.0f} ms; the {WORKERS} workers can do {capacity_per_s:.0f}/s"
    )
    before = (await executed_of(mesh.router, "slow")).rows
    sent = await asyncio.to_thread(generator.offer, mesh.router, offer.planned([payload]))
    summary = summarise(sent.outcomes)
    ran = (await executed_of(mesh.router, "slow")).rows - before
    vain = ran - summary.answered
    console.print(
        f"  answered in time  {summary.answered:>6}   {summary.answered / seconds:.0f}/s, "
        f"p50 {summary.answer_ms[0]:.0f} ms, p99 {summary.answer_ms[1]:.0f} ms"
    )
    console.print(
        f"  refused early     {sum(summary.refused.values()):>6}   "
        f"p50 {summary.refusal_ms[0]:.1f} ms, p99 {summary.refusal_ms[1]:.1f} ms after arrival"
    )
    for reason, count in summary.refused.items():
        console.print(f"    {reason:<22}{count:>6}")
    console.print(
        f"  not in time       {sum(summary.missed.values()):>6}   "
        f"{summary.missed_share:.1%} of what was not refused"
    )
    console.print(f"  done in vain      {vain:>6}")


async def demonstrate(mesh: Mesh, seconds: float) -> None:
    """All of it."""
    console = Console()
    console.print(f"The mesh is up: router on {mesh.router}, {len(mesh.workers)} workers.\n")
    await show_answers(console, mesh)
    await show_overload(console, mesh, seconds)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the overload")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        for model in INPUTS:
            shutil.copytree(MODELS / model, models / model)
        write_synthetic(models, "slow", alpha_ms=ALPHA_MS, beta_ms=BETA_MS, batch_max=BATCH_MAX)
        # A thousand clients share these few cores with the mesh, so an answer's way out takes
        # milliseconds instead of one: what would end later than this is not begun.
        os.environ.setdefault("HASTEN_WORKER_POLICY__FINISH_MARGIN_S", "0.005")
        try:
            with running_mesh(models, workers=WORKERS) as mesh:
                asyncio.run(demonstrate(mesh, seconds))
        except (RuntimeError, grpc.RpcError) as error:
            sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
