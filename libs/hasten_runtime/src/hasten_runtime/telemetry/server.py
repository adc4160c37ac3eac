"""Spans of the RPCs that a server answers."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import grpc
from opentelemetry import context as otel_context
from opentelemetry import trace

from hasten_runtime import telemetry_names as names
from hasten_runtime.handlers import Behaviour, Context, Handler, behaviour_of, with_behaviour
from hasten_runtime.protocol_names import TRACEPARENT
from hasten_runtime.telemetry.onward import (
    Pairs,
    Unsampled,
    baggage,
    baggage_of,
    states_of,
    unsampled,
)
from hasten_runtime.telemetry.propagation import context_from
from hasten_runtime.telemetry.propagators import Propagators
from hasten_runtime.telemetry.sampling import HeadSampling
from hasten_runtime.telemetry.spans import SERVER_FAULTS, SYSTEM, UNTRACED, end_rpc


class SampledCall(NamedTuple):
    """What an interceptor is told of a call of which it is known that it is sampled."""

    method: str
    invocation_metadata: Sequence[tuple[str, str | bytes]]


class TracingServerInterceptor(grpc.aio.ServerInterceptor):
    """A span for each sampled RPC, active while its handler runs.

    Handlers of all four kinds, with streams as async generators or as coroutines that read and
    write. A request that is not sampled gets its handler unchanged.
    """

    def __init__(
        self,
        tracer: trace.Tracer,
        sampling: HeadSampling,
        propagators: Propagators,
    ) -> None:
        self._tracer = tracer
        self._sampling = sampling
        self._headers = propagators.headers

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """The inner handler, within a span if the request is sampled."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(UNTRACED):
            return handler
        header = ""
        beside: Pairs = ()
        wanted = self._headers
        for key, value in handler_call_details.invocation_metadata or ():
            if key in wanted:
                if key == TRACEPARENT:
                    header = header or str(value)
                else:
                    beside = (*beside, (key, str(value)))
        known = isinstance(handler_call_details, SampledCall)
        if known or self._sampling.samples(header):
            return self._traced(handler, method.removeprefix("/"), header, beside)
        # Never taken back: the context is that of the RPC's own task and goes with it.
        unsampled.set(Unsampled(header, beside))
        return handler

    def _traced(self, handler: Handler, method: str, header: str, beside: Pairs) -> Handler:
        behaviour = behaviour_of(handler)
        traced: Behaviour
        if inspect.isasyncgenfunction(behaviour):

            async def traced_stream(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401  (any message)
                span = self._begin(method, header, beside)
                try:
                    async for response in behaviour(request, context):
                        yield response
                except BaseException as error:
                    _end(span, context, error)
                    raise
                _end(span, context, None)

            traced = traced_stream
        elif inspect.iscoroutinefunction(behaviour):

            async def traced_call(request: Any, context: Context) -> Any:  # noqa: ANN401  (any message)
                span = self._begin(method, header, beside)
                try:
                    response = await behaviour(request, context)
                except BaseException as error:
                    _end(span, context, error)
                    raise
                _end(span, context, None)
                return response

            traced = traced_call
        else:  # It runs on a thread, where the span would not be active.
            return handler
        return with_behaviour(handler, traced)

    def _begin(self, method: str, header: str, beside: Pairs) -> trace.Span:
        parent = context_from(header, states_of(beside))
        span = self._tracer.start_span(
            method,
            context=parent,
            kind=trace.SpanKind.SERVER,
            attributes={names.ATTR_RPC_SYSTEM: SYSTEM, names.ATTR_RPC_METHOD: method},
        )
        # Never taken back, as above.
        otel_context.attach(trace.set_span_in_context(span, parent))
        baggage.set(baggage_of(beside))
        return span


def _end(span: trace.Span, context: Context, error: BaseException | None) -> None:
    code = context.code()
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        code = grpc.StatusCode.CANCELLED
    elif not isinstance(code, grpc.StatusCode):  # Nobody set one.
        code = grpc.StatusCode.OK if error is None else grpc.StatusCode.UNKNOWN
    end_rpc(span, code, faulty=code in SERVER_FAULTS)
