"""Spans of the RPCs that a process makes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from opentelemetry import trace

from hasten_runtime import telemetry_names as names
from hasten_runtime.telemetry.propagation import HEADER, new_unsampled, text_of, unsampled_header
from hasten_runtime.telemetry.sampling import HeadSampling
from hasten_runtime.telemetry.spans import SYSTEM, end_rpc

Call = grpc.aio.UnaryUnaryCall[Any, Any]


class TracingClientInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """A span for each sampled unary RPC, and the decision handed on with every one.

    Streams pass untouched: gRPC puts a queue in front of an intercepted stream, and ours carry
    the context in their messages.
    """

    def __init__(self, tracer: trace.Tracer, sampling: HeadSampling, *, address: str = "") -> None:
        self._tracer = tracer
        self._sampling = sampling
        self._attributes: dict[str, str | int] = {names.ATTR_RPC_SYSTEM: SYSTEM}
        host, _, port = address.rpartition(":")
        if host and port.isdigit():
            self._attributes[names.ATTR_SERVER_ADDRESS] = host
            self._attributes[names.ATTR_SERVER_PORT] = int(port)

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Call]],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,  # noqa: ANN401  (any message)
    ) -> Call:
        """Makes the call with the header of its span, or of the decision against one."""
        if not trace.get_current_span().is_recording():
            header = unsampled_header()
            if header is None and not self._sampling.samples(""):
                header = new_unsampled()
            if header is not None:
                return await continuation(_with_header(client_call_details, header), request)
        return await self._traced(continuation, client_call_details, request)

    async def _traced(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Call]],
        details: grpc.aio.ClientCallDetails,
        request: Any,  # noqa: ANN401  (any message)
    ) -> Call:
        method = _text(details.method).removeprefix("/")
        span = self._tracer.start_span(
            method,
            kind=trace.SpanKind.CLIENT,
            attributes={**self._attributes, names.ATTR_RPC_METHOD: method},
        )
        code = grpc.StatusCode.UNKNOWN
        try:
            headed = _with_header(details, text_of(span.get_span_context()))
            call = await continuation(headed, request)
            # Awaiting the answer, unlike the status, cancels the call when we are cancelled.
            with contextlib.suppress(grpc.aio.AioRpcError):
                await call
            code = await call.code()
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            end_rpc(span, code, faulty=code is not grpc.StatusCode.OK)
        return call


def _with_header(details: grpc.aio.ClientCallDetails, header: str) -> grpc.aio.ClientCallDetails:
    return grpc.aio.ClientCallDetails(
        method=details.method,
        timeout=details.timeout,
        metadata=grpc.aio.Metadata(*(details.metadata or ()), (HEADER, header)),
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
    )


def _text(method: str | bytes) -> str:
    return method.decode() if isinstance(method, bytes) else method
