"""A traced channel does what gRPC's own does, for all four kinds of RPCs, and traces them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hasten.worker.v1 import worker_service_pb2, worker_service_pb2_grpc
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.telemetry import propagation
from tests.support.waiting import eventually
from tests.telemetry.chain import calling, finished, serving, traced

Context = grpc.aio.ServicerContext[Any, Any]
Heard = list[tuple[str, str]]
KINDS = ["unary_unary", "unary_stream", "stream_unary", "stream_stream"]
CALLS = {
    "unary_unary": grpc.aio.UnaryUnaryCall,
    "unary_stream": grpc.aio.UnaryStreamCall,
    "stream_unary": grpc.aio.StreamUnaryCall,
    "stream_stream": grpc.aio.StreamStreamCall,
}


def handlers(act: Callable[[Context], Awaitable[None]]) -> dict[str, grpc.RpcMethodHandler]:
    """One method of each kind, named after it; each reads all, acts and answers "ab"."""

    async def read(request: Any) -> None:
        if not isinstance(request, bytes):  # gRPC breaks streams that end while they are written.
            assert [message async for message in request] == [b"x", b"y"]

    async def whole(request: Any, context: Context) -> bytes:
        await read(request)
        await act(context)
        return b"ab"

    async def parts(request: Any, context: Context) -> AsyncIterator[bytes]:
        await read(request)
        await act(context)
        yield b"a"
        yield b"b"

    return {
        "unary_unary": grpc.unary_unary_rpc_method_handler(whole),
        "unary_stream": grpc.unary_stream_rpc_method_handler(parts),
        "stream_unary": grpc.stream_unary_rpc_method_handler(whole),
        "stream_stream": grpc.stream_stream_rpc_method_handler(parts),
    }


def call_of(channel: grpc.aio.Channel, kind: str, **options: Any) -> Any:
    """Begins the RPC of this kind."""
    request = b"x" if kind.startswith("unary") else iter([b"x", b"y"])
    return getattr(channel, kind)(f"/t.T/{kind}")(request, **options)


async def answer_of(call: Any, kind: str) -> bytes:
    if kind.endswith("unary"):
        return bytes(await call)
    return b"".join([message async for message in call])


@asynccontextmanager
async def hearing(
    exporter: InMemorySpanExporter, **variables: str
) -> AsyncIterator[tuple[grpc.aio.Channel, Heard]]:
    """A traced channel to a traced server, and the metadata that arrives there."""
    heard: Heard = []

    async def note(context: Context) -> None:
        heard.extend((key, str(value)) for key, value in context.invocation_metadata() or ())
        await context.send_initial_metadata((("early", "1"),))
        context.set_trailing_metadata((("late", "2"),))

    tracing = traced(exporter, **variables)
    async with (
        serving(tracing, **handlers(note)) as address,
        calling(tracing, address) as channel,
    ):
        yield channel, heard


def statuses(spans: tuple[ReadableSpan, ...]) -> set[object]:
    return {(span.attributes or {})["rpc.response.status_code"] for span in spans}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sampled_call_and_its_server_share_a_trace(
    exporter: InMemorySpanExporter, kind: str
) -> None:
    async with hearing(exporter, OTEL_TRACES_SAMPLER="always_on") as (channel, heard):
        assert await answer_of(call_of(channel, kind), kind) == b"ab"
        spans = await finished(exporter, 2)
    by = {span.kind: span for span in spans}
    client, server = by[SpanKind.CLIENT], by[SpanKind.SERVER]
    assert client.name == server.name == f"t.T/{kind}"
    assert server.parent is not None
    assert server.parent.span_id == client.context.span_id
    assert server.context.trace_id == client.context.trace_id
    assert statuses(spans) == {"OK"}
    assert client.status.status_code is StatusCode.UNSET
    assert heard.count(("traceparent", propagation.text_of(client.context))) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unsampled_call_tells_so_and_makes_no_span(
    exporter: InMemorySpanExporter, kind: str
) -> None:
    async with hearing(exporter, OTEL_TRACES_SAMPLER_ARG="0") as (channel, heard):
        assert await answer_of(call_of(channel, kind), kind) == b"ab"
    (header,) = (value for key, value in heard if key == "traceparent")
    made = propagation.parse(header)
    assert made is not None
    assert made.trace_flags == 0
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize("rate", ["0", "1"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_caller_gets_grpcs_own_call(
    exporter: InMemorySpanExporter, kind: str, rate: str
) -> None:
    async with hearing(exporter, OTEL_TRACES_SAMPLER_ARG=rate) as (channel, heard):
        for metadata in ((("mine", "3"),), grpc.aio.Metadata(("mine", "3"))):
            call = call_of(channel, kind, metadata=metadata, timeout=20.0, wait_for_ready=True)
            assert isinstance(call, CALLS[kind])
            assert call.time_remaining() <= 20.0
            assert (await call.initial_metadata())["early"] == "1"
            assert await answer_of(call, kind) == b"ab"
            assert await call.code() is grpc.StatusCode.OK
            assert (await call.trailing_metadata())["late"] == "2"
            assert call.done()
    assert heard.count(("mine", "3")) == 2
    assert [key for key, _ in heard].count("traceparent") == 2


async def test_streams_may_be_read_and_written_and_take_options_by_position(
    exporter: InMemorySpanExporter,
) -> None:
    async def echo(_: object, context: Context) -> None:
        while (message := await context.read()) is not grpc.aio.EOF:
            await context.write(message * 2)

    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")
    handler = grpc.stream_stream_rpc_method_handler(echo)
    async with (
        serving(tracing, Chat=handler) as address,
        calling(tracing, address) as channel,
    ):
        call = channel.stream_stream("/t.T/Chat")(None, 20.0, (("mine", "3"),))
        assert call.time_remaining() is not None
        for message in (b"a", b"b"):
            await call.write(message)
            assert await call.read() == message * 2
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert statuses(await finished(exporter, 2)) == {"OK"}


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_is_raised_as_it_is_and_ends_the_span_with_its_status(
    exporter: InMemorySpanExporter, kind: str
) -> None:
    async def refuse(_: Context) -> None:
        raise MeshError(Refusal(Reason.WORKER_LOST, "no"))

    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")
    async with (
        serving(tracing, **handlers(refuse)) as address,
        calling(tracing, address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError, match="no") as raised:
            await answer_of(call_of(channel, kind), kind)
        spans = await finished(exporter, 2)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert statuses(spans) == {"UNAVAILABLE"}
    for span in spans:
        assert (span.attributes or {})["error.type"] == "UNAVAILABLE"
        assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_is_cancelled_on_its_way_ends_its_spans(
    exporter: InMemorySpanExporter, kind: str
) -> None:
    begun = asyncio.Event()

    async def wait(_: Context) -> None:
        begun.set()
        await asyncio.Event().wait()

    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")
    async with (
        serving(tracing, **handlers(wait)) as address,
        calling(tracing, address) as channel,
    ):
        asking = asyncio.create_task(answer_of(call_of(channel, kind), kind))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert statuses(await finished(exporter, 2)) == {"CANCELLED"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_is_cancelled_before_it_is_sent_ends_its_span(
    exporter: InMemorySpanExporter, kind: str
) -> None:
    async with hearing(exporter, OTEL_TRACES_SAMPLER="always_on") as (channel, heard):
        call = call_of(channel, kind)
        assert call.cancel()
        (span,) = await finished(exporter, 1)
        assert call.cancelled()
    assert heard == []
    assert span.kind is SpanKind.CLIENT
    assert statuses((span,)) == {"CANCELLED"}


async def test_a_call_that_runs_out_of_time_ends_its_span(exporter: InMemorySpanExporter) -> None:
    async def wait(_: Context) -> None:
        await asyncio.Event().wait()

    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")
    async with (
        serving(tracing, **handlers(wait)) as address,
        calling(tracing, address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await call_of(channel, "unary_unary", timeout=0.05)
        # On a busy machine the time may be over before the server hears of the call.
        (span,) = await eventually(
            lambda: [one for one in exporter.get_finished_spans() if one.kind is SpanKind.CLIENT]
        )
    assert statuses((span,)) == {"DEADLINE_EXCEEDED"}


async def test_a_call_that_grpc_refuses_to_begin_ends_its_span(
    exporter: InMemorySpanExporter,
) -> None:
    async with hearing(exporter, OTEL_TRACES_SAMPLER="always_on") as (channel, _):
        await channel.close()
        with pytest.raises(grpc.aio.UsageError):
            call_of(channel, "unary_unary")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


async def test_generated_stubs_take_it_for_a_channel(exporter: InMemorySpanExporter) -> None:
    async with hearing(exporter, OTEL_TRACES_SAMPLER="always_on") as (channel, _):
        await asyncio.wait_for(channel.channel_ready(), 60.0)
        assert channel.get_state() is grpc.ChannelConnectivity.READY
        stub = worker_service_pb2_grpc.WorkerServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.GetState(worker_service_pb2.GetStateRequest())
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
        spans = await finished(exporter, 1)
    assert spans[0].name == "hasten.worker.v1.WorkerService/GetState"


async def test_what_the_server_does_not_trace_is_not_traced_by_the_client(
    exporter: InMemorySpanExporter,
) -> None:
    async with hearing(exporter, OTEL_TRACES_SAMPLER="always_on") as (channel, _):
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
        await call_of(channel, "unary_unary")
        spans = await finished(exporter, 2)
    assert {span.name for span in spans} == {"t.T/unary_unary"}
