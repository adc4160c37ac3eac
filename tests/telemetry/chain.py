"""Traced servers and traced channels to them, in one process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hasten_runtime import grpc_client, grpc_server, telemetry
from hasten_runtime.telemetry import Telemetry
from tests.support.waiting import eventually


def traced(exporter: InMemorySpanExporter, **variables: str) -> Telemetry:
    return telemetry.start("test", environ=variables, processors=[SimpleSpanProcessor(exporter)])


@asynccontextmanager
async def serving(tracing: Telemetry, **methods: grpc.RpcMethodHandler) -> AsyncIterator[str]:
    """A server whose service "t.T" has these methods."""
    server = grpc_server.make_server(interceptors=tracing.server_interceptors())
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    address = grpc_server.bind(server, "127.0.0.1:0")
    await server.start()
    try:
        yield address
    finally:
        await server.stop(0)


@asynccontextmanager
async def calling(tracing: Telemetry, address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc_client.make_channel(address, traces=tracing) as channel:
        yield channel


async def finished(exporter: InMemorySpanExporter, count: int) -> tuple[ReadableSpan, ...]:
    await eventually(lambda: len(exporter.get_finished_spans()) >= count, what=f"{count} spans")
    return exporter.get_finished_spans()
