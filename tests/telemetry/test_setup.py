"""Tracing is set up by the standard variables, and spans reach a collector."""

import asyncio
import sys
import threading
from collections.abc import Iterator

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import telemetry
from hasten_runtime import telemetry_names as names
from hasten_runtime.telemetry import Telemetry
from loadtest.collector import Collector, attributes, collecting

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-2] + "00"
PATIENCE_S = 60.0


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, and this process's variables set to send to it."""
    monkeypatch.delenv("OTEL_TRACES_EXPORTER", raising=False)
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    with collecting() as listening:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{listening.address}")
        yield listening


def in_memory(exporter: InMemorySpanExporter) -> Telemetry:
    return telemetry.start("test", environ={}, processors=[SimpleSpanProcessor(exporter)])


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "console"},
    ],
)
async def test_nothing_is_made_when_nothing_is_asked_for(environ: dict[str, str]) -> None:
    off = telemetry.start("test", environ=environ)
    assert not off.enabled
    assert off.server_interceptors() == []
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        assert off.traced_channel(channel, "127.0.0.1:1") is channel
    assert off.start_call(names.SPAN_WORKER_CALL, SAMPLED) is None
    assert off.start_batch(names.SPAN_WORKER_BATCH, []) is None
    await off.stop()


async def test_the_sdk_is_not_even_imported_when_tracing_is_off() -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from hasten_runtime import telemetry; telemetry.start('x', environ={});"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))",
    )
    assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "only grpc is offered",
        ),
    ],
)
def test_an_exporter_that_is_not_offered_is_told(environ: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        telemetry.start("test", environ=environ)


async def test_spans_reach_the_collector_before_the_process_ends(collector: Collector) -> None:
    tracing = telemetry.start("hasten-test", instance="t1")
    assert tracing.enabled
    span = tracing.start_call(
        names.SPAN_WORKER_CALL, SAMPLED, attributes={names.ATTR_MODEL: "digits"}
    )
    assert span is not None
    telemetry.end_span(span)
    await tracing.stop(PATIENCE_S)
    ((facts, sent),) = collector.spans()
    assert (facts["service.name"], facts["service.instance.id"]) == ("hasten-test", "t1")
    assert facts["telemetry.sdk.name"] == "opentelemetry"
    assert facts["service.version"]
    assert (sent.name, sent.trace_id.hex()) == (names.SPAN_WORKER_CALL, SAMPLED[3:35])
    assert sent.parent_span_id.hex() == SAMPLED[36:52]
    assert attributes(sent.attributes) == {"hasten.model": "digits"}


async def test_the_operators_names_win(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=i9,zone=a")
    tracing = telemetry.start("ours", instance="t1")
    tracing.tracer.start_span("x").end()
    await tracing.stop(PATIENCE_S)
    ((found, _),) = collector.spans()
    assert (found["service.name"], found["service.instance.id"], found["zone"]) == (
        "theirs",
        "i9",
        "a",
    )


def test_an_exporter_that_hangs_does_not_hold_the_process_up() -> None:
    release, ended = threading.Event(), threading.Event()

    class Hanging(SpanProcessor):
        def shutdown(self) -> None:
            release.wait(PATIENCE_S)

    async def leave() -> None:
        tracing = telemetry.start("test", environ={}, processors=[Hanging()])
        await asyncio.wait_for(tracing.stop(0.05), PATIENCE_S / 2)
        ended.set()

    before = set(threading.enumerate())  # A test's before this one may be on its last step.
    asyncio.run(leave())
    assert ended.is_set()
    left = set(threading.enumerate()) - before
    (left_behind,) = (one for one in left if one.name == "telemetry-stop")
    assert left_behind.daemon
    release.set()  # The exporter comes round when the event loop has gone.
    left_behind.join(PATIENCE_S)


def test_a_call_in_a_message_is_a_child_of_the_span_that_it_names() -> None:
    exporter = InMemorySpanExporter()
    tracing = in_memory(exporter)
    assert tracing.start_call(names.SPAN_WORKER_CALL, "") is None
    assert tracing.start_call(names.SPAN_WORKER_CALL, UNSAMPLED) is None
    span = tracing.start_call(names.SPAN_WORKER_CALL, SAMPLED, kind=SpanKind.CLIENT)
    assert span is not None
    span.add_event(names.EVENT_BATCHED, {names.ATTR_ROWS: 3})
    telemetry.end_span(span, Refusal(Reason.MODEL_FAILED, "division by zero", started=True))
    (ended,) = exporter.get_finished_spans()
    assert ended.parent is not None
    assert f"{ended.parent.span_id:016x}" == SAMPLED[36:52]
    assert ended.kind is SpanKind.CLIENT
    assert (ended.status.status_code, ended.status.description) == (
        StatusCode.ERROR,
        "division by zero",
    )
    assert dict(ended.attributes or {}) == {
        "hasten.reason": "MODEL_FAILED",
        "error.type": "INTERNAL",
    }


def test_a_batch_is_a_trace_of_its_own_linked_with_its_members() -> None:
    exporter = InMemorySpanExporter()
    tracing = in_memory(exporter)
    members = [tracing.start_call(names.SPAN_WORKER_CALL, SAMPLED) for _ in range(2)]
    batch = tracing.start_batch(names.SPAN_WORKER_BATCH, [None, *members], {names.ATTR_ROWS: 3})
    assert batch is not None
    batch.end()
    for member in members:
        assert member is not None
        telemetry.end_span(member)
    spans: tuple[ReadableSpan, ...] = exporter.get_finished_spans()
    whole, first, second = spans
    assert whole.parent is None
    assert whole.context.trace_id != first.context.trace_id
    linked = {link.context.span_id for link in whole.links}
    assert linked == {first.context.span_id, second.context.span_id}
    for member_span in (first, second):
        assert [link.context.span_id for link in member_span.links] == [whole.context.span_id]
    assert tracing.start_batch(names.SPAN_WORKER_BATCH, [None, None]) is None
