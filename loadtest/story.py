"""What stories told from the command line share: the command, a mesh, the death of an owner."""

import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from hasten_client import TaskClient
from loadtest.collector import Collector
from loadtest.mesh import Mesh, running_mesh

ANSWER_S: Final = 60.0


def hasten(address: str, *words: object) -> str:
    """Runs the command; returns what it printed. Raises RuntimeError when it fails."""
    command = [sys.executable, "-m", "hasten_cli.main", *map(str, words)]
    environ = {**os.environ, "HASTEN_TASKS_ADDRESS": address}
    ended = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if ended.returncode:
        raise RuntimeError(f"hasten {' '.join(map(str, words))}: {ended.stderr.strip()}")
    return ended.stdout


def story_mesh(models: Path, collector: Collector | None = None) -> AbstractContextManager[Mesh]:
    """Two workers and two schedulers, which send all their spans to the collector."""
    environ: dict[str, str] = {}
    if collector is not None:
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.address}",
            "OTEL_TRACES_SAMPLER_ARG": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
    return running_mesh(models, workers=2, schedulers=2, environ=environ)


def kill_owner(mesh: Mesh, address: str) -> str:
    """SIGKILL for the owner of the one shard; returns the address of the other scheduler."""
    with TaskClient(address) as client:
        (owner,) = client.stats(deadline_s=ANSWER_S).owners
    # Owners are named after their processes: scheduler-1, and what tells this start from others.
    number = int(owner.owner.partition("~")[0].rpartition("-")[2]) - 1
    os.kill(mesh.scheduler_pids[number], signal.SIGKILL)
    return mesh.schedulers[1 - number]
