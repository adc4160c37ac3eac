"""The supervisor over small scripts: readiness, restarts, order of the end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_cli.local import process as process_module
from hasten_cli.local.plan import ServiceSpec, restart_delay_s
from hasten_cli.local.run_folder import RunFolder
from hasten_cli.local.supervisor import StartError, Supervisor
from tests.support.processes import is_running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_leaked_tasks")]

READY = 'print(\'{"event": "ready", "address": "127.0.0.1:1"}\', flush=True)\n'
WAIT = "import signal; signal.pause()\n"
PATIENCE_S = 60.0
"""Of what is not about time: a starved machine takes long to start a process, and to end it."""


def script(name: str, source: str, kind: str = "worker", **options: Any) -> ServiceSpec:
    return ServiceSpec(
        name=name,
        kind=kind,
        argv=(sys.executable, "-c", source),
        environ={**os.environ, "NAME": name},
        stop_s_max=options.pop("stop_s_max", PATIENCE_S),
        **options,
    )


@asynccontextmanager
async def supervisor(
    said: Callable[[str], None] = lambda _: None, *, ready_s_max: float = PATIENCE_S
) -> AsyncIterator[tuple[Supervisor, Path]]:
    with RunFolder() as folder:
        opened = Supervisor(folder, say=said, ready_s_max=ready_s_max)
        try:
            yield opened, folder.path
        finally:
            await opened.stop()


async def test_a_service_is_ready_with_the_facts_of_its_ready_line() -> None:
    noise = "print('hello'); print('[1]'); print('{\"event\": \"other\"}')\n"
    async with supervisor() as (running, folder):
        await running.begin([script("a", noise + READY + WAIT)])
        (service,) = running.services
        assert service.state == "ready"
        assert service.address == "127.0.0.1:1"
        assert is_running(service.pid)
        assert "hello" in (folder / "logs" / "a.log").read_text()
    assert not is_running(service.pid)
    assert not folder.exists()


async def test_a_line_of_any_length_does_not_end_the_reading() -> None:
    flood = "print('x' * 1_000_000)\n"
    async with supervisor() as (running, _):
        await running.begin([script("a", flood + READY + WAIT)])
        assert running.services[0].state == "ready"


async def test_services_start_in_parallel() -> None:
    # Each waits for the other's file: one after the other would never be ready.
    meet = (
        "import os, pathlib, time\n"
        "me, other = os.environ['NAME'], os.environ['OTHER']\n"
        "folder = pathlib.Path(os.environ['TMPDIR'])\n"
        "(folder / me).touch()\n"
        "while not (folder / other).exists(): time.sleep(0.01)\n"
    )
    async with supervisor() as (running, folder):
        shared = {"TMPDIR": str(folder)}
        await running.begin(
            [
                script("a", meet + READY + WAIT).with_environ(OTHER="b", **shared),
                script("b", meet + READY + WAIT).with_environ(OTHER="a", **shared),
            ]
        )
        assert [service.state for service in running.services] == ["ready", "ready"]


async def test_one_that_ends_while_starting_fails_the_start_with_its_log() -> None:
    source = "import sys; sys.exit('no such port')"
    async with supervisor() as (running, _):
        with pytest.raises(StartError, match="bad ended with status 1 before") as caught:
            await running.begin([script("good", READY + WAIT), script("bad", source)])
        assert "no such port" in caught.value.tail


async def test_one_that_never_becomes_ready_is_given_up() -> None:
    mute = replace(
        script("mute", ""), argv=("/bin/sh", "-c", "echo loading; exec tail -f /dev/null")
    )
    for ready_s_max in (1.0, 10.0):  # on a busy machine the first may be over before it speaks
        async with supervisor(ready_s_max=ready_s_max) as (running, _):
            with pytest.raises(
                StartError, match=f"mute was not ready within {ready_s_max:g} s"
            ) as e:
                await running.begin([mute])
        if "loading" in e.value.tail:
            break
    assert "loading" in e.value.tail


async def test_a_program_that_does_not_exist_is_a_sentence() -> None:
    spec = ServiceSpec("ghost", "redis", ("/nonexistent/program",), dict(os.environ), 1.0)
    async with supervisor() as (running, _):
        with pytest.raises(StartError, match="ghost cannot be started"):
            await running.begin([spec])


async def test_a_restart_that_fails_says_why_and_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    once = (
        "import os, pathlib, sys\n"
        f"flag = pathlib.Path({str(tmp_path / 'flag')!r})\n"
        "if flag.exists(): print('the port is taken', file=sys.stderr); sys.exit(9)\n"
    )
    async with supervisor(said.append) as (running, _):
        await running.begin([replace(script("a", once + READY + WAIT), meanwhile="all else works")])
        (tmp_path / "flag").touch()
        os.kill(running.services[0].pid, signal.SIGKILL)
        why = "status 9 before it was ready: the port is taken; starting it again"
        await eventually(lambda: any(why in line for line in said))
        # Said once: when it went.
        assert [line for line in said if "all else works" in line] == said[:1]
        (tmp_path / "flag").unlink()
        await eventually(lambda: any("a is back" in line for line in said))
        assert running.services[0].state == "ready"


async def test_the_end_comes_in_order_and_waits_for_each(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    source = (
        "import os, pathlib, signal, sys, time\n"
        "def leave(*_):\n"
        "    time.sleep(0.1)\n"
        f"    open({str(diary)!r}, 'a').write(os.environ['NAME'] + '\\n')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
    )
    async with supervisor() as (running, _):
        await running.begin(
            [
                script("store", source + READY + WAIT, kind="redis"),
                script("worker", source + READY + WAIT, kind="worker"),
                script("front", source + READY + WAIT, kind="router"),
            ]
        )
    assert diary.read_text().split() == ["front", "worker", "store"]


async def test_one_that_does_not_leave_in_time_is_killed() -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    async with supervisor() as (running, _):
        await running.begin([script("a", stubborn + READY + WAIT, stop_s_max=0.2)])
        pid = running.services[0].pid
    assert not is_running(pid)


async def test_a_paused_one_is_killed_too() -> None:
    async with supervisor() as (running, _):
        await running.begin([script("a", READY + WAIT, stop_s_max=0.2)])
        pid = running.services[0].pid
        os.kill(pid, signal.SIGSTOP)
    assert not is_running(pid)


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    async with supervisor() as (running, _):
        starting = asyncio.create_task(running.begin([script("a", WAIT)]))
        # Not the process's own word for it: that may come before the supervisor has it in hand.
        pid = await eventually(lambda: running.services and running.services[0].pid)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert is_running(pid)
    assert not is_running(pid)


@pytest.mark.parametrize("rounds", range(8))
async def test_a_start_that_is_cancelled_before_it_is_done_leaves_no_process(rounds: int) -> None:
    async with supervisor() as (running, _):
        before = set(psutil.Process().children())
        starting = asyncio.create_task(running.begin([script("a", WAIT), script("b", WAIT)]))
        for _round in range(rounds):  # The process is there before the supervisor has it in hand.
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
    assert set(psutil.Process().children()) <= before


async def test_a_log_that_grew_too_long_is_emptied_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_module, "LOG_SIZE_BYTES_MAX", 1000)
    # Blocked and waited for: a handler that runs just before pause() would be missed.
    # And whole lines: standard error is written by the line.
    source = (
        "import signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})\n"
        "sys.stderr.write('before ' * 1000 + '\\n')\n"
    )
    after = "signal.sigwait({signal.SIGUSR1})\nsys.stderr.write('after\\n')\n"
    async with supervisor() as (running, folder):
        await running.begin([script("a", source + READY + after + WAIT)])
        log = folder / "logs" / "a.log"
        running.bound_logs()
        assert log.stat().st_size == 0
        os.kill(running.services[0].pid, signal.SIGUSR1)
        await eventually(lambda: log.read_text() == "after\n")


@given(st.integers(1, 10_000))
def test_the_wait_before_a_restart_grows_and_is_bounded(failures: int) -> None:
    delay_s = restart_delay_s(failures)
    assert 0.2 <= delay_s <= 10.0
    assert delay_s <= restart_delay_s(failures + 1)
