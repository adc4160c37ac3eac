"""Services whose standard error is full, unread or not there: they serve all the same."""

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

import hasten_client as hc
from loadtest.repository import write_synthetic
from tests.support.processes import ChildProcess
from tests.support.services import router_environ, running_service, worker_environ
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
X = np.ones((1, 4), np.float32)


@contextmanager
def an_unread_pipe() -> Iterator[int]:
    """One that is full already, and whose other end stays open."""
    reader, writer = os.pipe()
    try:
        flags = fcntl.fcntl(writer, fcntl.F_GETFL)
        fcntl.fcntl(writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        fcntl.fcntl(writer, fcntl.F_SETFL, flags)
        yield writer
    finally:
        os.close(reader)
        os.close(writer)


@contextmanager
def a_full_disk() -> Iterator[int]:
    with open("/dev/full", "wb") as full:  # noqa: PTH123  (a device)
        yield full.fileno()


@contextmanager
def a_pipe_without_a_reader() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("log", [an_unread_pipe, a_full_disk, a_pipe_without_a_reader])
def test_a_mesh_serves_and_leaves_in_order_whatever_becomes_of_its_log(
    tmp_path: Path, log: Callable[[], AbstractContextManager[int]]
) -> None:
    models = tmp_path / "models"
    write_synthetic(models, "step", alpha_ms=1, beta_ms=0, batch_max=4)
    loud = {"telemetry__log_level": "debug"}
    with log() as stderr, ExitStack() as running:
        worker = running.enter_context(
            running_service(
                "hasten_worker.main",
                worker_environ("w", models, {"kind": "static"}, **loud),
                log_path=tmp_path / "worker.log",
                stderr=stderr,
            )
        )
        router = running.enter_context(
            running_service(
                "hasten_router.main",
                router_environ({"kind": "static"}, workers=worker.address, **loud),
                log_path=tmp_path / "router.log",
                stderr=stderr,
            )
        )
        with hc.Client(router.address) as client:
            eventually_sync(lambda: client.ready("step"), PATIENCE_S)
            for _ in range(20):
                client.infer("step", {"INPUT": X}, deadline_s=PATIENCE_S)
        assert router.process.stop() == 0
        assert worker.process.stop() == 0


def test_a_worker_without_standard_error_serves(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write_synthetic(models, "step", alpha_ms=1, beta_ms=0, batch_max=4)
    environ = {**os.environ, **worker_environ("w", models, {"kind": "static"})}
    process = ChildProcess(
        ["/bin/sh", "-c", 'exec "$0" -m hasten_worker.main 2>&-', sys.executable],
        log_path=tmp_path / "log",
        environ=environ,
    )
    try:
        ready = eventually_sync(
            lambda: process.log_path.read_text() or process.exit_status, PATIENCE_S
        )
        with hc.Client(json.loads(str(ready))["address"]) as client:
            client.infer("step", {"INPUT": X}, deadline_s=PATIENCE_S)
    finally:
        assert process.stop() == 0
