"""Where clients come in over the native transport: the same services as on grpc.aio."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import grpc
import grpc.aio

from hasten_runtime.grpc_front import OwnService
from hasten_runtime.grpc_server import ServerLimits, add_health, add_reflection, listening
from hasten_runtime.health import LIVENESS, Health
from hasten_runtime.inference_service import Method, add_inference
from hasten_runtime.plane.server import PlaneServer, Quick
from hasten_runtime.protocol_names import HEALTH_SERVICE, INFERENCE_SERVICE


@dataclass(frozen=True, slots=True)
class Serving:
    """What a front serves.

    Attributes:
        inference: RPC of the inference service to its method.
        own: The services beside it.
        quick: Answers one method itself.
        interceptors: Around every other call.
    """

    inference: Mapping[str, Method | Callable[..., Any]]
    own: Sequence[OwnService]
    quick: Quick
    interceptors: Sequence[grpc.aio.ServerInterceptor] = ()


class PlaneFront:
    """A server for clients on a plane. Does what GrpcFront does.

    Args:
        address: To listen at, "host:port".
        serving: What it serves.
        limits: Bounds.
        variable: The environment's variable that sets the address.
        reuse_port: Other processes listen at the address too.
    """

    def __init__(
        self,
        address: str,
        serving: Serving,
        limits: ServerLimits,
        *,
        variable: str,
        reuse_port: bool = False,
    ) -> None:
        self._address = address
        self._variable = variable
        self._reuse_port = reuse_port
        self._server = PlaneServer(limits, interceptors=serving.interceptors, quick=serving.quick)
        server = cast("grpc.aio.Server", self._server)
        add_inference(server, serving.inference)
        for each in serving.own:
            each.add(server)
        self.health: Health = add_health(server)
        names = (each.name for each in serving.own)
        add_reflection(server, (INFERENCE_SERVICE, *names, HEALTH_SERVICE))

    async def start(self) -> str:
        """Begins to listen; returns "host:port" with the real port.

        Raises:
            OSError: The address cannot be listened at.
        """
        with listening(self._address, setting="address", variable=self._variable):
            address = await self._server.start(self._address, reuse_port=self._reuse_port)
        self.health.set(LIVENESS, serving=True)
        self.health.set(INFERENCE_SERVICE, serving=True)
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
