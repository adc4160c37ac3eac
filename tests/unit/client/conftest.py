"""A scripted server, and both clients behind one face."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hasten_client import AsyncClient, Client
from tests.unit.client.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


class SyncFace:
    """The sync client with the asyncio one's face, so that one test holds both to it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name == "stream_infer":
            return lambda *args, **options: _iterated(method(*args, **options))
        if not callable(method):
            return method
        return lambda *args, **options: asyncio.to_thread(method, *args, **options)


async def _iterated(results: Iterator[Any]) -> AsyncIterator[Any]:
    done = object()
    with contextlib.closing(results):
        while (found := await asyncio.to_thread(next, results, done)) is not done:
            yield found


@pytest.fixture(params=["asyncio", "sync"])
async def client(request: pytest.FixtureRequest, server: ScriptedServer) -> AsyncIterator[Any]:
    """Either client, called as the asyncio one."""
    if request.param == "asyncio":
        async with AsyncClient(server.address) as opened:
            yield opened
    else:
        with Client(server.address) as opened:
            yield SyncFace(opened)
