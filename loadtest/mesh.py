"""Starts a local mesh for a measurement and stops it afterwards."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hasten_client import Client, ModelState

STOP_S_MAX = 30.0
LOAD_S_MAX = 600.0
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Mesh:
    """Where a running mesh is.

    Attributes:
        router: "host:port" of the router.
        workers: "host:port" of each worker.
        router_pid: The router's process.
        worker_pids: The workers' processes.
        metrics: "host:port" of the router's metrics.
        worker_metrics: "host:port" of each worker's metrics.
        schedulers: "host:port" of each scheduler.
        scheduler_pids: Their processes.
        http: "host:port" of the router for HTTP; "" of an older tree.
        scheduler_metrics: "host:port" of their metrics.
    """

    router: str
    workers: tuple[str, ...]
    router_pid: int
    worker_pids: tuple[int, ...]
    metrics: str
    worker_metrics: tuple[str, ...]
    schedulers: tuple[str, ...] = ()
    scheduler_pids: tuple[int, ...] = ()
    http: str = ""
    scheduler_metrics: tuple[str, ...] = ()


def settled(client: Client) -> list[ModelState]:
    """The repository's index once no model is being loaded.

    Raises:
        RuntimeError: That takes too long.
    """
    ends_s = time.monotonic() + LOAD_S_MAX
    while time.monotonic() < ends_s:
        index = client.index(deadline_s=STOP_S_MAX)
        if index and not any(state.state == "LOADING" for state in index):
            return index
        time.sleep(LOOK_S)
    raise RuntimeError(f"models are still being loaded after {LOAD_S_MAX:.0f} s")


def _facts(line: str) -> Mesh:
    said: dict[str, Any] = json.loads(line)
    return Mesh(
        router=said["address"],
        workers=tuple(worker["address"] for worker in said["workers"]),
        router_pid=said["router"]["pid"],
        worker_pids=tuple(worker["pid"] for worker in said["workers"]),
        metrics=said["metrics"],
        http=said.get("http", ""),
        worker_metrics=tuple(worker["metrics"] for worker in said["workers"]),
        schedulers=tuple(each["address"] for each in said.get("schedulers", ())),
        scheduler_pids=tuple(each["pid"] for each in said.get("schedulers", ())),
        scheduler_metrics=tuple(each["metrics"] for each in said.get("schedulers", ())),
    )


@contextmanager
def running_mesh(  # noqa: PLR0913  (each is an option of `hasten up`)
    models: Path,
    *,
    workers: int = 1,
    processes: int = 1,
    control: str = "none",
    lanes: int = 0,
    schedulers: int = 0,
    python: str = sys.executable,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Mesh]:
    """A mesh on free ports that serves `models`; gone when the block ends.

    Args:
        models: The repository.
        workers: Number of workers.
        processes: Processes of the router.
        control: Of the repository, as `hasten up` takes it.
        lanes: Batches that a worker runs at once; 0 for as many as the cores suggest.
        schedulers: Number of schedulers.
        python: The interpreter, which decides whose code it is.
        environ: Further variables of the processes.

    Raises:
        RuntimeError: It did not come up; the message is what it said.
    """
    command = [python, "-m", "hasten_cli.main", "up", "--json", "--port", "0"]
    command += ["--metrics-port", "0", "--models", str(models)]
    command += ["--workers", str(workers), "--processes", str(processes), "--control", control]
    if python == sys.executable:  # Older trees, which are measured beside this one, know none.
        command += ["--schedulers", str(schedulers)]
    with tempfile.TemporaryFile("w+") as said:
        # Under explicit control nothing is loaded unless it is named.
        variables = {**os.environ, "HASTEN_WORKER_LOAD_MODELS": "*", **(environ or {})}
        if python == sys.executable:
            # The generator's connections last: none is made anew amid a measurement.
            variables.setdefault("HASTEN_ROUTER_GRPC__CONNECTION_AGE_S", "0")
        if lanes:
            variables["HASTEN_WORKER_LANES"] = str(lanes)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env=variables
        )
        try:
            assert process.stdout is not None  # noqa: S101 (asked for above)
            line = process.stdout.readline()
            if not line:
                process.wait(STOP_S_MAX)
                said.seek(0)
                raise RuntimeError(f"the mesh did not start: {said.read().strip()}")
            yield _facts(line)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
