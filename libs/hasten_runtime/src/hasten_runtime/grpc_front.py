"""Where clients come in over gRPC: inference, services of our own, health and reflection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from hasten_runtime.grpc_server import (
    Health,
    ServerLimits,
    add_health,
    add_reflection,
    bind,
    listening,
    make_server,
)
from hasten_runtime.health import LIVENESS
from hasten_runtime.inference_service import Method, add_inference
from hasten_runtime.protocol_names import HEALTH_SERVICE, INFERENCE_SERVICE


@dataclass(frozen=True, slots=True)
class OwnService:
    """A service beside inference.

    Attributes:
        name: Its full name.
        add: Adds it to a server.
    """

    name: str
    add: Callable[[grpc.aio.Server], None]


class GrpcFront:
    """A server for clients.

    Args:
        address: To listen at, "host:port".
        inference: RPC of the inference service to its method; None for a server without it.
        own: The services beside it.
        limits: Bounds.
        variable: The environment's variable that sets the address.
        interceptors: Around every call.
        reuse_port: Other processes listen at the address too.
    """

    def __init__(  # noqa: PLR0913  (each is another fact of the server)
        self,
        address: str,
        inference: Mapping[str, Method | Callable[..., Any]] | None,
        own: Sequence[OwnService],
        limits: ServerLimits,
        *,
        variable: str,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        reuse_port: bool = False,
    ) -> None:
        self._address = address
        self._variable = variable
        self._server = make_server(limits, interceptors=interceptors, reuse_port=reuse_port)
        self._services = [service.name for service in own]
        if inference is not None:
            add_inference(self._server, inference)
            self._services.insert(0, INFERENCE_SERVICE)
        for service in own:
            service.add(self._server)
        self.health: Health = add_health(self._server)
        add_reflection(self._server, (*self._services, HEALTH_SERVICE))

    async def start(self) -> str:
        """Begins to listen; returns "host:port" with the real port.

        Raises:
            OSError: The address cannot be listened at.
        """
        with listening(self._address, setting="address", variable=self._variable):
            address = bind(self._server, self._address)
        await self._server.start()
        self.health.set(LIVENESS, serving=True)
        self.health.set(self._services[0], serving=True)
        return address

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001  (reads as a sentence)
        """Says whether the service may be sent traffic."""
        self.health.set_ready(ready)

    def announce_leaving(self) -> None:
        """Health says NOT_SERVING from now on; calls are still taken."""
        self.health.enter_drain()

    async def stop(self, grace_s: float) -> None:
        """Takes nothing new, lets what is in flight end for grace_s seconds, then closes."""
        self.health.close()
        await self._server.stop(grace_s)
