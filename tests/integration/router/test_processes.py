"""Many router processes behind one port."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import psutil
import pytest

from tests.integration.router.harness import Client, request
from tests.support.fake_worker import FakeWorker
from tests.support.processes import is_running
from tests.support.raw_http import ask
from tests.support.services import Service, router_environ, running_service
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

CONNECTIONS = 24


@asynccontextmanager
async def two_routers(
    worker: FakeWorker, log_path: Path, **more: str
) -> AsyncIterator[tuple[Service, list[int]]]:
    """A parent with two router processes in front of the worker, and the processes' ids."""
    await worker.start()
    environ = router_environ(
        {"kind": "static"},
        workers=worker.address,
        processes="2",
        http_address="127.0.0.1:0",
        drain__notice_s="0",
        drain__patience_s="5",
        link__acquaint_s_max="60",
        **more,
    )
    opening = running_service("hasten_router.main", environ, log_path=log_path)
    service = await asyncio.to_thread(opening.__enter__)
    try:
        await eventually(lambda: set(worker.hellos) == {"router-0", "router-1"})
        yield service, child_pids(service)
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)
        await worker.stop()


def child_pids(service: Service) -> list[int]:
    return [child.pid for child in psutil.Process(service.process.pid).children()]


async def call_over_new_connections(address: str) -> list[str]:
    """Calls over a connection each; the ids that came back."""

    async def one(number: int) -> str:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            return str((await Client(channel).infer(request(request_id=str(number)))).id)

    return list(await asyncio.gather(*(one(number) for number in range(CONNECTIONS))))


async def test_two_processes_share_a_port_and_stop_together(tmp_path: Path) -> None:
    worker = FakeWorker()
    log_path = tmp_path / "router.log"
    async with two_routers(worker, log_path) as (service, pids):
        assert service.facts["processes"] == 2
        assert len(pids) == 2
        http = str(service.facts["http_address"])
        for _ in range(CONNECTIONS // 4):
            assert (await ask(http, "GET", "/v2/health/live")).status == 200
        ids = await call_over_new_connections(service.address)
        assert ids == [str(number) for number in range(CONNECTIONS)]
        lines = log_path.read_text().splitlines()
        said = [json.loads(line) for line in lines if '"event":"ready"' in line]
        ready = [line["pid"] for line in said]
        assert ready == [service.process.pid]
        assert await asyncio.to_thread(service.process.stop) == 0
    assert not any(is_running(pid) for pid in pids)


async def test_a_crashed_process_is_started_again(tmp_path: Path) -> None:
    worker = FakeWorker()
    async with two_routers(worker, tmp_path / "router.log") as (service, pids):
        before = len(worker.hellos)
        psutil.Process(pids[0]).kill()

        def both_there() -> bool:
            now = child_pids(service)
            return len(now) == 2 and pids[0] not in now

        await eventually(both_there, what="the successor is started")
        await eventually(lambda: len(worker.hellos) > before, what="the successor is linked")
        assert await call_over_new_connections(service.address)


async def test_a_process_that_stands_still_is_replaced(tmp_path: Path) -> None:
    worker = FakeWorker()
    async with two_routers(worker, tmp_path / "router.log", frozen_s="1") as (service, pids):
        psutil.Process(pids[0]).suspend()

        def replaced() -> bool:
            now = child_pids(service)
            return len(now) == 2 and pids[0] not in now

        await eventually(replaced, what="the one that stands still has a successor")
        assert '"event":"child.frozen"' in (tmp_path / "router.log").read_text().replace(" ", "")


async def test_children_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    async with two_routers(FakeWorker(), tmp_path / "router.log") as (service, pids):
        await asyncio.to_thread(service.process.kill)
        await eventually(lambda: not any(is_running(pid) for pid in pids))


async def test_a_port_in_use_is_said_in_words(tmp_path: Path) -> None:
    worker = FakeWorker()
    await worker.start()
    environ = router_environ({"kind": "static"}, processes="2", address=worker.address)
    opening = running_service("hasten_router.main", environ, log_path=tmp_path / "router.log")
    with pytest.raises(RuntimeError, match=f"cannot listen at {worker.address}"):
        await asyncio.to_thread(opening.__enter__)
    await worker.stop()


@pytest.mark.parametrize("setting", ["address", "http_address", "metrics_address"])
async def test_one_process_says_so_too(tmp_path: Path, setting: str) -> None:
    worker = FakeWorker()
    await worker.start()
    environ = router_environ({"kind": "static"}, **{setting: worker.address})
    opening = running_service("hasten_router.main", environ, log_path=tmp_path / "router.log")
    with pytest.raises(RuntimeError, match=rf"(?s)ended with 1.*at {worker.address}") as raised:
        await asyncio.to_thread(opening.__enter__)
    assert "Traceback" not in str(raised.value)
    flag = f"--{setting.replace('_', '-')}"
    assert f"the setting {setting} ({flag}, HASTEN_ROUTER_{setting.upper()})" in str(raised.value)
    await worker.stop()
