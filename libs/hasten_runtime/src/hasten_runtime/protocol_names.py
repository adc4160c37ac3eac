"""Names of metadata, parameters, services and methods on the wire, each written once.

The names of services and methods come out of the stubs. `hasten_client` has its own copies, since
it needs nothing of the mesh's code; a test compares them.
"""

from collections.abc import Iterable
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

from hasten.autoscaler.v1 import autoscaler_service_pb2
from hasten.externalscaler.v1 import externalscaler_pb2
from hasten.inference.v2 import inference_pb2
from hasten.router.v1 import router_service_pb2
from hasten.scheduler.v1 import (
    batch_service_pb2,
    callback_service_pb2,
    dag_service_pb2,
    schedule_service_pb2,
    scheduler_service_pb2,
)
from hasten.worker.v1 import worker_service_pb2

# --- request metadata ---
TRACEPARENT: Final = "traceparent"
"""W3C trace context."""
TIMING_WISH: Final = "hasten-timing"
""" "1" asks for the timing, as the parameter of the request does."""
COMPRESSION_WISH: Final = "hasten-compress"
""" "gzip" asks for an answer in gzip, where that pays."""
STREAM_STATUS: Final = "triton_grpc_error"
""" "true" asks that the first error ends a stream with its status."""

# --- headers of HTTP requests, beside TRACEPARENT and TIMING_WISH ---
DEADLINE_HEADER: Final = "hasten-deadline-ms"
"""Milliseconds from the request's head until its answer is of no use any more."""
PRIORITY_HEADER: Final = "hasten-priority"
"""As the parameter PRIORITY, which goes before it."""
TENANT_HEADER: Final = "hasten-tenant"
"""As the parameter TENANT, which goes before it."""
JSON_LENGTH_HEADER: Final = "Inference-Header-Content-Length"
"""Of a body with binary data, both ways: bytes of the JSON in front of the data."""

# --- response metadata ---
TIMING_TRAILER: Final = "hasten-timing-bin"
"""A serialised hasten.common.v1.Timing."""
STATUS_DETAILS: Final = "grpc-status-details-bin"
"""A serialised google.rpc.Status."""
RETRY_PUSHBACK: Final = "grpc-retry-pushback-ms"
"""Milliseconds to wait before the next attempt; -1 forbids one."""

# --- request parameters ---
PRIORITY: Final = "priority"
TIMEOUT: Final = "timeout"
SEQUENCE_ID: Final = "sequence_id"
TENANT: Final = "tenant"
TIMING: Final = "hasten_timing"
EMPTY_FINAL: Final = "triton_enable_empty_final_response"

# --- parameters of the body of an HTTP request, which say how tensors travel ---
BINARY_SIZE: Final = "binary_data_size"
"""Of an input or an output: bytes of it behind the JSON."""
BINARY_WISH: Final = "binary_data"
"""Of a wanted output: true to have it behind the JSON."""
BINARY_WISH_ALL: Final = "binary_data_output"
"""Of the request: as BINARY_WISH, for all outputs that do not say it themselves."""
REGION: Final = "shared_memory_region"
"""Of an input or an output: it lies in shared memory, and not in the body."""

# --- response parameters ---
FINAL_RESPONSE: Final = "triton_final_response"
REASON: Final = "hasten_reason"
"""Of an error inside of a stream: the refusal's reason."""

# --- services and methods ---
_INFERENCE: Final = inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_WORKER: Final = worker_service_pb2.DESCRIPTOR.services_by_name["WorkerService"]
_ROUTER: Final = router_service_pb2.DESCRIPTOR.services_by_name["RouterService"]
_TASKS: Final = scheduler_service_pb2.DESCRIPTOR.services_by_name["TaskService"]
_AUTOSCALER: Final = autoscaler_service_pb2.DESCRIPTOR.services_by_name["AutoscalerService"]
_SCALER: Final = externalscaler_pb2.DESCRIPTOR.services_by_name["ExternalScaler"]
_BATCHES: Final = batch_service_pb2.DESCRIPTOR.services_by_name["BatchService"]
_CALLBACKS: Final = callback_service_pb2.DESCRIPTOR.services_by_name["CallbackService"]
_DAGS: Final = dag_service_pb2.DESCRIPTOR.services_by_name["DagService"]
_SCHEDULES: Final = schedule_service_pb2.DESCRIPTOR.services_by_name["ScheduleService"]
_HEALTH: Final = health_pb2.DESCRIPTOR.services_by_name["Health"]

INFERENCE_SERVICE: Final = f"inference.{_INFERENCE.name}"
"""The service's public name; the package of Python's stubs is private."""
PRIVATE_INFERENCE_SERVICE: Final = _INFERENCE.full_name
"""Its name by that package, which nobody serves."""
SERVER_NAME: Final = "hasten"
"""What a server calls itself in `ServerMetadata`."""
WORKER_SERVICE: Final = _WORKER.full_name
ROUTER_SERVICE: Final = _ROUTER.full_name
TASK_SERVICE: Final = _TASKS.full_name
AUTOSCALER_SERVICE: Final = _AUTOSCALER.full_name
EXTERNAL_SCALER_SERVICE: Final = f"externalscaler.{_SCALER.name}"
"""KEDA's name of it; the package of Python's stubs is private."""
BATCH_SERVICE: Final = _BATCHES.full_name
CALLBACK_SERVICE: Final = _CALLBACKS.full_name
DAG_SERVICE: Final = _DAGS.full_name
SCHEDULE_SERVICE: Final = _SCHEDULES.full_name
HEALTH_SERVICE: Final = _HEALTH.full_name


def _path(service: ServiceDescriptor, method: str, public_name: str = "") -> str:
    return f"/{public_name or service.full_name}/{service.methods_by_name[method].name}"


MODEL_INFER: Final = _path(_INFERENCE, "ModelInfer", INFERENCE_SERVICE)
OPEN_LINK: Final = _path(_WORKER, "OpenLink")
GET_STATE: Final = _path(_WORKER, "GetState")
DRAIN: Final = _path(_WORKER, "Drain")
HEALTH_CHECK: Final = _path(_HEALTH, "Check")


def ends_on_error(metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
    """The caller of a stream wants its first error as a status, which ends the stream."""
    return any(
        key == STREAM_STATUS and value in {"true", b"true", "True"} for key, value in metadata or ()
    )
