"""ModelInfer: the hot path. Bytes in, bytes out."""

import asyncio
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

import grpc

from hasten_policy.reasons import Refusal
from hasten_router.calls import Call
from hasten_router.front.port import CallDoor
from hasten_router.front.timing import breakdown
from hasten_runtime import compressing, errors
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.inference_head import Head, read_head, read_request
from hasten_runtime.protocol_names import (
    COMPRESSION_WISH,
    TIMING_TRAILER,
    TIMING_WISH,
    TRACEPARENT,
)
from hasten_runtime.request_bounds import DEFAULT_BOUNDS, RequestBounds
from hasten_runtime.request_head import RequestHead, time_left_s
from hasten_runtime.telemetry import current_traceparent
from hasten_runtime.telemetry.propagation import is_sampled

MESSAGE_VARIABLE: Final = "HASTEN_ROUTER_GRPC__MESSAGE_BYTES_MAX"
"""Sets what clients may send."""
STREAM_UNREAD_BYTES_MAX: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """Bounds of what clients send.

    Attributes:
        request_bytes_max: Largest request; with its envelope it must fit into one message to
            a worker, or it would break the link for everybody.
        stream_in_flight_max: Requests of one client stream inside the router at once; the
            stream is not read further meanwhile.
        stream_unread_bytes_max: While answers that the client has not taken have more, nothing
            further is read of its stream.
        request: Of what one request may say.
    """

    request_bytes_max: int
    stream_in_flight_max: int = 256
    stream_unread_bytes_max: int = STREAM_UNREAD_BYTES_MAX
    request: RequestBounds = DEFAULT_BOUNDS


@dataclass(frozen=True, slots=True)
class RequestReader:
    """Reads requests: what the front handlers need to turn one into a call.

    Attributes:
        door: Takes the calls.
        clock: The router's clock.
        limits: Bounds.
        hears_traces: The caller's trace context is handed on.
    """

    door: CallDoor
    clock: Clock
    limits: FrontLimits
    hears_traces: bool = True

    def read(self, request: bytes) -> tuple[Head, RequestHead]:
        """The request's head and what its parameters wish for.

        Raises:
            MeshError: It is too large, or not a request that the router can understand.
        """
        limits = self.limits
        return read_request(
            request,
            bytes_max=limits.request_bytes_max,
            variable=MESSAGE_VARIABLE,
            bounds=limits.request,
        )

    def fill_in(
        self, call: Call, wishes: RequestHead, rpc_left_s: float | None, traceparent: str
    ) -> None:
        """Sets deadline, class, tenant and trace context of a call.

        Raises:
            MeshError: The deadline is not a number.
        """
        call.time_left_s = time_left_s(wishes.timeout_s, rpc_left_s)
        call.priority = wishes.priority_class
        call.tenant = wishes.tenant
        call.affinity = wishes.sequence_id
        call.caller_traceparent = traceparent


class Subject(NamedTuple):
    """Whom a request concerns; empty where that could not be read."""

    model: str = ""
    request_id: str = ""


def subject_of(request: bytes) -> Subject:
    """Of a refused request, as far as its head can be read."""
    try:
        head = read_head(request)
    except MeshError:
        return Subject()
    return Subject(head.model_name, head.request_id)


async def infer(reader: RequestReader, request: bytes, context: Context) -> bytes:
    """Answers one unary call with the worker's bytes, or aborts with the refusal."""
    arrived_s = reader.clock.now_s()
    try:
        head, wishes = reader.read(request)
        call = Call(head.model_name, head.model_version, request, arrived_s=arrived_s)
        call.rows, call.elements = head.rows, head.elements
        metadata = read_metadata(context, hears_traces=reader.hears_traces)
        reader.fill_in(call, wishes, context.time_remaining(), metadata.traceparent)
    except MeshError as error:
        reader.door.refused_early(subject_of(request).model, error.refusal)
        raise
    reader.door.begin(call)
    outcome = call.outcome
    if outcome is None:
        try:
            outcome = await call.ended()
        except asyncio.CancelledError:
            reader.door.abandon(call)
            raise
    if isinstance(outcome, Refusal):
        await errors.abort(cast("errors.Aborting", context), outcome)
    if metadata.takes_gzip and compressing.pays(outcome):
        context.set_compression(grpc.Compression.Gzip)
        await context.send_initial_metadata(())  # Only then does grpc.aio heed it.
    if metadata.wants_timing or wishes.want_timing:
        context.set_trailing_metadata(((TIMING_TRAILER, breakdown(call).SerializeToString()),))
    return outcome


class RequestMetadata(NamedTuple):
    """What a request's metadata says.

    Attributes:
        traceparent: Trace context to hand on; "" when the request is not sampled.
        wants_timing: The caller wishes for the breakdown.
        takes_gzip: The caller wishes for an answer in gzip.
    """

    traceparent: str
    wants_timing: bool = False
    takes_gzip: bool = False


def read_metadata(context: Context, *, hears_traces: bool) -> RequestMetadata:
    """What the request's metadata says.

    Without a span of our own the trace context is the caller's, if those are heard, so that a trace
    goes on through a router that records nothing.
    """
    traceparent = current_traceparent()
    wants_timing = takes_gzip = False
    for key, value in context.invocation_metadata() or ():
        if key == TIMING_WISH:
            wants_timing = value == "1"
        elif key == COMPRESSION_WISH:
            takes_gzip = value == "gzip"
        elif key == TRACEPARENT and hears_traces and not traceparent and is_sampled(str(value)):
            traceparent = str(value)
    return RequestMetadata(traceparent, wants_timing, takes_gzip)
