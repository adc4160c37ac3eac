"""The gRPC front: what callers, operators and stock clients call."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import grpc.aio

from hasten.scheduler.v1.scheduler_service_pb2_grpc import add_TaskServiceServicer_to_server
from hasten_runtime.fanout.inference import InferenceFanout
from hasten_runtime.grpc_front import GrpcFront, OwnService
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.handlers import Context
from hasten_runtime.inference_service import Method
from hasten_runtime.protocol_names import TASK_SERVICE
from hasten_runtime.telemetry import current_traceparent
from hasten_scheduler.servicer import TaskServicer
from hasten_scheduler.submitting import Submitter


def scheduler_front(
    address: str,
    *,
    submitter: Submitter,
    services: Sequence[OwnService],
    fanout: InferenceFanout,
    limits: ServerLimits,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> GrpcFront:
    """Callers of a scheduler come in here: inference, and these services."""
    return GrpcFront(
        address,
        _inference_methods(submitter, fanout),
        services,
        limits,
        variable="HASTEN_SCHEDULER_ADDRESS",
        interceptors=interceptors,
    )


def task_service(servicer: TaskServicer) -> OwnService:
    """The service of tasks."""
    return OwnService(TASK_SERVICE, partial(add_TaskServiceServicer_to_server, servicer))


def _inference_methods(
    submitter: Submitter, fanout: InferenceFanout
) -> dict[str, Method | Callable[..., Any]]:
    async def model_infer(request: bytes, context: Context) -> bytes:
        return await submitter.infer(request, context.time_remaining(), current_traceparent())

    return {
        **fanout.methods(),
        "ModelInfer": Method(model_infer, raw_request=True, raw_response=True),
    }
