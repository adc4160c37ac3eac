"""Servers and channels of the runtime, for its own tests."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest

from hasten_runtime import grpc_client, grpc_server
from hasten_runtime.grpc_client import ChannelLimits
from hasten_runtime.grpc_server import ServerLimits

Serving = Callable[..., AbstractAsyncContextManager[grpc.aio.Channel]]


@asynccontextmanager
async def _serving(
    *,
    limits: ServerLimits | None = None,
    channel_limits: ChannelLimits | None = None,
    prepare: Callable[[grpc.aio.Server], Any] = lambda _: None,
    **methods: grpc.RpcMethodHandler,
) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc_server.make_server(limits)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    prepare(server)
    address = grpc_server.bind(server, "127.0.0.1:0")
    await server.start()
    try:
        async with grpc_client.make_channel(address, limits=channel_limits) as channel:
            channel.address = address
            yield channel
    finally:
        await server.stop(0)


@pytest.fixture
def serving() -> Serving:
    """A server whose service "t.T" has the methods given by name, and a channel to it.

    The channel's attribute `address` is where the server listens; `prepare` may add to it.
    """
    return _serving


@pytest.fixture
def echo() -> grpc.RpcMethodHandler:
    """A unary method that answers with its request."""

    async def answer(request: bytes, _: object) -> bytes:
        return request

    return grpc.unary_unary_rpc_method_handler(answer)
