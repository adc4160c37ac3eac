"""Spans of the RPCs that a process makes."""

from collections.abc import Iterable

import grpc
from opentelemetry import trace

from hasten_runtime import telemetry_names as names
from hasten_runtime.protocol_names import TRACEPARENT
from hasten_runtime.telemetry.onward import below, unsampled
from hasten_runtime.telemetry.propagation import as_unsampled, new_unsampled, text_of
from hasten_runtime.telemetry.propagators import Propagators
from hasten_runtime.telemetry.sampling import HeadSampling
from hasten_runtime.telemetry.spans import SYSTEM, Attributes, end_rpc


class ClientTracing:
    """A span for each sampled RPC to one address, and the decision handed on with every one."""

    def __init__(
        self,
        tracer: trace.Tracer,
        sampling: HeadSampling,
        propagators: Propagators,
        *,
        address: str = "",
    ) -> None:
        """Of the RPCs to this address.

        Args:
            tracer: Makes the spans.
            sampling: Decides where no request has brought a decision.
            propagators: What is handed on.
            address: "host:port", told by the spans; any other target is not.
        """
        self._tracer = tracer
        self._sampling = sampling
        self._headers = None if propagators.all else propagators.headers
        self._attributes: dict[str, str | int] = {names.ATTR_RPC_SYSTEM: SYSTEM}
        host, _, port = address.rpartition(":")
        if host and port.isdigit():
            self._attributes[names.ATTR_SERVER_ADDRESS] = host
            self._attributes[names.ATTR_SERVER_PORT] = int(port)

    def attributes_of(self, method: str) -> Attributes:
        """What the spans of this method's RPCs say from their start."""
        return {**self._attributes, names.ATTR_RPC_METHOD: method}

    def begin(
        self,
        method: str,
        attributes: Attributes,
        metadata: Iterable[tuple[str, str | bytes]] | None,
    ) -> tuple[grpc.aio.Metadata, trace.Span | None]:
        """Decides on an RPC that is about to be made.

        Args:
            method: As "package.Service/Method".
            attributes: Of its span.
            metadata: The caller's.

        Returns:
            The metadata to be sent, and the span, to be ended with the RPC; None when the RPC is
            not recorded.
        """
        span = None
        headers = self._unsampled()
        if headers is None:
            begun = self._tracer.start_span(
                method, kind=trace.SpanKind.CLIENT, attributes=attributes
            )
            headers = below(begun.get_span_context())
            span = begun if begun.is_recording() else None
        if self._headers is not None:
            headers = grpc.aio.Metadata(*(pair for pair in headers if pair[0] in self._headers))
        # Not as a tuple: from that, gRPC makes Metadata of its own, for 4 µs.
        return grpc.aio.Metadata(*metadata, *headers) if metadata else headers, span

    def _unsampled(self) -> grpc.aio.Metadata | None:
        current = trace.get_current_span()
        if current is not trace.INVALID_SPAN:
            if current.is_recording():
                return None
            span = current.get_span_context()
            if span.is_valid:
                header = text_of(span)
                sampled = self._sampling.samples(header)
                return None if sampled else below(span, header=as_unsampled(header))
        handled = unsampled.get()
        if handled is not None:
            return handled.headers()
        if self._sampling.samples(""):
            return None
        return grpc.aio.Metadata((TRACEPARENT, new_unsampled()))


def never_begun(span: trace.Span, error: BaseException) -> None:
    """Ends the span of an RPC that gRPC would not make."""
    span.record_exception(error)
    end_rpc(span, grpc.StatusCode.UNKNOWN, faulty=True)


def end_with(span: trace.Span, call: grpc.aio.Call) -> None:
    """Ends the span of an RPC that has ended."""
    code = grpc.StatusCode.UNKNOWN
    try:
        call.code().send(None)
    except StopIteration as known:  # At once, as the RPC has ended.
        code = known.value
    end_rpc(span, code, faulty=code is not grpc.StatusCode.OK)
