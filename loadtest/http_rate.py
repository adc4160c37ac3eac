"""HTTP against gRPC at one router: calls a second, and what a call costs the router.

The ways take turns, round by round, so that a noisy machine disturbs all alike; each figure is the
median over the rounds, and the ratio that of the medians. The client of either is bare: grpc.aio
with bytes, and HTTP/1.1 with a connection a caller.

    python -m loadtest.http_rate [--rounds 7] [--seconds 0.6] [--callers 8] [--json]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from hasten_runtime.protocol_names import BINARY_SIZE, BINARY_WISH_ALL, JSON_LENGTH_HEADER
from loadtest import closed_loop
from loadtest.call import serialised
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_mean

WIDTHS = {"tiny": 16, "600kB": 150_528}
JSON_WIDTH_MAX = 1000
"""Wider tensors are sent as binary data only."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way at one payload; medians over the rounds.

    Attributes:
        payload: "tiny" or "600kB".
        way: grpc, binary (HTTP) or json (HTTP).
        per_s: Calls a second.
        router_us: The router's CPU for one call.
        of_grpc: Its calls a second for one of gRPC.
    """

    payload: str
    way: str
    per_s: float
    router_us: float
    of_grpc: float


def http_message(model: str, width: int, *, binary: bool) -> bytes:
    """A whole request with one row of ones."""
    value = np.ones(width, "<f4")
    tensor: dict[str, object] = {"name": "INPUT", "datatype": "FP32", "shape": [1, width]}
    parameters: dict[str, object] = {BINARY_WISH_ALL: binary}
    tail = value.tobytes() if binary else b""
    tensor |= {"parameters": {BINARY_SIZE: len(tail)}} if binary else {"data": value.tolist()}
    text = json.dumps({"inputs": [tensor], "parameters": parameters}).encode()
    head = (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: mesh\r\n"
        f"Content-Length: {len(text) + len(tail)}\r\n"
    )
    if binary:
        head += f"{JSON_LENGTH_HEADER}: {len(text)}\r\n"
    return head.encode() + b"\r\n" + text + tail


async def http_calls(address: str, message: bytes, callers: int, seconds: float) -> float:
    """Calls a second of so many callers, each with a connection of its own."""
    answered = 0
    ends_s = time.monotonic() + seconds
    host, _, port = address.rpartition(":")

    async def caller() -> None:
        nonlocal answered
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            while time.monotonic() < ends_s:
                writer.write(message)
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(head.decode())
                size = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(size))
                answered += 1
        finally:
            writer.close()

    begin_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    return answered / (time.monotonic() - begin_s)


def measured(mesh: Mesh, way: str, message: bytes, said: argparse.Namespace) -> tuple[float, float]:
    """Calls a second, and the router's CPU in microseconds for one."""
    router = psutil.Process(mesh.router_pid)
    before, begin_s = router.cpu_times(), time.monotonic()
    if way == "grpc":
        run = closed_loop.run(mesh.router, message, callers=said.callers, seconds=said.seconds)
        per_s = asyncio.run(run).per_s
    else:
        per_s = asyncio.run(http_calls(mesh.http, message, said.callers, said.seconds))
    wall_s = time.monotonic() - begin_s
    after = router.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    return per_s, used_s / (per_s * wall_s) * 1e6


def rows(mesh: Mesh, said: argparse.Namespace) -> list[Row]:
    """Every payload and way."""
    found: list[Row] = []
    for payload, width in WIDTHS.items():
        model = f"mean{width}"
        ways = {
            "grpc": serialised(model, "INPUT", np.ones((1, width), np.float32)),
            "binary": http_message(model, width, binary=True),
        }
        if width <= JSON_WIDTH_MAX:
            ways["json"] = http_message(model, width, binary=False)
        samples: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(said.rounds):
            for way, message in ways.items():
                samples[way].append(measured(mesh, way, message, said))
        rates = {way: statistics.median(row[0] for row in all_) for way, all_ in samples.items()}
        for way, all_ in samples.items():
            router_us = statistics.median(row[1] for row in all_)
            found.append(Row(payload, way, rates[way], router_us, rates[way] / rates["grpc"]))
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each way")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of one measurement")
    parser.add_argument("--callers", type=int, default=8, help="concurrent callers")
    parser.add_argument("--json", action="store_true", help="one JSON list on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for width in WIDTHS.values():
            write_mean(Path(folder), f"mean{width}", width=width)
        with running_mesh(Path(folder)) as mesh:
            found = rows(mesh, said)
    if said.json:
        print(json.dumps([asdict(row) for row in found]))
        return
    print("payload  way      calls/s   router us/call   of gRPC's calls/s")
    for row in found:
        print(
            f"{row.payload:<8} {row.way:<7} {row.per_s:>8.0f}  {row.router_us:>15.0f}   "
            f"{row.of_grpc:>17.2f}"
        )


if __name__ == "__main__":
    main()
