"""Do channels that stay open spread over the processes behind a port, also over one that is late?

    python -m loadtest.stickiness [--channels 20] [--window 60]

Two router processes share a port in front of one worker. In the first part both are there from the
start, as with `--processes 2`; in the second, one joins when all channels are connected. Every
channel calls five times a second; the share of the calls that each process answered is printed as
JSON: of those within the window that came when every connection was made anew.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from hasten_client import AsyncClient
from hasten_runtime.telemetry_names import METRIC_REQUESTS
from loadtest.mesh import running_mesh
from loadtest.repository import write_synthetic

CALL_S: Final = 0.2
DEADLINE_S: Final = 10.0
OLD_S: Final = 23.0
"""No connection is older than that, by the router's default."""
ONE: Final = {"INPUT": np.ones((1, 1), np.float32)}


@contextmanager
def router(address: str, workers: tuple[str, ...], number: int) -> Iterator[str]:
    """One router process at the shared address; gives where its metrics are."""
    environ = {
        "HASTEN_ROUTER_ID": f"router-{number}",
        "HASTEN_ROUTER_ADDRESS": address,
        "HASTEN_ROUTER_METRICS_ADDRESS": "127.0.0.1:0",
        "HASTEN_ROUTER_SHARED_PORT": "true",
        "HASTEN_ROUTER_WORKERS": ",".join(workers),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "hasten_router.main"],
        env={**os.environ, **environ},
        # A process that shares its port goes when this ends.
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101  (asked for above)
        facts = json.loads(process.stdout.readline())
        yield facts["metrics_address"]
    finally:
        process.terminate()
        process.communicate()


def answered(metrics: str) -> float:
    """Requests that the process has answered or refused."""
    with urllib.request.urlopen(f"http://{metrics}/metrics") as page:
        lines = page.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(METRIC_REQUESTS))


async def calls(clients: list[AsyncClient], seconds: float) -> int:
    """Every client calls at its pace; how many calls failed."""
    ends_s = asyncio.get_running_loop().time() + seconds
    failed = 0

    async def caller(client: AsyncClient) -> None:
        nonlocal failed
        while asyncio.get_running_loop().time() < ends_s:
            try:
                await client.infer("echo", ONE, deadline_s=DEADLINE_S)
            except Exception:  # noqa: BLE001  (counted, whatever it is)
                failed += 1
            await asyncio.sleep(CALL_S)

    await asyncio.gather(*(caller(client) for client in clients))
    return failed


async def part(
    workers: tuple[str, ...], channels: int, window_s: float, *, late: bool
) -> dict[str, object]:
    """Shares in percent, and failed calls."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with ExitStack() as stack:
        metrics = [stack.enter_context(router(address, workers, 0))]
        if not late:
            metrics.append(stack.enter_context(router(address, workers, 1)))
        async with AsyncExitStack() as opened:
            options = [("grpc.use_local_subchannel_pool", 1)]
            clients = [
                await opened.enter_async_context(AsyncClient(address, options=options))
                for _ in range(channels)
            ]
            failed = await calls(clients, 2.0)
            if late:
                metrics.append(stack.enter_context(router(address, workers, 1)))
            failed += await calls(clients, OLD_S)
            before = [answered(one) for one in metrics]
            failed += await calls(clients, window_s - OLD_S)
            done = [answered(one) - was for one, was in zip(metrics, before, strict=True)]
    shares = [round(100 * one / sum(done)) for one in done]
    return {"late": late, "calls": int(sum(done)), "failed": failed, "shares_percent": shares}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--window", type=float, default=60.0, help="seconds")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, "echo", alpha_ms=1.0, beta_ms=0.1, batch_max=8)
        with running_mesh(models) as mesh:
            parts = [
                asyncio.run(part(mesh.workers, chosen.channels, chosen.window, late=late))
                for late in (False, True)
            ]
    print(json.dumps(parts))


if __name__ == "__main__":
    main()
