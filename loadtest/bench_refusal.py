"""What a refusal costs: CPU of the process that refuses, beside a grpc.aio server that only aborts.

Refused are calls that leave a microsecond for their answer, so that the whole way is gone: head
read, decided, counted, told. "answer" is the same for calls that are answered, of the router
alone and of the worker alone. "router" serves in Python, "native" on the native transport, where
that was built.
The variants take turns, so that a noisy machine disturbs all
alike. The figures are those of the round in which the process took least, as work of others on
the same cores only ever adds to it.

    python -m loadtest.bench_refusal [--rounds 5] [--seconds 1.0] [--callers 32] [--json]
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import grpc
import numpy as np
import psutil
import uvloop

from hasten.inference.v2 import inference_pb2
from hasten_runtime.plane.choice import native_fault
from loadtest.call import OPTIONS, open_infer, serialised
from loadtest.mesh import running_mesh
from loadtest.repository import write_mean
from loadtest.yardstick_server import serve, started

WIDTH = 256
MODEL = "mean"


@dataclass(frozen=True, slots=True)
class Target:
    """One process under test and what it is asked.

    Attributes:
        name: For the table.
        address: "host:port".
        pid: Its process.
        payload: The request.
    """

    name: str
    address: str
    pid: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the table; of the round that took least.

    Attributes:
        name: Which process does what.
        cpu_us: CPU of the process for one call.
        of_bare: That over the bare server's refusal.
        per_s: Calls a second.
        ended: Status of the last call.
    """

    name: str
    cpu_us: float
    of_bare: float
    per_s: float
    ended: str


async def _bare() -> None:
    """A grpc.aio server that reads each request and aborts, until the process ends."""

    async def refuse(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> NoReturn:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much to do")

    server = await serve(refuse, as_bytes=True)
    await server.wait_for_termination()


async def _closed_loop(target: Target, callers: int, seconds: float) -> tuple[int, str]:
    """(calls, status of the last) of callers that each have one call under way all the time."""
    calls = 0
    ended = ""
    async with grpc.aio.insecure_channel(target.address, options=OPTIONS) as channel:
        infer = open_infer(channel)
        end_s = time.monotonic() + seconds

        async def caller() -> None:
            nonlocal calls, ended
            # At least one: this process may stand still for all of a short run.
            while True:
                try:
                    await infer(target.payload, timeout=30)
                    ended = "OK"
                except grpc.aio.AioRpcError as error:
                    ended = error.code().name
                calls += 1
                if time.monotonic() >= end_s:
                    return

        await asyncio.gather(*(caller() for _ in range(callers)))
    return calls, ended


def measure(target: Target, callers: int, seconds: float) -> tuple[float, float, str]:
    """(CPU us a call, calls a second, status of the last) of one target."""
    process = psutil.Process(target.pid)
    before, begin_s = process.cpu_times(), time.monotonic()
    calls, ended = uvloop.run(_closed_loop(target, callers, seconds))
    after, wall_s = process.cpu_times(), time.monotonic() - begin_s
    used_s = after.user + after.system - before.user - before.system
    return used_s / calls * 1e6, calls / wall_s, ended


def run_all(models: Path, *, rounds: int, seconds: float, callers: int) -> list[Cost]:
    """All targets in turns."""
    answered = serialised(MODEL, "INPUT", np.ones((1, WIDTH), np.float32))
    request = inference_pb2.ModelInferRequest.FromString(answered)
    request.parameters["timeout"].int64_param = 1
    refused = request.SerializeToString()
    yardstick = started("loadtest.bench_refusal", "--serve")
    with ExitStack() as running:
        with patch.dict(os.environ, HASTEN_ROUTER_TRANSPORT="python"):
            mesh = running.enter_context(running_mesh(models))
        bare_address, bare_pid = running.enter_context(yardstick)
        bare = Target("bare, refused", bare_address, bare_pid, refused)
        worker, worker_pid = mesh.workers[0], mesh.worker_pids[0]
        targets = [
            bare,
            Target("router, refused", mesh.router, mesh.router_pid, refused),
            Target("worker, refused", worker, worker_pid, refused),
            Target("router, answer", mesh.router, mesh.router_pid, answered),
            Target("worker, answer", worker, worker_pid, answered),
        ]
        if not native_fault():
            with patch.dict(os.environ, HASTEN_ROUTER_TRANSPORT="native"):
                native = running.enter_context(running_mesh(models))
            targets += [
                Target("native, refused", native.router, native.router_pid, refused),
                Target("native, answer", native.router, native.router_pid, answered),
            ]
        for target in targets:
            measure(target, callers, 0.3)
        taken: dict[str, list[tuple[float, float, str]]] = {}
        for _ in range(rounds):
            for target in targets:
                taken.setdefault(target.name, []).append(measure(target, callers, seconds))
    least = {name: min(rounds_of) for name, rounds_of in taken.items()}
    bare_us = least[bare.name][0]
    return [
        Cost(name, cpu_us, cpu_us / bare_us, per_s, ended)
        for name, (cpu_us, per_s, ended) in least.items()
    ]


def table(costs: list[Cost]) -> str:
    """The costs as text."""
    lines = ["                    CPU us/call   of bare   calls/s   ended"]
    lines += [
        f"{cost.name:<18}  {cost.cpu_us:>11.0f}  {cost.of_bare:>8.2f}  {cost.per_s:>8.0f}   "
        f"{cost.ended}"
        for cost in costs
    ]
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each variant")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    parser.add_argument("--callers", type=int, default=32, help="calls under way at once")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.serve:
        uvloop.run(_bare())
        return
    with tempfile.TemporaryDirectory() as folder:
        write_mean(Path(folder), MODEL, width=WIDTH)
        costs = run_all(
            Path(folder), rounds=said.rounds, seconds=said.seconds, callers=said.callers
        )
    print(json.dumps([asdict(cost) for cost in costs]) if said.json else table(costs))


if __name__ == "__main__":
    main()
