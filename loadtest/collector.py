"""An OpenTelemetry collector: takes spans over OTLP and keeps them."""

import threading
from collections.abc import Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE_S = 60.0


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """What arrived, in order.

    Attributes:
        address: "host:port" of its gRPC server.
    """

    def __init__(self) -> None:
        self.address = ""
        self._lock = threading.Lock()
        self._requests: list[trace_service_pb2.ExportTraceServiceRequest] = []

    def Export(  # noqa: N802  (the protocol's name)
        self, request: trace_service_pb2.ExportTraceServiceRequest, _: object
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Takes spans."""
        with self._lock:
            self._requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self) -> list[tuple[dict[str, str], Span]]:
        """Every span with its resource's attributes; one that was sent twice is there once.

        Who gets no answer in ten seconds sends the same again.
        """
        with self._lock:
            requests = list(self._requests)
        found = {
            span.span_id: (attributes(resource.resource.attributes), span)
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }
        return list(found.values())


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # its stubs
    collector.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(0).wait(PATIENCE_S)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    """Attributes as plain text."""
    return {
        pair.key: str(getattr(pair.value, str(pair.value.WhichOneof("value")))) for pair in pairs
    }
