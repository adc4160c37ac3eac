"""Local mode with the real services: from one command to answers, and back to nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hasten_client as hc
from tests.support.processes import is_running
from tests.support.services import PATIENT_UNFROZEN
from tests.support.waiting import eventually, eventually_sync
from tests.unit.cli.mesh_process import MeshProcess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("local_mode"),  # they share one mesh
]

CONFIG = """\
name: "{name}"
backend: "synthetic"
max_batch_size: 8
input [ {{ name: "INPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
output [ {{ name: "OUTPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
dynamic_batching {{ }}
parameters {{ key: "alpha_ms" value {{ string_value: "{alpha_ms}" }} }}
parameters {{ key: "beta_ms" value {{ string_value: "0.5" }} }}
"""
X = np.arange(4, dtype=np.float32).reshape(1, 4)
ANY_PORT = ("--json", "--port", "0", "--metrics-port", "0")


def write_model(folder: Path, name: str, *, alpha_ms: float) -> None:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "config.pbtxt").write_text(CONFIG.format(name=name, alpha_ms=alpha_ms))


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MeshProcess, dict[str, Any]]]:
    """A mesh of two workers with the models `echo` (2 ms) and `slow` (a minute)."""
    folder = tmp_path_factory.mktemp("local-mode")
    write_model(folder / "models", "echo", alpha_ms=2)
    write_model(folder / "models", "slow", alpha_ms=60_000)
    options = (*ANY_PORT, "--models", str(folder / "models"), "--control", "explicit")
    with MeshProcess(folder, *options, environ=PATIENT_UNFROZEN, real=True) as running:
        facts = running.ready()
        for model in ("echo", "slow"):
            with hc.Client(facts["address"]) as client:
                client.load(model, deadline_s=60.0)
        yield running, facts
        running.remember_family()
        running.signal(signal.SIGINT)
        assert running.wait() == 0
        eventually_sync(running.nothing_left)


@pytest.fixture
def address(mesh: tuple[MeshProcess, dict[str, Any]]) -> str:
    return str(mesh[1]["address"])


def hasten(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hasten_cli.main", *words],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


async def test_our_own_client_gets_its_answer_and_sees_where_the_time_went(address: str) -> None:
    async with hc.AsyncClient(address) as client:
        assert await client.ready()
        result = await client.infer("echo", {"INPUT": X}, deadline_s=60.0, timing=True)
    assert result["OUTPUT"].tolist() == X.tolist()
    timing = result.timing
    assert timing is not None
    assert timing.worker_id in {"worker-1", "worker-2"}
    assert timing.compute_us >= 2000
    assert sum(spent for _, spent in timing.parts) == pytest.approx(timing.total_us, rel=0.05)


def test_the_stock_client_gets_its_answer(address: str) -> None:
    import tritonclient.grpc as triton

    client = triton.InferenceServerClient(address)
    try:
        tensor = triton.InferInput("INPUT", [1, 4], "FP32")
        tensor.set_data_from_numpy(X)
        result = client.infer("echo", [tensor])
        assert result.as_numpy("OUTPUT").tolist() == X.tolist()
    finally:
        client.close()


async def test_a_deadline_that_cannot_be_kept_is_refused_with_its_reason(address: str) -> None:
    async with hc.AsyncClient(address) as client:
        # An idle worker would try it; a call of no time at all is refused wherever it comes.
        with pytest.raises(hc.DeadlineExceeded) as caught:
            await client.infer("slow", {"INPUT": X}, deadline_s=1e-6)
        with pytest.raises(hc.NotFound):
            await client.infer("nothing", {"INPUT": X})
        with pytest.raises(hc.InvalidArgument, match="OTHER"):
            await client.infer("echo", {"OTHER": X})
    assert caught.value.reason in {"DEADLINE_INFEASIBLE", "DEADLINE_PASSED"}


async def test_a_stream_is_answered_request_by_request(address: str) -> None:
    requests = [
        hc.InferRequest("echo", {"INPUT": X + number}, request_id=str(number))
        for number in range(10)
    ]
    async with hc.AsyncClient(address) as client:
        answers = {
            result.id: result["OUTPUT"].tolist()
            async for result in client.stream_infer(requests, deadline_s=60.0)
        }
        with pytest.raises(hc.NotFound):
            [item async for item in client.stream_infer([hc.InferRequest("no", {"INPUT": X})])]
    assert answers == {str(number): (X + number).tolist() for number in range(10)}


def test_the_command_infers_lists_shows_and_refuses(address: str) -> None:
    there = ("--address", address)
    inferred = hasten("infer", "echo", "--input", "INPUT=[1,2]", "--timing", *there)
    assert inferred.returncode == 0, inferred.stderr
    assert "[[1., 2.]]" in inferred.stdout
    assert "where the time went" in inferred.stdout
    shown = json.loads(hasten("models", "show", "echo", "--json", *there).stdout)
    assert shown["config"]["max_batch_size"] == 8
    listed = json.loads(hasten("workers", "list", "--json", *there).stdout)
    assert [worker["worker_id"] for worker in listed["workers"]] == ["worker-1", "worker-2"]
    refused = hasten("infer", "nothing", "--input", "INPUT=[1]", *there)
    assert refused.returncode == 1
    assert "NOT_FOUND" in refused.stderr


def test_models_are_unloaded_and_loaded_by_command(address: str) -> None:
    there = ("--address", address)
    assert hasten("models", "unload", "slow", *there).returncode == 0
    with hc.Client(address) as client:
        eventually_sync(lambda: not client.ready("slow"), what="slow is gone")
        loaded = hasten("models", "load", "slow", *there)
        assert loaded.returncode == 0, loaded.stderr
        eventually_sync(lambda: client.ready("slow"), what="slow is back")


async def test_no_call_with_time_left_fails_while_a_worker_is_killed_and_comes_back(
    mesh: tuple[MeshProcess, dict[str, Any]],
) -> None:
    running, facts = mesh
    async with hc.AsyncClient(facts["address"], retry=hc.RetryPolicy(attempts_max=1)) as client:
        stop = asyncio.Event()

        async def caller() -> int:
            answered = 0
            while not stop.is_set():
                await client.infer("echo", {"INPUT": X}, deadline_s=30.0)
                answered += 1
            return answered

        callers = [asyncio.create_task(caller()) for _ in range(4)]
        os.kill(facts["workers"][1]["pid"], signal.SIGKILL)
        await eventually(lambda: "worker-2 is back on" in running.stderr, 60.0)
        assert "loaded by command must be loaded again" in running.stderr

        async def both_known() -> bool:
            return len(await client.workers()) == 2

        await eventually(both_known, 60.0, what="the router knows of the worker that is back")
        await client.load("echo", deadline_s=60.0)

        async def both_serve() -> bool:
            standings = [worker.standing for worker in await client.workers()]
            return standings in (["ready", "ready"], ["ready", "slow_start"])

        await eventually(both_serve, 60.0)
        stop.set()
        assert sum(await asyncio.gather(*callers)) > 0


def test_the_sample_model_serves_when_there_is_no_repository(tmp_path: Path) -> None:
    options = (*ANY_PORT, "--workers", "1")
    with MeshProcess(tmp_path, *options, environ=PATIENT_UNFROZEN, real=True) as mesh:
        facts = mesh.ready()
        assert "serving the sample model `echo`" in mesh.stderr
        with hc.Client(facts["address"]) as client:
            result = client.infer("echo", {"INPUT": X}, deadline_s=60.0)
        assert result["OUTPUT"].tolist() == X.tolist()
        mesh.remember_family()
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        eventually_sync(mesh.nothing_left)


def test_a_kill_of_the_supervisor_ends_the_real_services_too(tmp_path: Path) -> None:
    options = (*ANY_PORT, "--workers", "1", "--processes", "2")
    with MeshProcess(tmp_path, *options, environ=PATIENT_UNFROZEN, real=True) as mesh:
        facts = mesh.ready()
        with hc.Client(facts["address"]) as client:
            client.infer("echo", {"INPUT": X}, deadline_s=60.0)
        family = mesh.remember_family()
        assert len(family) >= 6  # guard, redis, router and its two, worker
        mesh.signal(signal.SIGKILL)
        mesh.wait()
        eventually_sync(mesh.nothing_left, what="the services are gone")
        assert not any(is_running(pid) for pid in family)
