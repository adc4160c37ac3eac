"""What the router learnt comes back after a restart, and a dead store harms nothing."""

import asyncio
import json
from random import Random

import pytest
from structlog.testing import capture_logs

from hasten_policy.load import WorkerReport
from hasten_policy.router.events import CheckpointRestored
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_runtime.checkpoints import CheckpointKeeper
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.wire import report_to_wire
from tests.support.waiting import eventually
from tests.unit.router_shell.reports import REPORT

pytestmark = pytest.mark.virtual_time

LEARNT = json.dumps({"theta": {"m": [0.9, 0.8, 0.7, 0.6]}}).encode()


class Shelf:
    """Takes reports, and checkpoints for a machine."""

    def __init__(self, machine: RouterMachine | None = None) -> None:
        self.reports: dict[str, WorkerReport] = {}
        self._machine = machine

    def restore(self, checkpoint: bytes) -> None:
        assert self._machine is not None
        learnt(self._machine, checkpoint)

    def remember(self, reports: dict[str, WorkerReport]) -> None:
        self.reports = reports


def a_machine() -> RouterMachine:
    return RouterMachine(RouterPolicy(), rng=Random(1))


def learnt(machine: RouterMachine, checkpoint: bytes = LEARNT) -> None:
    machine.on(CheckpointRestored(checkpoint.decode()), now_s=0.0)


def keeper_of(
    store: MemoryLoadStore, machine: RouterMachine, interval_s: float = 10.0
) -> CheckpointKeeper:
    return CheckpointKeeper(store, machine, name="router:r", interval_s=interval_s)


async def test_a_checkpoint_survives_a_restart() -> None:
    store = MemoryLoadStore()
    former = a_machine()
    learnt(former)
    await keeper_of(store, former).save()
    successor = a_machine()
    await keeper_of(store, successor).restore(Shelf(successor))
    assert successor.checkpoint() == former.checkpoint()
    assert b'"m"' in successor.checkpoint()


async def test_reports_of_the_store_are_remembered() -> None:
    store = MemoryLoadStore()
    await store.publish(report_to_wire("w", "", REPORT), ttl_s=60.0)
    shelf = Shelf()
    await keeper_of(store, a_machine()).restore(shelf)
    assert shelf.reports == {"w": REPORT}


async def test_a_router_starts_without_its_store() -> None:
    store = MemoryLoadStore()
    store.available = False
    shelf = Shelf()
    await keeper_of(store, a_machine()).restore(shelf)
    assert shelf.reports == {}


async def test_a_store_that_hangs_does_not_hold_the_start_up() -> None:
    class HangingStore(MemoryLoadStore):
        async def checkpoint(self, name: str) -> bytes | None:
            await asyncio.Event().wait()
            return await super().checkpoint(name)

    await keeper_of(HangingStore(), a_machine()).restore(Shelf())


async def test_it_saves_again_and_again_and_complains_once() -> None:
    store = MemoryLoadStore()
    store.available = False
    machine = a_machine()
    with capture_logs() as logs:
        running = asyncio.create_task(keeper_of(store, machine, interval_s=0.001).run())
        await eventually(lambda: logs)
        store.available = True
        learnt(machine)

        async def saved() -> bool:
            return await store.checkpoint("router:r") == machine.checkpoint()

        await eventually(saved)
        running.cancel()
    assert [log["event"] for log in logs] == ["checkpoint.not_saved"]
