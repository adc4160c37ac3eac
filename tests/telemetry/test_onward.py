"""What a request hands on to the calls that are made for it, by the standard variables."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import grpc
import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind

from hasten_runtime import grpc_client, telemetry
from hasten_runtime.telemetry import propagation, sampling
from tests.telemetry.chain import calling, finished, serving, traced

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
STATE = ("tracestate", "them=1,others=2")
BAGGAGE = ("baggage", "tenant=a%20b;p=1,zone=c")
PASSED_ON = {"traceparent", "tracestate", "baggage"}

Arrived = list[dict[str, str]]
"""Of each call to the second server, the headers that hand on a request's context."""


@asynccontextmanager
async def chain(
    exporter: InMemorySpanExporter, **variables: str
) -> AsyncIterator[tuple[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes], Arrived]]:
    """An untraced client's method of a server that asks a second server twice for each request."""
    tracing = traced(exporter, **variables)
    arrived: Arrived = []

    async def answer(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        pairs = [(key, str(value)) for key, value in context.invocation_metadata() or ()]
        told = {key: value for key, value in pairs if key in PASSED_ON}
        assert len(told) == sum(key in PASSED_ON for key, _ in pairs)
        arrived.append(told)
        return request

    last = grpc.unary_unary_rpc_method_handler(answer)
    async with serving(tracing, Ask=last) as second, calling(tracing, second) as onward:

        async def hand_on(request: bytes, _: object) -> bytes:
            ask = onward.unary_unary("/t.T/Ask")
            return bytes(await ask(request)) + bytes(await ask(request))

        first = grpc.unary_unary_rpc_method_handler(hand_on)
        async with (
            serving(tracing, Ask=first) as address,
            grpc_client.make_channel(address) as channel,
        ):
            yield channel.unary_unary("/t.T/Ask"), arrived


def parsed(headers: Mapping[str, str]) -> trace.SpanContext:
    span = propagation.parse(headers["traceparent"])
    assert span is not None
    return span


async def test_an_unsampled_request_hands_on_all_that_it_came_with(
    exporter: InMemorySpanExporter,
) -> None:
    async with chain(exporter) as (ask, arrived):
        await ask(b"", metadata=(("traceparent", UNSAMPLED), STATE, BAGGAGE))
    assert arrived == [dict([("traceparent", UNSAMPLED), STATE, BAGGAGE])] * 2
    assert exporter.get_finished_spans() == ()


async def test_a_sampled_request_hands_on_state_and_baggage_below_its_spans(
    exporter: InMemorySpanExporter,
) -> None:
    async with chain(exporter) as (ask, arrived):
        await ask(b"", metadata=(("traceparent", SAMPLED), STATE, BAGGAGE))
        spans = await finished(exporter, 5)
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE}
    assert {span.context.trace_state.to_header() for span in spans} == {STATE[1]}
    clients = [span.context for span in spans if span.kind is SpanKind.CLIENT]
    assert arrived == [
        dict([("traceparent", propagation.text_of(client)), STATE, BAGGAGE]) for client in clients
    ]


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED])
@pytest.mark.parametrize(
    ("propagators", "handed_on"),
    [
        ("tracecontext", {"traceparent", "tracestate"}),
        ("baggage", {"baggage"}),
        ("Baggage, tracecontext", PASSED_ON),
        ("none", set()),
    ],
)
async def test_the_operator_says_what_is_handed_on(
    exporter: InMemorySpanExporter, propagators: str, handed_on: set[str], traceparent: str
) -> None:
    variables = {"OTEL_PROPAGATORS": propagators, "OTEL_TRACES_SAMPLER_ARG": "0"}
    async with chain(exporter, **variables) as (ask, arrived):
        await ask(b"", metadata=(("traceparent", traceparent), STATE, BAGGAGE))
    assert [set(headers) for headers in arrived] == [handed_on] * 2
    heard = traceparent == SAMPLED and "traceparent" in handed_on
    assert bool(exporter.get_finished_spans()) == heard


def test_a_propagator_that_is_not_offered_is_told() -> None:
    with pytest.raises(ValueError, match="OTEL_PROPAGATORS has 'b3'"):
        telemetry.start("test", environ={"OTEL_PROPAGATORS": "tracecontext,b3"})


@pytest.mark.parametrize("header", ["", "00-nonsense-01", UNSAMPLED + "-x", "ff" + UNSAMPLED[2:]])
async def test_without_a_good_header_a_request_gets_one_trace_and_no_state(
    exporter: InMemorySpanExporter, header: str
) -> None:
    came = (("traceparent", header), STATE, BAGGAGE)
    async with chain(exporter, OTEL_TRACES_SAMPLER_ARG="0") as (ask, arrived):
        await ask(b"", metadata=came if header else came[1:])
        await ask(b"", metadata=came if header else came[1:])
    traces = [parsed(headers).trace_id for headers in arrived]
    assert traces[0] == traces[1] != traces[2] == traces[3]
    for headers in arrived:
        assert parsed(headers).trace_flags == 0
        assert {key: value for key, value in headers.items() if key != "traceparent"} == dict(
            [BAGGAGE]
        )


async def test_a_decision_against_the_callers_is_what_is_handed_on(
    exporter: InMemorySpanExporter,
) -> None:
    async with chain(exporter, OTEL_TRACES_SAMPLER="always_off") as (ask, arrived):
        await ask(b"", metadata=(("traceparent", SAMPLED), STATE))
    assert arrived == [dict([("traceparent", UNSAMPLED), STATE])] * 2
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(("header", "sampled"), [(SAMPLED, True), (UNSAMPLED, False)])
async def test_a_span_that_others_made_active_is_followed(
    exporter: InMemorySpanExporter, header: str, *, sampled: bool
) -> None:
    heard: list[str] = []

    async def answer(_: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        heard.extend(
            str(value) for key, value in context.invocation_metadata() or () if key == "traceparent"
        )
        return b""

    tracing = traced(exporter)
    method = grpc.unary_unary_rpc_method_handler(answer)
    async with serving(tracing, Ask=method) as address, calling(tracing, address) as channel:
        active = otel_context.attach(telemetry.context_from(header))
        await channel.unary_unary("/t.T/Ask")(b"")
        otel_context.detach(active)
        if sampled:
            await finished(exporter, 2)
    (told,) = heard
    assert told[3:35] == TRACE
    assert propagation.is_sampled(told) == sampled
    assert bool(exporter.get_finished_spans()) == sampled


class ByKind(Sampler):
    """Samples one kind of span, whatever the parent says."""

    def __init__(self, arg: str) -> None:
        self.kind = SpanKind[arg]

    def should_sample(  # noqa: PLR0917
        self,
        parent_context: otel_context.Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        del parent_context, trace_id, name, attributes, links, trace_state
        chosen = kind is self.kind
        return SamplingResult(Decision.RECORD_AND_SAMPLE if chosen else Decision.DROP)

    def get_description(self) -> str:
        return "by kind"


@pytest.mark.parametrize(("kind", "spans"), [("SERVER", 3), ("CLIENT", 2), ("INTERNAL", 0)])
async def test_a_sampler_of_an_installed_package_decides_on_every_span(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, kind: str, spans: int
) -> None:
    group = sampling.SAMPLERS_GROUP
    found = EntryPoints([EntryPoint("ByKind", f"{__name__}:ByKind", group)])
    monkeypatch.setattr(sampling, "entry_points", found.select)
    variables = {"OTEL_TRACES_SAMPLER": "ByKind", "OTEL_TRACES_SAMPLER_ARG": kind}
    async with chain(exporter, **variables) as (ask, arrived):
        await ask(b"", metadata=(("traceparent", SAMPLED),))
    assert [span.kind.name for span in exporter.get_finished_spans()] == [kind] * spans
    assert [parsed(headers).trace_id for headers in arrived] == [int(TRACE, 16)] * 2
    handed_on = {propagation.is_sampled(headers["traceparent"]) for headers in arrived}
    assert handed_on == {kind == "CLIENT"}


def test_dropped_calls_in_messages_have_no_span(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = EntryPoints([EntryPoint("x", f"{__name__}:ByKind", sampling.SAMPLERS_GROUP)])
    monkeypatch.setattr(sampling, "entry_points", found.select)
    variables = {"OTEL_TRACES_SAMPLER": "x", "OTEL_TRACES_SAMPLER_ARG": "SERVER"}
    tracing = traced(exporter, **variables)
    call = tracing.start_call("call", SAMPLED)
    assert call is not None
    assert tracing.start_call("call", SAMPLED, kind=SpanKind.CLIENT) is None
    assert tracing.start_batch("batch", [call]) is None
