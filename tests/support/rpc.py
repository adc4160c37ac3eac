"""RPCs over gRPC, or inside a loop in virtual time where gRPC cannot run.

`served` and `channel_to` choose by the loop that runs. Inside a loop a call goes through the same
handlers and the same bytes; what gRPC has beside (metadata, compression, pings) is not there.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import grpc
import grpc.aio

from hasten_runtime.grpc_client import make_channel
from hasten_runtime.grpc_server import ServerLimits, bind, make_server
from tests.support.network import Network
from tests.support.virtual_time import VirtualLoop

LOOK_S = 0.05
"""Pace at which a call that waits looks for its server."""


class _Asked(NamedTuple):
    """What gRPC tells of a call before it is handled."""

    method: str
    invocation_metadata: tuple[()] = ()


class Server(Protocol):
    """What a test does with a server."""

    async def stop(self, grace: float | None) -> None:
        """Ends it and its calls."""
        ...


async def served(
    handlers: Sequence[grpc.GenericRpcHandler], address: str = "127.0.0.1:0"
) -> tuple[Server, str]:
    """A running server, and where it is."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        return _serve(loop.network, handlers, address)
    server = make_server(ServerLimits())
    server.add_generic_rpc_handlers(tuple(handlers))
    address = bind(server, address)
    await server.start()
    return server, address


def channel_to(address: str) -> grpc.aio.Channel:
    """A channel to that server."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        return _Channel(loop.network, address)  # type: ignore[return-value]  # as it is used
    return make_channel(address)


def _serve(
    network: Network, handlers: Sequence[grpc.GenericRpcHandler], address: str
) -> tuple["_Server", str]:
    host, _, port = address.rpartition(":")
    at = f"{host}:{int(port) or network.free_port()}"
    return _Server(network, at, handlers), at


class _Server:
    def __init__(
        self, network: Network, address: str, handlers: Sequence[grpc.GenericRpcHandler]
    ) -> None:
        self._network = network
        self._address = address
        self._handlers = handlers
        self._calls: set[asyncio.Task[Any]] = set()
        network.servers[address] = self

    async def stop(self, grace: float | None) -> None:
        """Ends it and its calls."""
        del grace
        self._network.servers.pop(self._address, None)
        for call in tuple(self._calls):
            call.cancel()

    async def call(self, path: str, data: bytes) -> bytes:
        """One unary call. Raises AioRpcError."""
        asked = _Asked(path)
        handler = next(
            (found for one in self._handlers if (found := one.service(asked)) is not None),
            None,
        )
        if handler is None:
            raise _error(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        answering = asyncio.ensure_future(
            handler.unary_unary(handler.request_deserializer(data), None)  # type: ignore[misc, arg-type]  # unary
        )
        self._calls.add(answering)
        answering.add_done_callback(self._calls.discard)
        await asyncio.wait([answering])
        if answering.cancelled():
            raise _error(grpc.StatusCode.UNAVAILABLE, "the server is gone")
        encoded: bytes = handler.response_serializer(answering.result())  # type: ignore[misc]  # as above
        return encoded


class _Channel:
    def __init__(self, network: Network, address: str) -> None:
        self._network = network
        self._address = address

    def unary_unary(
        self,
        path: str,
        request_serializer: Callable[[Any], bytes] = bytes,
        response_deserializer: Callable[[bytes], Any] = bytes,
        **_: Any,
    ) -> Callable[..., Any]:
        """A method of the server."""

        async def call(request: Any, *, wait_for_ready: bool = False, **_: Any) -> Any:
            data = request_serializer(request)
            while (server := self._network.servers.get(self._address)) is None:
                if not wait_for_ready:
                    raise _error(grpc.StatusCode.UNAVAILABLE, "failed to connect")
                await asyncio.sleep(LOOK_S)
            return response_deserializer(await server.call(path, data))

        return call

    async def close(self, grace: float | None = None) -> None:
        """Nothing to close."""


def _error(code: grpc.StatusCode, details: str) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing, details=details)
