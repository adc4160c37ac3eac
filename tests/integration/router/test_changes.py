"""A change of models waits for workers that are on their way, as long as they are."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_runtime.errors import MeshError
from hasten_runtime.fanout.crew import Crew, CrewLimits
from hasten_runtime.fleet.roster import Roster, RosterLimits
from hasten_runtime.handlers import Context
from tests.integration.fleet.rostering import Announcer, Record, roster_of
from tests.support.fake_worker import FakeWorker
from tests.support.ports import free_port
from tests.support.waiting import eventually

PATIENCE_S = 60.0


class Hurried:
    """The context of a call that has so much time."""

    def __init__(self, left_s: float) -> None:
        self._until_s = time.monotonic() + left_s

    def time_remaining(self) -> float:
        """What is left of it."""
        return max(0.0, self._until_s - time.monotonic())


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

    def load(self, context: Patient | Hurried | None = None) -> asyncio.Task[None]:
        return asyncio.create_task(
            self.crew.change_model(
                "RepositoryModelLoad",
                pb.RepositoryModelLoadRequest(model_name="m"),
                pb.RepositoryModelLoadResponse,
                cast("Context", context or Patient()),
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
    link = mesh.roster.link("b")
    load = mesh.load()
    await mesh.announcer.withdraw("b")
    await load
    assert (loads(mesh.first), loads(mesh.second)) == (1, 0)
    assert link is not None
    async with asyncio.timeout(PATIENCE_S):  # Whoever comes late waits for it no more either.
        await link.acquainted()


async def test_waiting_for_a_dead_worker_leaves_the_time_to_ask_the_others(mesh: Mesh) -> None:
    told = ""
    for left_s in (1.0, 5.0, 20.0):  # Again, as this process may stand still for all of it.
        with pytest.raises(MeshError) as caught:
            await mesh.load(Hurried(left_s))
        told = str(caught.value)
        if "done on a" in told:
            break
    assert "failed on worker b: there is no connection to it; done on a" in told
    assert loads(mesh.first) > 0


async def test_a_worker_that_is_lost_has_to_be_met_again(mesh: Mesh) -> None:
    link = mesh.roster.link("b")
    assert link is not None
    again = asyncio.create_task(link.acquainted())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not again.done()
    await mesh.second.start(mesh.second.address)
    await again
    assert link.connected
