"""The health check says in its exit code what the server says of itself."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hasten_runtime import grpc_server, healthcheck
from hasten_runtime.health import Health
from tests.support.ports import free_port

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def healthy() -> AsyncIterator[tuple[Health, str]]:
    server = grpc_server.make_server()
    health = grpc_server.add_health(server)
    address = grpc_server.bind(server, f"{LOOPBACK}:0")
    await server.start()
    try:
        yield health, address
    finally:
        health.close()
        await server.stop(0)


async def asked(*argv: str) -> int:
    # The check blocks, and the server it asks runs on this loop.
    return await asyncio.to_thread(healthcheck.main, argv)


async def test_it_is_0_only_while_the_server_serves(capsys: pytest.CaptureFixture[str]) -> None:
    async with healthy() as (health, address):
        assert await asked(address) == 1
        assert capsys.readouterr().err == f"unhealthy: {address}: it answers NOT_SERVING\n"
        health.set("", serving=True)
        assert await asked(address) == 0
        health.enter_drain()
        assert await asked(address) == 1
    assert capsys.readouterr().out == ""


async def test_it_asks_for_one_service_of_many(capsys: pytest.CaptureFixture[str]) -> None:
    async with healthy() as (health, address):
        health.set("", serving=True)
        health.set("readiness", serving=False)
        assert await asked(address, "--service", "readiness") == 1
        assert "readiness: it answers NOT_SERVING" in capsys.readouterr().err
        health.set("readiness", serving=True)
        assert await asked(address, "--service", "readiness") == 0
        assert await asked(address, "--service", "nobody") == 1
        assert "NOT_FOUND" in capsys.readouterr().err


async def test_nobody_there_is_one_sentence() -> None:
    sentence = await asyncio.to_thread(healthcheck.trouble, f"{LOOPBACK}:{free_port()}")
    assert "UNAVAILABLE" in sentence
    assert "\n" not in sentence


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            pass
        writer.close()
        gone.set()

    gone = asyncio.Event()

    silent = await asyncio.start_server(hang, LOOPBACK, 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        assert await asked(f"{LOOPBACK}:{port}", "--timeout-s", "0.2") == 1
        await asyncio.wait_for(gone.wait(), 60)


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "301", "soon"])
def test_a_wrong_time_is_a_wrong_use(wrong: str) -> None:
    with pytest.raises(SystemExit) as caught:
        healthcheck.main(["localhost:1", "--timeout-s", wrong])
    assert caught.value.code == 2


def test_it_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hasten_runtime.healthcheck", f"{LOOPBACK}:{free_port()}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("unhealthy: ")
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
