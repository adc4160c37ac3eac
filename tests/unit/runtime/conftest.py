"""Servers and channels of the runtime, for its own tests."""

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest

from hasten_runtime import grpc_client
from hasten_runtime.grpc_client import ChannelLimits
from hasten_runtime.grpc_server import ServerLimits
from tests.support.transports import TRANSPORTS, Served

Serving = Callable[..., AbstractAsyncContextManager[grpc.aio.Channel]]


@asynccontextmanager
async def _serving(
    transport: str = "python",
    *,
    limits: ServerLimits | None = None,
    channel_limits: ChannelLimits | None = None,
    prepare: Callable[[grpc.aio.Server], Any] = lambda _: None,
    **methods: grpc.RpcMethodHandler,
) -> AsyncIterator[grpc.aio.Channel]:
    served = Served(transport, limits)
    served.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    prepare(served.server)
    address = await served.open()
    try:
        async with grpc_client.make_channel(address, limits=channel_limits) as channel:
            channel.address = address
            yield channel
    finally:
        await served.close()


@pytest.fixture(params=TRANSPORTS)
def serving(request: pytest.FixtureRequest) -> Serving:
    """A server whose service "t.T" has the methods given by name, and a channel to it; on each of
    the transports.

    The channel's attribute `address` is where the server listens; `prepare` may add to it.
    """
    return functools.partial(_serving, request.param)


@pytest.fixture
def echo() -> grpc.RpcMethodHandler:
    """A unary method that answers with its request."""

    async def answer(request: bytes, _: object) -> bytes:
        return request

    return grpc.unary_unary_rpc_method_handler(answer)
