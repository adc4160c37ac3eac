"""A real router process and real workers that die, freeze and come back, under load."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb
from loadtest.repository import write_synthetic
from tests.integration.router.harness import Client, told
from tests.support.services import (
    NOBODY_FREEZES,
    ONE_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

LIST = "/hasten.router.v1.RouterService/ListWorkers"
CALLERS = 8
SLACK_S = 20.0
"""Of a call: more than a busy machine takes, less than a test waits for each caller's answers."""


def step_request(model: str = "step") -> Any:
    message = pb.ModelInferRequest(model_name=model)
    message.inputs.add(name="INPUT", datatype="FP32", shape=[1, 2])
    message.raw_input_contents.append(np.ones(2, "<f4").tobytes())
    return message


@dataclass
class Mesh:
    """A router and its workers, by name."""

    router: Service
    workers: dict[str, Service]


@contextmanager
def running_mesh(folder: Path, **settings: str) -> Iterator[Mesh]:
    models = folder / "models"
    write_synthetic(models, "step", alpha_ms=5, beta_ms=0, batch_max=4)
    write_synthetic(models, "slow", alpha_ms=2000, beta_ms=0, batch_max=1)
    write_synthetic(models, "endless", alpha_ms=600_000, beta_ms=0, batch_max=1)
    with ExitStack() as running:
        workers = {
            name: running.enter_context(
                running_service(
                    "hasten_worker.main",
                    worker_environ(name, models, {"kind": "static"}, lanes="2"),
                    log_path=folder / f"{name}.log",
                )
            )
            for name in ("one", "two")
        }
        addresses = ",".join(worker.address for worker in workers.values())
        router = running.enter_context(
            running_service(
                "hasten_router.main",
                router_environ(
                    {"kind": "static"},
                    workers=addresses,
                    drain__notice_s="0.1",
                    drain__patience_s="20",
                    **settings,
                ),
                log_path=folder / "router.log",
            )
        )
        yield Mesh(router, workers)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    with running_mesh(tmp_path, **NOBODY_FREEZES) as one:
        yield one


@pytest.fixture
def mesh_to_freeze(tmp_path: Path) -> Iterator[Mesh]:
    with running_mesh(tmp_path, **ONE_FREEZES) as one:
        yield one


@dataclass
class Load:
    """Callers that call one after the other until told to stop."""

    client: Client
    answered: list[int] = field(default_factory=lambda: [0] * CALLERS)
    failed: list[tuple[str, str, str, float | None]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def caller(self, number: int) -> None:
        while not self.stop.is_set():
            try:
                await self.client.infer(step_request(), timeout_s=SLACK_S)
                self.answered[number] += 1
            except grpc.aio.AioRpcError as error:
                self.failed.append(told(error))
                if self.failed[-1][0] == "UNAVAILABLE":
                    return  # it goes elsewhere

    async def more(self, calls: int) -> None:
        """Returns when so many more calls have been answered, and each caller has its share.

        A call that a dead or frozen worker keeps to itself holds its caller up.
        """
        wanted = [count + calls // CALLERS for count in self.answered]

        def all_have() -> bool:
            return all(count >= enough for count, enough in zip(self.answered, wanted, strict=True))

        await eventually(all_have, 60.0, what=f"{calls} more answers")


@asynccontextmanager
async def load_on(mesh: Mesh) -> AsyncIterator[tuple[Load, Client]]:
    async with grpc.aio.insecure_channel(mesh.router.address) as channel:
        client = Client(channel)
        await eventually(lambda: all_ready(client, len(mesh.workers)))
        load = Load(client)
        async with asyncio.TaskGroup() as group:
            for number in range(CALLERS):
                group.create_task(load.caller(number))
            try:
                yield load, client
            finally:
                load.stop.set()


async def standings(client: Client) -> dict[str, str]:
    answer = await client.ask(LIST, router_pb.ListWorkersRequest(), router_pb.ListWorkersResponse)
    return {row.state.address: row.standing for row in answer.workers}


async def all_ready(client: Client, count: int) -> bool:
    found = await standings(client)
    return len(found) == count and set(found.values()) <= {"ready", "slow_start"}


async def test_a_worker_killed_under_load_costs_no_call(mesh: Mesh) -> None:
    async with load_on(mesh) as (load, client):
        await load.more(200)
        await asyncio.to_thread(mesh.workers["one"].process.kill)
        await load.more(500)
        found = await standings(client)
    assert load.failed == []
    assert found[mesh.workers["one"].address] == "connecting"


async def test_a_frozen_worker_is_out_of_rotation_and_costs_no_call(
    mesh_to_freeze: Mesh,
) -> None:
    mesh = mesh_to_freeze
    frozen = mesh.workers["one"]
    async with load_on(mesh) as (load, client):
        await load.more(200)
        frozen.process.pause()

        async def is_out() -> bool:
            return (await standings(client))[frozen.address] not in {"ready", "slow_start"}

        await eventually(is_out)
        await load.more(300)
        frozen.process.resume()
        await eventually(lambda: all_ready(client, 2))
        await load.more(100)
    assert load.failed == []


async def test_a_worker_that_leaves_in_order_costs_no_call(mesh: Mesh) -> None:
    async with load_on(mesh) as (load, _):
        await load.more(200)
        stopping = asyncio.create_task(asyncio.to_thread(mesh.workers["one"].process.stop))
        await load.more(300)
        await stopping
        await load.more(100)
    assert load.failed == []


async def test_a_router_that_leaves_loses_no_call_it_took(mesh: Mesh) -> None:
    async with load_on(mesh) as (load, client):
        await load.more(200)

        def ends() -> list[tuple[str, str]]:
            # On a starved machine `endless` and `slow` leave no room for some: not taken, not lost.
            return [failure[:2] for failure in load.failed if failure[1] != "OVERLOADED"]

        # While this one is under way the router is there and refuses the others.
        endless = client.start(step_request("endless"), timeout_s=None)
        slow = asyncio.ensure_future(client.infer(step_request("slow"), timeout_s=SLACK_S))
        await load.more(80)
        stopping = asyncio.create_task(asyncio.to_thread(mesh.router.process.stop))
        # More than that, if one is told anything else: the assertion below then says what.
        await eventually(lambda: len(ends()) >= CALLERS, what="all callers are refused")
        assert (await slow).model_name == "slow"
        endless.cancel()
        assert await stopping == 0
    assert ends() == [("UNAVAILABLE", "DRAINING")] * CALLERS
