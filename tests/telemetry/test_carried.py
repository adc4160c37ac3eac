"""What travels with a call over a link is the operator's choice, as the headers of RPCs are."""

from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import hasten_router.observing as router
import hasten_worker.observing as worker
from hasten_router.calls import Call
from hasten_runtime import telemetry

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("propagators", "carried"), [("tracecontext", True), ("baggage", False), ("none", False)]
)
def test_the_trace_goes_over_a_link_as_the_operator_says(
    exporter: InMemorySpanExporter, propagators: str, *, carried: bool
) -> None:
    traces = telemetry.start(
        "test",
        environ={"OTEL_PROPAGATORS": propagators},
        processors=[SimpleSpanProcessor(exporter)],
    )
    nothing: Any = None
    sent = Call("m", "", b"", arrived_s=0.0)
    sent.caller_traceparent = SAMPLED
    router.Meter(nothing, traces).sampled_call_sent(sent, "w")
    # The router's own spans belong together all the same.
    assert sent.spans is not None
    assert sent.traceparent[:36] == (SAMPLED[:36] if carried else "")
    spec = SimpleNamespace(name="m", version="1")
    taken: Any = SimpleNamespace(served=SimpleNamespace(model=SimpleNamespace(spec=spec)))
    span = worker.Meter(nothing, traces).start_span(taken, SAMPLED)
    assert (span is not None) == carried
