"""What a pool of workers promises: in memory, over a socket, and of the supervisor's processes."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hasten_cli.local.plan import ServiceSpec
from hasten_cli.local.pool import SupervisorPool
from hasten_cli.local.run_folder import RunFolder
from hasten_cli.local.supervisor import Supervisor
from hasten_runtime.pools.memory import MemoryPool
from hasten_runtime.pools.port import Pool, PoolFenced, PoolRefused, PoolUnavailable
from hasten_runtime.pools.socket import PoolServer, SocketPool
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_leaked_tasks")]

SERVES = """
import json, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(json.dumps({"event": "ready", "address": "127.0.0.1:1"}), flush=True)
signal.pause()
"""
ENDS = "import sys; sys.exit('no model')"


def spec(name: str, code: str = SERVES) -> ServiceSpec:
    return ServiceSpec(name, "worker", (sys.executable, "-I", "-S", "-c", code), {}, 5.0)


@pytest.fixture(params=["memory", "socket", "supervisor"])
async def pool(
    request: pytest.FixtureRequest, tmp_path: Path, no_leaked_tasks: None
) -> AsyncIterator[Pool]:
    del no_leaked_tasks  # named only to be torn down after this fixture
    if request.param == "memory":
        yield MemoryPool()
        return
    with RunFolder() as folder:
        supervisor = Supervisor(folder, say=lambda _: None)
        inner: Pool = MemoryPool()
        if request.param == "supervisor":
            inner = SupervisorPool(supervisor, spec)
        server = PoolServer(inner, tmp_path / "pool.sock")
        await server.open()
        yield SocketPool(tmp_path / "pool.sock")
        await server.close()
        await inner.close()
        await supervisor.stop()


async def names(pool: Pool) -> list[str]:
    return [each.worker_id for each in await pool.workers()]


async def test_a_worker_that_is_started_is_there_and_one_that_is_stopped_goes(pool: Pool) -> None:
    assert await pool.workers() == []
    await pool.start("w-2", 1)
    await pool.start("w-1", 1)
    assert await names(pool) == ["w-1", "w-2"]
    await pool.stop("w-1", 1)

    async def gone() -> bool:
        return await names(pool) == ["w-2"]

    await eventually(gone)


async def test_a_start_or_stop_that_is_repeated_changes_nothing(pool: Pool) -> None:
    for _ in range(3):
        await pool.start("w-1", 1)
    assert await names(pool) == ["w-1"]
    for _ in range(3):
        await pool.stop("w-1", 1)
    await pool.stop("nobody", 1)

    async def empty() -> bool:
        return not await names(pool)

    await eventually(empty)


async def test_whoever_acts_in_an_older_epoch_is_fenced(pool: Pool) -> None:
    await pool.start("w-1", 5)
    for act in (pool.start, pool.stop):
        with pytest.raises(PoolFenced, match="epoch 5 has acted, 4 is over"):
            await act("w-2", 4)
    assert await names(pool) == ["w-1"]
    await pool.start("w-2", 6)
    with pytest.raises(PoolFenced):
        await pool.stop("w-1", 5)
    assert await names(pool) == ["w-1", "w-2"]


async def test_what_cannot_be_had_is_refused_with_a_reason(tmp_path: Path) -> None:
    inner = MemoryPool(quota=1)
    server = PoolServer(inner, tmp_path / "pool.sock")
    await server.open()
    for pool in (inner, SocketPool(tmp_path / "pool.sock")):
        inner.there.clear()
        await pool.start("w-1", 1)
        with pytest.raises(PoolRefused, match="the quota is 1 workers"):
            await pool.start("w-2", 1)
        inner.available = False
        with pytest.raises(PoolUnavailable):
            await pool.workers()
        inner.available = True
    await server.close()
    with pytest.raises(PoolUnavailable, match="nobody answers at"):
        await SocketPool(tmp_path / "pool.sock").workers()


async def test_a_process_that_ends_before_it_is_ready_is_gone_and_told() -> None:
    said: list[str] = []
    with RunFolder() as folder:
        supervisor = Supervisor(folder, say=said.append)
        pool = SupervisorPool(supervisor, lambda name: spec(name, ENDS))
        await pool.start("w-1", 1)
        await eventually(lambda: not supervisor.services)
        assert any("no model" in sentence for sentence in said)
        await pool.close()
        with pytest.raises(PoolRefused, match="the mesh is stopping"):
            await pool.start("w-2", 1)
        await supervisor.stop()


async def test_others_that_the_supervisor_runs_are_none_of_the_pool() -> None:
    with RunFolder() as folder:
        supervisor = Supervisor(folder, say=lambda _: None)
        router = ServiceSpec("router", "router", spec("r").argv, {}, 5.0)
        await supervisor.begin([router, spec("w-1")])
        pool = SupervisorPool(supervisor, spec)
        assert [(each.worker_id, each.stage) for each in await pool.workers()] == [("w-1", "ready")]
        with pytest.raises(PoolRefused, match="the name of another service"):
            await pool.start("router", 1)
        await pool.stop("router", 1)
        assert len(supervisor.services) == 2
        await supervisor.stop()


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"nonsense", b'{"do": "dance"}'])
async def test_a_question_that_is_none_is_answered_so(tmp_path: Path, line: bytes) -> None:
    server = PoolServer(MemoryPool(), tmp_path / "pool.sock")
    assert "the question is none" in (await server._answer(line))["unavailable"]
