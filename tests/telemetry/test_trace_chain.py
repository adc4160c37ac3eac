"""One request through several servers: one trace when it is sampled, no span when it is not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import grpc_client, telemetry
from hasten_runtime.errors import MeshError
from hasten_runtime.telemetry import propagation
from tests.telemetry.chain import calling, finished, serving, traced

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C


def unary(behaviour: Callable[..., Any]) -> grpc.RpcMethodHandler:
    return grpc.unary_unary_rpc_method_handler(behaviour)


def by_kind(spans: tuple[ReadableSpan, ...]) -> list[tuple[SpanKind, str]]:
    return [(span.kind, span.name) for span in spans]


async def test_a_sampled_request_is_one_trace_from_client_to_the_second_server(
    exporter: InMemorySpanExporter,
) -> None:
    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")

    async def answer(request: bytes, _: object) -> bytes:
        assert telemetry.current_traceparent()
        return request + b"2"

    async with (
        serving(tracing, Ask=unary(answer)) as second,
        calling(tracing, second) as onward,
    ):

        async def hand_on(request: bytes, _: object) -> bytes:
            return bytes(await onward.unary_unary("/t.T/Ask")(request + b"1"))

        async with (
            serving(tracing, Ask=unary(hand_on)) as first,
            calling(tracing, first) as channel,
        ):
            assert await channel.unary_unary("/t.T/Ask")(b"0") == b"012"
            spans = await finished(exporter, 4)

    server_2, client_2, server_1, client_1 = spans
    assert by_kind(spans) == [
        (SpanKind.SERVER, "t.T/Ask"),
        (SpanKind.CLIENT, "t.T/Ask"),
        (SpanKind.SERVER, "t.T/Ask"),
        (SpanKind.CLIENT, "t.T/Ask"),
    ]
    assert client_1.parent is None
    for child, parent in ((server_1, client_1), (client_2, server_1), (server_2, client_2)):
        assert child.parent is not None
        assert child.parent.span_id == parent.context.span_id
        assert child.context.trace_id == client_1.context.trace_id
    assert dict(client_1.attributes or {}) == {
        "rpc.system.name": "grpc",
        "rpc.method": "t.T/Ask",
        "rpc.response.status_code": "OK",
        "server.address": "127.0.0.1",
        "server.port": int(first.rpartition(":")[2]),
    }
    assert server_1.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "t.T/Ask",
        "rpc.response.status_code": "OK",
    }


async def test_the_head_decides_for_the_whole_chain(exporter: InMemorySpanExporter) -> None:
    """The second server would sample everything, and hears that this request is not sampled."""
    heads = traced(exporter, OTEL_TRACES_SAMPLER="parentbased_always_off")
    tails = traced(exporter, OTEL_TRACES_SAMPLER="parentbased_always_on")
    seen: list[str] = []

    async def answer(_: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        seen.extend(
            str(value) for key, value in context.invocation_metadata() or () if key == "traceparent"
        )
        assert telemetry.current_traceparent() == ""
        return b""

    async with serving(tails, Ask=unary(answer)) as second, calling(heads, second) as onward:

        async def hand_on(request: bytes, _: object) -> bytes:
            return bytes(await onward.unary_unary("/t.T/Ask")(request))

        async with (
            serving(heads, Ask=unary(hand_on)) as first,
            grpc_client.make_channel(first) as channel,
        ):
            await channel.unary_unary("/t.T/Ask")(b"")
            await channel.unary_unary("/t.T/Ask")(b"", metadata=(("traceparent", UNSAMPLED),))

    assert exporter.get_finished_spans() == ()
    fresh, passed_on = seen
    made = propagation.parse(fresh)
    assert made is not None
    assert made.trace_flags == 0
    assert passed_on == UNSAMPLED


async def test_a_client_that_samples_is_followed_whatever_our_own_rate(
    exporter: InMemorySpanExporter,
) -> None:
    tracing = traced(exporter, OTEL_TRACES_SAMPLER_ARG="0")

    async def answer(request: bytes, _: object) -> bytes:
        return request

    async with (
        serving(tracing, Ask=unary(answer)) as address,
        grpc_client.make_channel(address) as channel,
    ):
        await channel.unary_unary("/t.T/Ask")(b"")
        await channel.unary_unary("/t.T/Ask")(b"", metadata=(("traceparent", SAMPLED),))
        (span,) = await finished(exporter, 1)
    assert span.context.trace_id == TRACE_ID
    assert span.parent is not None
    assert span.parent.is_remote


async def reading_and_writing(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    """A bidirectional handler as a coroutine."""
    assert telemetry.current_traceparent()
    while (message := await context.read()) is not grpc.aio.EOF:
        await context.write(message * 2)


async def generating(
    requests: AsyncIterator[bytes], _: grpc.aio.ServicerContext[Any, Any]
) -> AsyncIterator[bytes]:
    """The same as an async generator."""
    assert telemetry.current_traceparent()
    async for message in requests:
        yield message * 2


@pytest.mark.parametrize("behaviour", [reading_and_writing, generating])
async def test_both_styles_of_bidirectional_handlers_are_traced(
    exporter: InMemorySpanExporter, behaviour: Callable[..., Any]
) -> None:
    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")
    handler = grpc.stream_stream_rpc_method_handler(behaviour)
    async with (
        serving(tracing, Chat=handler) as address,
        calling(tracing, address) as channel,
    ):
        call = channel.stream_stream("/t.T/Chat")(iter([b"a", b"b"]))
        assert [message async for message in call] == [b"aa", b"bb"]
        spans = await finished(exporter, 2)
    assert by_kind(spans) == [(SpanKind.SERVER, "t.T/Chat"), (SpanKind.CLIENT, "t.T/Chat")]
    for span in spans:
        assert (span.attributes or {})["rpc.response.status_code"] == "OK"


async def test_streamed_answers_and_streamed_requests_are_traced(
    exporter: InMemorySpanExporter,
) -> None:
    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")

    async def count(request: bytes, _: object) -> AsyncIterator[bytes]:
        for number in range(len(request)):
            yield bytes([number])

    async def join(requests: AsyncIterator[bytes], _: object) -> bytes:
        return b"".join([message async for message in requests])

    async with (
        serving(
            tracing,
            Count=grpc.unary_stream_rpc_method_handler(count),
            Join=grpc.stream_unary_rpc_method_handler(join),
        ) as address,
        calling(tracing, address) as channel,
    ):
        counted = channel.unary_stream("/t.T/Count")(b"abc")
        assert [message async for message in counted] == [b"\0", b"\1", b"\2"]
        assert await channel.stream_unary("/t.T/Join")(iter([b"x", b"y"])) == b"xy"
        spans = await finished(exporter, 4)
    assert sorted(span.name for span in spans) == 2 * ["t.T/Count"] + 2 * ["t.T/Join"]


@pytest.mark.parametrize(
    ("reason", "status", "server_fault"),
    [
        (Reason.OVERLOADED, "RESOURCE_EXHAUSTED", False),
        (Reason.WORKER_LOST, "UNAVAILABLE", True),
    ],
)
async def test_a_refusal_ends_the_spans_with_its_status(
    exporter: InMemorySpanExporter, reason: Reason, status: str, server_fault: bool
) -> None:
    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")

    async def refuse(_: bytes, __: object) -> bytes:
        raise MeshError(Refusal(reason, "no"))

    async with (
        serving(tracing, Ask=unary(refuse)) as address,
        calling(tracing, address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary("/t.T/Ask")(b"")
        spans = await finished(exporter, 2)
    for span in spans:
        attributes = span.attributes or {}
        assert attributes["rpc.response.status_code"] == status
        assert attributes["error.type"] == status
    by = {span.kind: span.status.status_code for span in spans}
    assert by[SpanKind.CLIENT] is StatusCode.ERROR
    assert (by[SpanKind.SERVER] is StatusCode.ERROR) == server_fault


async def test_a_cancelled_call_ends_its_span_as_cancelled(
    exporter: InMemorySpanExporter,
) -> None:
    tracing = traced(exporter, OTEL_TRACES_SAMPLER="always_on")
    begun = asyncio.Event()

    async def wait(_: bytes, __: object) -> bytes:
        begun.set()
        await asyncio.Event().wait()
        return b""

    async with (
        serving(tracing, Ask=unary(wait)) as address,
        calling(tracing, address) as channel,
    ):
        call = channel.unary_unary("/t.T/Ask")(b"")
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        spans = await finished(exporter, 2)
    statuses = {(span.attributes or {})["rpc.response.status_code"] for span in spans}
    assert statuses == {"CANCELLED"}
