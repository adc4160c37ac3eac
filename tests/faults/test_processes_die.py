"""Processes of a mesh are killed and frozen under load: who had time left hears nothing of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hasten_client as hc
from loadtest.repository import write_synthetic
from tests.support.services import PATIENT_ONE_FREEZES, PATIENT_UNFROZEN
from tests.support.waiting import eventually
from tests.unit.cli.mesh_process import MeshProcess

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes-die")]

CALLERS = 4
DEADLINE_S = 20.0
"""More than a busy machine takes, less than a test waits for each caller's answers."""
BACK_S_MAX = 60.0
IN_ROTATION = {"ready", "slow_start"}
X = np.ones((1, 4), np.float32)


@dataclass(frozen=True)
class Mesh:
    process: MeshProcess
    facts: dict[str, Any]

    @property
    def address(self) -> str:
        return str(self.facts["address"])


@contextmanager
def running(folder: Path, environ: dict[str, str]) -> Iterator[Mesh]:
    models = folder / "models"
    write_synthetic(models, "step", alpha_ms=5, beta_ms=0, batch_max=4)
    options = ("--json", "--port", "0", "--metrics-port", "0", "--workers", "2")
    options = (*options, "--models", str(models))
    with MeshProcess(folder, *options, environ=environ, real=True) as one:
        yield Mesh(one, one.ready())


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """A mesh of which no process is frozen."""
    with running(tmp_path, PATIENT_UNFROZEN) as one:
        yield one


@pytest.fixture
def mesh_to_freeze(tmp_path: Path) -> Iterator[Mesh]:
    with running(tmp_path, PATIENT_ONE_FREEZES) as one:
        yield one


@dataclass
class Load:
    """Callers that call one after the other; they try each call once."""

    client: hc.AsyncClient
    answered: list[int] = field(default_factory=lambda: [0] * CALLERS)
    failed: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def caller(self, number: int) -> None:
        while not self.over.is_set():
            try:
                await self.client.infer("step", {"INPUT": X}, deadline_s=DEADLINE_S)
                self.answered[number] += 1
            except hc.HastenError as error:
                self.failed.append(repr(error))

    async def more(self, calls: int) -> None:
        """Each caller its share: a call that a frozen worker keeps holds its caller up."""
        wanted = [count + calls // CALLERS for count in self.answered]

        def all_have() -> bool:
            return all(count >= enough for count, enough in zip(self.answered, wanted, strict=True))

        await eventually(all_have, 60.0, what=f"{calls} more answers")


@asynccontextmanager
async def load_on(mesh: Mesh) -> AsyncIterator[Load]:
    async with hc.AsyncClient(mesh.address, retry=hc.RetryPolicy(attempts_max=1)) as client:
        load = Load(client)
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(load.caller(number))
            try:
                await load.more(100)
                yield load
            finally:
                load.over.set()


def listed(mesh: Mesh) -> dict[str, str]:
    """Standing of each worker, as `hasten workers list --json` prints it."""
    command = [sys.executable, "-m", "hasten_cli.main", "workers", "list", "--json"]
    said = subprocess.run(
        [*command, "--address", mesh.address],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {row["worker_id"]: row["standing"] for row in json.loads(said.stdout)["workers"]}


async def standings(client: hc.AsyncClient) -> dict[str, str]:
    return {worker.worker_id: worker.standing for worker in await client.workers()}


async def test_a_killed_worker_costs_no_call_and_is_started_again(mesh: Mesh) -> None:
    async with load_on(mesh) as load:
        os.kill(mesh.facts["workers"][0]["pid"], signal.SIGKILL)
        await load.more(200)
        await eventually(lambda: "worker-1 is back on" in mesh.process.stderr, BACK_S_MAX)

        async def is_back() -> bool:
            found = await standings(load.client)
            return found.keys() == {"worker-1", "worker-2"} and set(found.values()) <= IN_ROTATION

        await eventually(is_back, BACK_S_MAX)
        await load.more(100)
    assert load.failed == []
    assert set(listed(mesh)) == {"worker-1", "worker-2"}


async def test_a_frozen_worker_costs_no_call_and_is_out_until_it_wakes(
    mesh_to_freeze: Mesh,
) -> None:
    mesh = mesh_to_freeze
    pid = mesh.facts["workers"][0]["pid"]
    async with load_on(mesh) as load:
        os.kill(pid, signal.SIGSTOP)

        async def is_out() -> bool:
            return (await standings(load.client)).get("worker-1") not in IN_ROTATION

        async def is_listed_as_out() -> bool:
            found = await asyncio.to_thread(listed, mesh)
            # One that sleeps for long is forgotten, and not listed any more.
            return {name for name in found if found[name] in IN_ROTATION} == {"worker-2"}

        try:
            await eventually(is_out)
            await eventually(is_listed_as_out, what="only worker-1 is listed as out")
            await load.more(200)
        finally:
            os.kill(pid, signal.SIGCONT)

        async def is_back() -> bool:
            return (await standings(load.client)).get("worker-1") in IN_ROTATION

        await eventually(is_back, BACK_S_MAX)
        await load.more(100)
    assert load.failed == []
    assert "worker-1" not in mesh.process.stderr  # it has not been started anew


async def test_a_killed_router_is_started_again_where_it_was_and_that_is_said(mesh: Mesh) -> None:
    async with hc.AsyncClient(mesh.address, retry=hc.RetryPolicy(attempts_max=1)) as client:
        await client.infer("step", {"INPUT": X}, deadline_s=DEADLINE_S)
        os.kill(mesh.facts["router"]["pid"], signal.SIGKILL)
        back = f"router is back on {mesh.address}"
        await eventually(lambda: back in mesh.process.stderr, BACK_S_MAX)

        async def answers() -> bool:
            try:
                await client.infer("step", {"INPUT": X}, deadline_s=DEADLINE_S)
            except hc.HastenError as error:
                raise AssertionError(repr(error)) from error
            return True

        await eventually(answers, BACK_S_MAX)
    assert "router ended with signal SIGKILL" in mesh.process.stderr
    assert "starting it again" in mesh.process.stderr
