"""The gRPC front: everything that clients and operators call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import grpc.aio

from hasten.router.v1.router_service_pb2_grpc import add_RouterServiceServicer_to_server
from hasten_router.front.infer import RequestReader, infer
from hasten_router.front.operator import RouterOperator
from hasten_router.front.port import FrontServer
from hasten_router.front.stream_infer import stream_infer
from hasten_runtime.fanout.inference import InferenceFanout
from hasten_runtime.front_door import FrontDoor
from hasten_runtime.grpc_front import GrpcFront, OwnService
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.handlers import Context
from hasten_runtime.inference_service import Method
from hasten_runtime.protocol_names import ROUTER_SERVICE

ADDRESS_VARIABLE: Final = "HASTEN_ROUTER_ADDRESS"
"""Sets where clients come in."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the front serves.

    Attributes:
        reader: Turns requests into calls.
        door: In front of inference.
        fanout: The other RPCs of the inference service.
        operator: The operators' service.
        wants_span: Decides by the traceparent whether a call is recorded.
        interceptors: Around every call.
    """

    reader: RequestReader
    door: FrontDoor
    fanout: InferenceFanout
    operator: RouterOperator
    wants_span: Callable[[str], bool]
    interceptors: Sequence[grpc.aio.ServerInterceptor]


def router_front(
    address: str,
    services: Services,
    limits: ServerLimits,
    *,
    reuse_port: bool = False,
) -> FrontServer:
    """Clients of a router come in here, through grpc.aio."""
    return GrpcFront(
        address,
        inference_methods(services),
        [_operators(services)],
        limits,
        variable=ADDRESS_VARIABLE,
        interceptors=services.interceptors,
        reuse_port=reuse_port,
    )


def native_router_front(
    address: str,
    services: Services,
    limits: ServerLimits,
    *,
    reuse_port: bool = False,
) -> FrontServer:
    """Clients of a router come in here, over the native transport."""
    # Here, as it is not there where it was not built.
    from hasten_router.front.native import QuickInfer
    from hasten_runtime.plane.front import PlaneFront, Serving

    return PlaneFront(
        address,
        Serving(
            inference=inference_methods(services),
            own=[_operators(services)],
            quick=QuickInfer(services.reader, services.door, services.wants_span),
            interceptors=services.interceptors,
        ),
        limits,
        variable=ADDRESS_VARIABLE,
        reuse_port=reuse_port,
    )


def _operators(services: Services) -> OwnService:
    add = partial(add_RouterServiceServicer_to_server, services.operator)
    return OwnService(ROUTER_SERVICE, add)


def inference_methods(services: Services) -> dict[str, Method | Callable[..., Any]]:
    """RPC of the inference service to its method."""
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
