"""A change of models waits for workers that are on their way, as long as they are."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_router.fanout.crew import Crew, CrewLimits
from hasten_router.links.roster import Roster, RosterLimits
from hasten_runtime.handlers import Context
from tests.integration.router.fake_worker import FakeWorker
from tests.integration.router.rostering import Announcer, Record, roster_of
from tests.support.ports import free_port
from tests.support.waiting import eventually

PATIENCE_S = 60.0


class Patient:
    """The context of a call without a deadline."""

    def time_remaining(self) -> None:
        """Nobody set a limit."""


def loading(name: str) -> FakeWorker:
    worker = FakeWorker(name)
    worker.answers["RepositoryModelLoad"] = lambda _: pb.RepositoryModelLoadResponse()
    return worker


def loads(worker: FakeWorker) -> int:
    return sum(name == "RepositoryModelLoad" for name, _ in worker.asked)


class Mesh:
    """Two workers, and a router's crew: the second worker was killed."""

    def __init__(self, crew: Crew, roster: Roster, announcer: Announcer) -> None:
        self.crew = crew
        self.roster = roster
        self.announcer = announcer
        self.first = loading("a")
        self.second = loading("b")

    async def start(self) -> None:
        for name, worker in (("a", self.first), ("b", self.second)):
            # A port of the system's choice could be another process's when the worker comes back.
            await self.announcer.announce(name, await worker.start(f"127.0.0.1:{free_port()}"))
        await eventually(lambda: self.connected == ["a", "b"], what="both are linked")
        await self.second.stop()
        await eventually(lambda: self.connected == ["a"], what="the second is lost")

    @property
    def connected(self) -> list[str]:
        return [link.worker_id for link in self.roster.links() if link.connected]

    def load(self) -> asyncio.Task[None]:
        return asyncio.create_task(
            self.crew.change_model(
                "RepositoryModelLoad",
                pb.RepositoryModelLoadRequest(model_name="m"),
                pb.RepositoryModelLoadResponse,
                cast("Context", Patient()),
            )
        )


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    record: Any = Record()
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        crew = Crew(roster.links, record, CrewLimits(connect_s_max=PATIENCE_S))
        running = Mesh(crew, roster, announcer)
        await running.start()
        yield running
        await running.first.stop()
        await running.second.stop()


async def test_a_worker_that_comes_back_takes_part(mesh: Mesh) -> None:
    load = mesh.load()
    await mesh.second.start(mesh.second.address)
    await load
    assert (loads(mesh.first), loads(mesh.second)) == (1, 1)


async def test_a_worker_that_comes_back_elsewhere_takes_part(mesh: Mesh) -> None:
    load = mesh.load()
    await mesh.announcer.announce("b", await mesh.second.start())
    await load
    assert (loads(mesh.first), loads(mesh.second)) == (1, 1)


async def test_a_worker_that_leaves_is_not_asked(mesh: Mesh) -> None:
    load = mesh.load()
    await mesh.announcer.withdraw("b")
    await load
    assert (loads(mesh.first), loads(mesh.second)) == (1, 0)
