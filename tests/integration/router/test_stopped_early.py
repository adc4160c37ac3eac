"""A router that is told to leave before it serves leaves at once, and leaves nothing."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from hasten_router import processes
from hasten_router.processes import Supervisor
from hasten_router.settings import RouterSettings
from tests.support.fake_worker import FakeWorker
from tests.support.processes import ChildProcess, is_running
from tests.support.services import router_environ
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("count", [1, 2])
async def test_while_it_waits_for_the_word_of_a_worker(
    worker: FakeWorker, tmp_path: Path, count: int
) -> None:
    worker.silent = True
    environ = router_environ(
        {"kind": "static"},
        workers=worker.address,
        processes=str(count),
        drain__notice_s="60",
        link__acquaint_s_max="60",
        link__silence_s_max="60",
    )
    child = ChildProcess(
        [sys.executable, "-m", "hasten_router.main"],
        log_path=tmp_path / "log",
        environ={**os.environ, **environ},
    )
    try:
        await eventually(lambda: len(set(worker.hellos)) == count)
        family = psutil.Process(child.pid).children()
        # It would be killed after half of what it has to wait for.
        assert await asyncio.to_thread(child.stop) == 0
        assert not [one for one in family if is_running(one.pid)]
        assert '"event":"ready"' not in child.log_tail
        assert "cannot" not in child.log_tail
    finally:
        await asyncio.to_thread(child.stop)


async def test_a_process_that_is_just_being_started_is_ended_too() -> None:
    """The stop finds no process to end, and one comes out of the start after it has looked."""
    begun, go_on, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()
    started: list[asyncio.subprocess.Process] = []

    class Slow(Supervisor):
        async def _start(self, child: object) -> asyncio.subprocess.Process:
            del child
            begun.set()
            await go_on.wait()
            process = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", "exec tail -f /dev/null", stdout=asyncio.subprocess.PIPE
            )
            started.append(process)
            return process

    settings = RouterSettings(address="127.0.0.1:0", processes=2, drain={"notice_s": 0.0})
    running = asyncio.create_task(Slow(settings, ()).run(stop))
    await begun.wait()
    stop.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    go_on.set()
    assert await running == 0
    assert [process.returncode for process in started] == [-signal.SIGTERM] * 2


async def test_one_that_waits_to_be_started_again_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "BACKOFF_S_MIN", 3600.0)
    starts, stop = asyncio.Queue[int](), asyncio.Event()

    class Failing(Supervisor):
        async def _start(self, child: object) -> asyncio.subprocess.Process:
            del child
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "", stdout=asyncio.subprocess.PIPE
            )
            starts.put_nowait(process.pid)
            return process

    settings = RouterSettings(address="127.0.0.1:0", processes=2, drain={"notice_s": 0.0})
    running = asyncio.create_task(Failing(settings, ()).run(stop))
    pids = [await starts.get(), await starts.get()]
    await eventually(lambda: not any(map(is_running, pids)))
    stop.set()
    assert await running == 0
    assert starts.empty()
