"""Hasten's own services as processes, for tests that kill, pause and starve them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtest.mesh import Mesh, running_mesh
from tests.support.processes import ChildProcess
from tests.support.waiting import eventually_sync

READY_S_MAX = 60.0
PATIENT = {
    "HASTEN_ROUTER_FANOUT__ANSWER_S_MAX": "60",
    "HASTEN_ROUTER_FANOUT__CONNECT_S_MAX": "60",
    "HASTEN_ROUTER_GRPC__PING_TIMEOUT_S": "60",
}
"""A router's patience with what is asked of every worker: on a busy machine one that stands still
for two seconds is not to be left out of an answer that a test reads.
"""
NOBODY_FREEZES = {"link__silence_s_max": "60"}
"""Further settings of a router in front of workers that no test freezes: while the only one stands
still by itself, calls wait for it, and are not refused because there is nobody.
"""
ONE_FREEZES = {"link__silence_s_max": "10"}
"""The same where a test freezes one of two: its calls move after a second of silence, long before
its link is closed, and the other one may stand still by itself for longer than that.
"""


def _of_router(**settings: str) -> dict[str, str]:
    """Settings as a router's variables."""
    return {f"HASTEN_ROUTER_{name.upper()}": text for name, text in settings.items()}


PATIENT_UNFROZEN = {**PATIENT, **_of_router(**NOBODY_FREEZES)}
PATIENT_ONE_FREEZES = {**PATIENT, **_of_router(**ONE_FREEZES)}


class Service:
    """One service process that has said it is ready.

    Attributes:
        process: The process, to be killed, paused and resumed.
        address: "host:port" of its gRPC server.
        facts: Its ready line.
    """

    def __init__(self, process: ChildProcess, facts: dict[str, Any]) -> None:
        self.process = process
        self.facts = facts
        self.address: str = facts["address"]


def _ready_line(process: ChildProcess) -> dict[str, Any] | None:
    status = process.exit_status
    if status is not None:
        raise RuntimeError(f"the service ended with {status}:\n{process.log_tail}")
    for line in process.log_path.read_text(errors="replace").splitlines():
        if line.startswith("{") and '"ready"' in line:
            try:
                said: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            if said.get("event") == "ready":
                return said
    return None


@contextmanager
def running_service(
    module: str, environ: Mapping[str, str], *, log_path: Path, stderr: int = subprocess.STDOUT
) -> Iterator[Service]:
    """Starts `python -m module` and yields it once it is ready; stops it at the end."""
    process = ChildProcess(
        [sys.executable, "-m", module],
        log_path=log_path,
        environ={**os.environ, **environ},
        stderr=stderr,
    )
    try:
        facts = eventually_sync(
            lambda: _ready_line(process), READY_S_MAX, what=f"{module} ready, see {log_path}"
        )
        assert facts is not None
        yield Service(process, facts)
    finally:
        process.stop()


def worker_environ(
    name: str, models: Path, discovery: Mapping[str, str], **more: str
) -> dict[str, str]:
    """Environment of a worker on a free port; `discovery` holds kind and address."""
    return {
        "HASTEN_WORKER_ID": name,
        "HASTEN_WORKER_ADDRESS": "127.0.0.1:0",
        "HASTEN_WORKER_METRICS_ADDRESS": "127.0.0.1:0",
        "HASTEN_WORKER_MODELS_DIR": str(models),
        "HASTEN_WORKER_MODEL_CONTROL": "none",
        **{f"HASTEN_WORKER_DISCOVERY__{key.upper()}": text for key, text in discovery.items()},
        **{f"HASTEN_WORKER_{key.upper()}": text for key, text in more.items()},
    }


@contextmanager
def patient_mesh(
    models: Path, *, workers: int = 1, control: str = "none", message_bytes_max: int | None = None
) -> Iterator[Mesh]:
    """`running_mesh` with a patient router, for tests that freeze no worker.

    Router and workers take messages of up to message_bytes_max; None: as large as by default.
    """
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as variables:
            for name, text in PATIENT_UNFROZEN.items():
                variables.setenv(name, text)
            if message_bytes_max is not None:
                for service in ("ROUTER", "WORKER"):
                    limit = f"HASTEN_{service}_GRPC__MESSAGE_BYTES_MAX"
                    variables.setenv(limit, str(message_bytes_max))
            mesh = running.enter_context(running_mesh(models, workers=workers, control=control))
        yield mesh


def router_environ(discovery: Mapping[str, str], **more: str) -> dict[str, str]:
    """Environment of a router on a free port; `discovery` holds kind and address."""
    return {
        "HASTEN_ROUTER_ID": "router",
        "HASTEN_ROUTER_ADDRESS": "127.0.0.1:0",
        "HASTEN_ROUTER_HTTP_ADDRESS": "",  # Who wants HTTP says so: it takes a part of a start.
        "HASTEN_ROUTER_METRICS_ADDRESS": "127.0.0.1:0",
        **PATIENT,
        **_of_router(**{f"discovery__{key}": text for key, text in discovery.items()}),
        **_of_router(**more),
    }


def scheduler_environ(name: str, redis_url: str, **more: str) -> dict[str, str]:
    """Environment of a scheduler on a free port; tasks and workers are those of this Redis."""
    return {
        "HASTEN_SCHEDULER_ID": name,
        "HASTEN_SCHEDULER_ADDRESS": "127.0.0.1:0",
        "HASTEN_SCHEDULER_METRICS_ADDRESS": "127.0.0.1:0",
        "HASTEN_SCHEDULER_REDIS_URL": redis_url,
        "HASTEN_SCHEDULER_DISCOVERY__KIND": "redis",
        **{f"HASTEN_SCHEDULER_{key.upper()}": text for key, text in more.items()},
    }
