"""The HTTP front: the same methods as the gRPC front's, behind the same interceptors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc.aio
from prometheus_client import CollectorRegistry

from hasten_router.front.infer import RequestReader
from hasten_router.rest.bodies import BodyReader
from hasten_router.rest.bounds import RestLimits
from hasten_router.rest.server import RestServer
from hasten_router.rest.site import Site, SiteParts
from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.in_process import InProcessCalls
from hasten_runtime.inference_service import Method, rpc_handlers
from hasten_runtime.protocol_names import TIMING_WISH, TRACEPARENT
from hasten_runtime.readiness import Readiness

VARIABLE = "HASTEN_ROUTER_HTTP_ADDRESS"
HELD = "http.held_bytes_max (HASTEN_ROUTER_HTTP__HELD_BYTES_MAX)"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the fronts of a router share.

    Attributes:
        reader: Turns requests into calls.
        methods: RPC of the inference service to its method.
        interceptors: Around every call.
        readiness: Whether the router may be sent traffic.
        registry: Of its metrics.
    """

    reader: RequestReader
    methods: dict[str, Method | Callable[..., Any]]
    interceptors: Sequence[grpc.aio.ServerInterceptor]
    readiness: Readiness
    registry: CollectorRegistry


def rest_front(
    address: str, shared: Shared, limits: RestLimits, *, reuse_port: bool = False
) -> RestServer:
    """Clients that speak HTTP come in here."""
    # Streams are gRPC's.
    unary = {name: each for name, each in shared.methods.items() if name != "ModelStreamInfer"}
    site = Site(
        SiteParts(
            calls=InProcessCalls(rpc_handlers(unary), shared.interceptors, limits.body),
            door=shared.reader.door,
            clock=shared.reader.clock,
            bodies=BodyReader(limits.body.bytes_max, limits.body.variable, limits.bounds.pace),
            json_bytes_max=limits.json_bytes_max,
            metadata_names=(TRACEPARENT, "tracestate", "baggage", TIMING_WISH),
            faults=lambda: shared.readiness.faults,
            registry=shared.registry,
        )
    )
    return RestServer(
        address,
        site.answer,
        limits.bounds,
        ByteBudget(limits.held_bytes_max, "bodies of all clients", HELD),
        variable=VARIABLE,
        reuse_port=reuse_port,
    )
