"""The transports that can be tested here: where the native one was not built, the other alone."""

from typing import Any, cast

import grpc

from hasten_runtime import grpc_server
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.plane.choice import native_fault

NATIVE_FAULT = native_fault()
TRANSPORTS = ("python",) if NATIVE_FAULT else ("python", "native")


class Served:
    """A server on one of the transports; services are added to `server` before it is opened."""

    def __init__(self, transport: str, limits: ServerLimits | None = None) -> None:
        self._native: Any = None
        if transport == "native":
            from hasten_runtime.plane.server import PlaneServer

            self._native = PlaneServer(limits)
            self.server = cast("grpc.aio.Server", self._native)
        else:
            self.server = grpc_server.make_server(limits)

    async def open(self) -> str:
        """Listens on a free port; returns "host:port"."""
        if self._native is not None:
            address: str = await self._native.start("127.0.0.1:0")
            return address
        address = grpc_server.bind(self.server, "127.0.0.1:0")
        await self.server.start()
        return address

    async def close(self) -> None:
        """Ends it and its calls."""
        await (self._native or self.server).stop(0)
