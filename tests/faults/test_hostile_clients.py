"""Clients that mean harm: the honest are answered meanwhile, and nothing is left of the others."""

import asyncio
import json
import re
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import psutil
import pytest

import hasten_client as hc
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten.worker.v1.worker_service_pb2_grpc import WorkerServiceStub
from loadtest.mesh import Mesh
from tests.faults import hostile_clients
from tests.support.pacing import pause
from tests.support.services import patient_mesh
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("hostile")]

CALLERS = 2
HONEST_DEADLINE_S = 30.0
"""All share the processors: on two busy ones a call may wait for seconds."""
SETTLED_S_MAX = 60.0
HOGS_RUN_MAX = 400
"""Of the 800 calls that `cancels` makes and takes back, a few dozen are run."""
SPARE_FILES_MAX = 20
"""Files that a process may have open for reasons of its own: links, connections being closed."""
GROWTH_BYTES_MAX = 384 * hostile_clients.MIB
"""Far above what is ever seen, which the script of hostile_clients prints, and below what the bombs
hold together.
"""
X = np.ones((1, 4), np.float32)
GAUGES = re.compile(r"^hasten_router_(?:held|in_flight)_calls(?:{.*})? (\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    models: Path = tmp_path_factory.mktemp("models")
    hostile_clients.write_models(models)
    limit = hostile_clients.LIMIT_BYTES
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("HASTEN_ROUTER_HTTP__HEAD_S", "2")
        variables.setenv("HASTEN_ROUTER_HTTP__PATIENCE_S", "3")
        with patient_mesh(models, workers=2, message_bytes_max=limit) as running:
            yield running


@asynccontextmanager
async def honest_load(client: hc.AsyncClient) -> AsyncIterator[list[str]]:
    """Callers that call steadily inside the block; what went wrong is in the list."""
    failed: list[str] = []
    answered = 0
    over = asyncio.Event()

    async def caller() -> None:
        nonlocal answered
        while not over.is_set():
            try:
                await client.infer("quick", {"INPUT": X}, deadline_s=HONEST_DEADLINE_S)
                answered += 1
            except hc.HastenError as error:
                failed.append(repr(error))
            await pause(over)

    async with asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
        await eventually(lambda: answered > CALLERS, what="the honest are answered")
        try:
            yield failed
        finally:
            over.set()


def scraped(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
        text: str = answer.read().decode()
    return text


async def nothing_is_left(mesh: Mesh, client: hc.AsyncClient, files_before: int) -> bool:
    gauges = GAUGES.findall(await asyncio.to_thread(scraped, mesh.metrics))
    assert gauges == ["0.0", "0.0"]
    workers = await client.workers()
    assert [worker.in_flight for worker in workers] == [0, 0]
    assert [worker.depth for worker in workers] == [0, 0]
    files = psutil.Process(mesh.router_pid).num_fds()
    assert files <= files_before + SPARE_FILES_MAX
    return True


async def hogs_run(client: hc.AsyncClient) -> int:
    (hog,) = (found for found in await client.statistics() if found.name == "hog")
    return int(hog.execution_count)


def resident(mesh: Mesh) -> int:
    return sum(
        psutil.Process(pid).memory_info().rss for pid in (mesh.router_pid, *mesh.worker_pids)
    )


@pytest.mark.parametrize("attack", hostile_clients.ATTACKS, ids=lambda attack: attack.__name__)
async def test_the_honest_are_answered_and_nothing_is_left(
    mesh: Mesh, attack: hostile_clients.Attack
) -> None:
    await under_attack(mesh, attack, mesh.router)


@pytest.mark.parametrize(
    "attack",
    [hostile_clients.half_open, hostile_clients.garbage],
    ids=lambda attack: attack.__name__,
)
async def test_strangers_at_the_port_of_the_links_harm_nobody(
    mesh: Mesh, attack: hostile_clients.Attack
) -> None:
    host = mesh.workers[0].rpartition(":")[0]
    async with grpc.aio.insecure_channel(mesh.workers[0]) as channel:
        opened = await WorkerServiceStub(channel).OpenLink(pb.OpenLinkRequest(caller_id="spy"))
    await under_attack(mesh, attack, f"{host}:{opened.port}")


async def test_crowds_at_the_port_of_http_harm_nobody(mesh: Mesh) -> None:
    await under_attack(mesh, hostile_clients.http_crowd, mesh.http)


async def test_attacks_of_the_loadtest_harm_nobody(mesh: Mesh) -> None:
    """Some of those that `python -m loadtest.hostile` runs one by one, all at once and briefly."""
    where = {
        "router": mesh.router,
        "http": mesh.http,
        "worker": mesh.workers[0],
        "metrics": mesh.metrics,
    }

    async def attack(name: str) -> None:
        command = [sys.executable, "-m", "loadtest.attacks", name, json.dumps(where), "1"]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=hostile_clients.ROOT, stdout=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0

    async with hc.AsyncClient(mesh.router, retry=hc.RetryPolicy(attempts_max=1)) as client:
        files = psutil.Process(mesh.router_pid).num_fds()
        async with honest_load(client) as failed:
            await asyncio.gather(*map(attack, ("inputs", "datatype", "half_frames", "bad_frames")))
        assert failed == []
        await eventually(lambda: nothing_is_left(mesh, client, files), SETTLED_S_MAX)


async def under_attack(mesh: Mesh, attack: hostile_clients.Attack, address: str) -> None:
    async with hc.AsyncClient(mesh.router, retry=hc.RetryPolicy(attempts_max=1)) as client:
        files = psutil.Process(mesh.router_pid).num_fds()
        before = resident(mesh)
        ran = await hogs_run(client)
        async with honest_load(client) as failed:
            await hostile_clients.from_outside(attack, address)
        assert failed == []
        await eventually(lambda: nothing_is_left(mesh, client, files), SETTLED_S_MAX)
        assert await hogs_run(client) - ran < HOGS_RUN_MAX
        assert resident(mesh) < before + GROWTH_BYTES_MAX
        assert {psutil.pid_exists(pid) for pid in (mesh.router_pid, *mesh.worker_pids)} == {True}
