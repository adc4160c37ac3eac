"""A call that came by another protocol than gRPC has the span that it would have had by gRPC."""

from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.clock import SystemClock
from hasten_runtime.errors import MeshError
from hasten_runtime.in_process import InProcessCalls, InProcessContext
from hasten_runtime.inference_service import rpc_handlers
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.telemetry import current_traceparent
from tests.telemetry.chain import finished, traced

TRACE, SPAN = "1" * 32, "2" * 16


@pytest.mark.parametrize("refused", [False, True])
async def test_its_span_is_a_child_of_the_callers(
    exporter: InMemorySpanExporter, refused: bool
) -> None:
    seen: list[str] = []

    async def ready(_: object, __: Any) -> pb.ServerReadyResponse:
        seen.append(current_traceparent())
        if refused:
            raise MeshError(Refusal(Reason.OVERLOADED, "full"))
        return pb.ServerReadyResponse(ready=True)

    async def read() -> bytes:
        return b""

    tracing = traced(exporter)
    interceptors = tracing.server_interceptors()
    calls = InProcessCalls(rpc_handlers({"ServerReady": ready}), interceptors, MessageLimit(100))
    metadata = (("traceparent", f"00-{TRACE}-{SPAN}-01"),)
    context = InProcessContext(metadata, None, SystemClock().now_s, read)
    if refused:
        with pytest.raises(MeshError, match="full"):
            await calls.call("ServerReady", b"", context)
    else:
        await calls.call("ServerReady", b"", context)
    (span,) = await finished(exporter, 1)
    assert (span.name, span.kind) == (
        "inference.GRPCInferenceService/ServerReady",
        SpanKind.SERVER,
    )
    assert span.parent is not None
    assert format(span.parent.span_id, "016x") == SPAN
    assert seen[0].split("-")[1:3] == [TRACE, format(span.context.span_id, "016x")]
    status = (span.attributes or {})["rpc.response.status_code"]
    assert status == ("RESOURCE_EXHAUSTED" if refused else "OK")
