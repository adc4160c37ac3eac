"""The test servers themselves: real, apart from each other, and always ended."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.chaos_proxy import ChaosProxy, Mode
from tests.support.ports import free_port, release_port
from tests.support.processes import is_running
from tests.support.servers import ConsulAgent, RedisServer
from tests.support.waiting import eventually, eventually_sync

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.integration


def test_redis_keeps_its_data_over_a_kill_and_a_restart(own_redis_server: RedisServer) -> None:
    own_redis_server.command("SET", "k", "v")
    own_redis_server.kill()
    own_redis_server.start()
    assert own_redis_server.command("GET", "k") == "v\r\n"


def test_redis_forgets_its_data_when_it_is_asked_to(own_redis_server: RedisServer) -> None:
    own_redis_server.command("SET", "k", "v")
    own_redis_server.restart_empty()
    assert own_redis_server.command("GET", "k") == "$-1\r\n"


def test_a_paused_server_is_silent_until_it_is_resumed(own_redis_server: RedisServer) -> None:
    own_redis_server.pause()
    with pytest.raises(TimeoutError):
        own_redis_server.command("PING", timeout_s=0.5)
    own_redis_server.resume()
    assert own_redis_server.command("PING") == "+PONG\r\n"


def test_consul_registers_and_forgets_over_a_restart(own_consul_agent: ConsulAgent) -> None:
    own_consul_agent.put("/v1/agent/service/register", {"Name": "s", "ID": "s-1"})
    assert list(own_consul_agent.get("/v1/agent/services")) == ["s-1"]
    own_consul_agent.restart()
    assert own_consul_agent.get("/v1/agent/services") == {}


def test_closed_servers_leave_no_process_and_no_folder() -> None:
    server = RedisServer()
    server.start()
    pid = server.pid
    server.close()
    server.close()
    assert not is_running(pid)
    assert not server.folder.exists()


def test_a_killed_test_run_takes_its_servers_with_it() -> None:
    script = (
        "from tests.support.servers import RedisServer\n"
        "server = RedisServer()\n"
        "server.start()\n"
        "print(server.pid, server.folder, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as run:
        assert run.stdout is not None
        pid_text, folder = run.stdout.readline().split()
        pid = int(pid_text)
        assert is_running(pid)
        os.kill(run.pid, signal.SIGKILL)
    eventually_sync(lambda: not is_running(pid), what="the server is gone")
    eventually_sync(lambda: not Path(folder).exists(), what="its folder is gone")


def test_a_port_is_given_once_even_to_another_process() -> None:
    port = free_port()
    script = f"from tests.support.ports import _reserve; print(_reserve({port}))"
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, cwd=ROOT, text=True) == "False\n"
    release_port(port)
    assert subprocess.check_output(command, cwd=ROOT, text=True) == "True\n"


async def _ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"INCR counter\r\n")
        await writer.drain()
        return await reader.readline()
    finally:
        writer.transport.abort()


async def test_the_proxy_passes_refuses_swallows_and_cuts(redis_server: RedisServer) -> None:
    async with ChaosProxy(redis_server.port) as proxy:
        assert await _ask(proxy.port) == b":1\r\n"

        await proxy.set_mode(Mode.REFUSE)
        with pytest.raises(ConnectionRefusedError):
            await _ask(proxy.port)

        await proxy.set_mode(Mode.BLACK_HOLE)
        swallowed = asyncio.create_task(_ask(proxy.port))
        await eventually(lambda: proxy.connections == 2)
        assert not swallowed.done()
        assert redis_server.command("GET", "counter") == "1\r\n"

        await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
        assert await swallowed == b""
        assert proxy.cuts == 1
        assert redis_server.command("GET", "counter") == "2\r\n"

        await proxy.set_mode(Mode.PASS)
        assert await _ask(proxy.port) == b":3\r\n"


async def test_eventually_names_what_did_not_come() -> None:
    with pytest.raises(AssertionError, match=r"not within 0.01 s: the sun rises"):
        await eventually(lambda: False, 0.01, what="the sun rises")
