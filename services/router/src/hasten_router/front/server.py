"""The gRPC front: implements FrontServer with everything that clients and operators call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from hasten.router.v1 import router_service_pb2_grpc
from hasten_router.front.infer import RequestReader, infer
from hasten_router.front.operator import RouterOperator
from hasten_router.front.stream_infer import stream_infer
from hasten_runtime.fanout.inference import InferenceFanout
from hasten_runtime.front_door import FrontDoor
from hasten_runtime.grpc_server import (
    Health,
    ServerLimits,
    add_health,
    add_reflection,
    bind,
    listening,
    make_server,
)
from hasten_runtime.handlers import Context
from hasten_runtime.health import LIVENESS
from hasten_runtime.inference_service import Method, add_inference
from hasten_runtime.protocol_names import HEALTH_SERVICE, INFERENCE_SERVICE, ROUTER_SERVICE


@dataclass(frozen=True, slots=True)
class Services:
    """What the front serves.

    Attributes:
        reader: Turns requests into calls.
        door: In front of inference.
        fanout: The other RPCs of the inference service.
        operator: The operators' service.
    """

    reader: RequestReader
    door: FrontDoor
    fanout: InferenceFanout
    operator: RouterOperator


class GrpcFront:
    """Clients come in here. Implements FrontServer."""

    def __init__(
        self,
        address: str,
        services: Services,
        limits: ServerLimits,
        *,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        reuse_port: bool = False,
    ) -> None:
        self._address = address
        self._server = make_server(limits, interceptors=interceptors, reuse_port=reuse_port)
        add_inference(self._server, _inference_methods(services))
        router_service_pb2_grpc.add_RouterServiceServicer_to_server(services.operator, self._server)
        self.health: Health = add_health(self._server)
        add_reflection(self._server, (INFERENCE_SERVICE, ROUTER_SERVICE, HEALTH_SERVICE))

    async def start(self) -> str:
        """Begins to listen; returns "host:port" with the real port.

        Raises:
            OSError: The address cannot be listened at.
        """
        with listening(self._address, setting="address", variable="HASTEN_ROUTER_ADDRESS"):
            address = bind(self._server, self._address)
        await self._server.start()
        self.health.set(LIVENESS, serving=True)
        self.health.set(INFERENCE_SERVICE, serving=True)
        return address

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001  (reads as a sentence)
        """Says whether the router may be sent traffic."""
        self.health.set_ready(ready)

    def announce_leaving(self) -> None:
        """Health says NOT_SERVING from now on; calls are still taken."""
        self.health.enter_drain()

    async def stop(self, grace_s: float) -> None:
        """Takes nothing new, lets what is in flight end for grace_s seconds, then closes."""
        self.health.close()
        await self._server.stop(grace_s)


def _inference_methods(services: Services) -> dict[str, Method | Callable[..., Any]]:
    reader = services.reader

    async def model_infer(request: bytes, context: Context) -> bytes:
        return await infer(reader, request, context)

    async def model_stream_infer(_: object, context: Context) -> None:
        await stream_infer(reader, context)

    return {
        **services.fanout.methods(),
        "ModelInfer": Method(model_infer, raw_request=True, raw_response=True, door=services.door),
        "ModelStreamInfer": Method(model_stream_infer, raw_request=True, raw_response=True),
    }
