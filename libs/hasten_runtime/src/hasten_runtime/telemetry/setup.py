"""Starting and stopping the OpenTelemetry SDK by its standard variables."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import grpc
from opentelemetry import trace

from hasten_runtime import logs
from hasten_runtime.protocol_names import TRACEPARENT
from hasten_runtime.telemetry.channel import TracedChannel
from hasten_runtime.telemetry.client import ClientTracing
from hasten_runtime.telemetry.exporters import exporters, resource
from hasten_runtime.telemetry.propagation import context_from
from hasten_runtime.telemetry.propagators import Propagators
from hasten_runtime.telemetry.sampling import HeadSampling
from hasten_runtime.telemetry.server import TracingServerInterceptor
from hasten_runtime.telemetry.spans import Attributes

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

SCOPE: Final = "hasten"

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """This process's traces.

    Attributes:
        tracer: Makes spans; a no-op when tracing is off.
        sampling: The decision for requests that bring none.
        propagators: What is handed on from a request to the calls made for it.
        provider: The SDK's; None when tracing is off.
    """

    tracer: trace.Tracer = field(default_factory=trace.NoOpTracer)
    sampling: HeadSampling = field(default_factory=HeadSampling)
    propagators: Propagators = field(default_factory=Propagators)
    provider: "TracerProvider | None" = None

    @property
    def enabled(self) -> bool:
        """Spans are recorded."""
        return self.provider is not None

    @property
    def carries_context(self) -> bool:
        """The trace context of a request is read and handed on (OTEL_PROPAGATORS)."""
        return TRACEPARENT in self.propagators.headers

    def wants_span(self, traceparent: str) -> bool:
        """Decides on a request that came with this traceparent, "" for none. If so, it is to be
        answered behind the interceptors as a SampledCall, so that nobody decides again.
        """
        return self.enabled and self.sampling.samples(traceparent if self.carries_context else "")

    def server_interceptors(self) -> list[grpc.aio.ServerInterceptor]:
        """For `make_server`; none when tracing is off."""
        if not self.enabled:
            return []
        return [TracingServerInterceptor(self.tracer, self.sampling, self.propagators)]

    def traced_channel(self, channel: grpc.aio.Channel, address: str) -> grpc.aio.Channel:
        """The channel to this address, its RPCs traced; as it is when tracing is off."""
        if not self.enabled:
            return channel
        return TracedChannel(
            channel,
            ClientTracing(self.tracer, self.sampling, self.propagators, address=address),
        )

    def start_call(
        self,
        name: str,
        traceparent: str,
        *,
        kind: trace.SpanKind = trace.SpanKind.SERVER,
        attributes: Attributes | None = None,
    ) -> trace.Span | None:
        """A span for a call that came in a message, below the span that the message names.

        Args:
            name: From `telemetry_names`.
            traceparent: As the message carries it; "" for a call that is not sampled.
            kind: SERVER for a call received, CLIENT for one sent on.
            attributes: Known at the start.

        Returns:
            The span, to be ended with `end_span`; None when the call is not sampled.
        """
        if not traceparent or self.provider is None or not self.sampling.samples(traceparent):
            return None
        span = self.tracer.start_span(
            name, context=context_from(traceparent), kind=kind, attributes=attributes
        )
        return span if span.is_recording() else None

    def start_batch(
        self, name: str, members: Iterable[trace.Span | None], attributes: Attributes | None = None
    ) -> trace.Span | None:
        """A span for work done for several calls at once.

        It belongs to no one trace of its members, so it begins its own; links lead both ways.

        Returns:
            The span, to be ended; None when no member is sampled.
        """
        sampled = [span for span in members if span is not None]
        if not sampled or self.provider is None:
            return None
        links = [trace.Link(span.get_span_context()) for span in sampled]
        batch = self.tracer.start_span(
            name, context=context_from(""), links=links, attributes=attributes
        )
        if not batch.is_recording():
            return None
        for span in sampled:
            span.add_link(batch.get_span_context())
        return batch

    async def stop(self, patience_s: float = 3.0) -> None:
        """Sends what is left, for at most patience_s; an exporter that hangs is left behind."""
        if self.provider is None:
            return
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        provider = self.provider

        def flush() -> None:
            provider.shutdown()
            with contextlib.suppress(RuntimeError):  # The loop has closed: nobody waits.
                loop.call_soon_threadsafe(done.set)

        # A daemon, unlike the event loop's own threads, does not hold the process up.
        threading.Thread(target=flush, name="telemetry-stop", daemon=True).start()
        try:
            await asyncio.wait_for(done.wait(), patience_s)
        except TimeoutError:
            _log.warning("telemetry.lost", detail="the exporter was too slow for the last spans")


def start(
    service_name: str,
    *,
    instance: str = "",
    environ: Mapping[str, str] | None = None,
    processors: Sequence["SpanProcessor"] = (),
) -> Telemetry:
    """Sets tracing up. Nothing is imported and nothing runs when no exporter is asked for.

    Args:
        service_name: As "hasten-router"; OTEL_SERVICE_NAME wins.
        instance: Name of this copy of the service.
        environ: Where OTEL_* are read; the process's own when None. (The SDK itself reads
            further ones, as OTEL_BSP_*, from the process's.)
        processors: Further span processors, for tests; tracing is then on.

    Raises:
        ValueError: A variable's value is not acceptable, with a sentence.
    """
    variables = os.environ if environ is None else environ
    # The standard has it count also where the SDK is off.
    propagators = Propagators.from_environment(variables)
    if variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Telemetry(propagators=propagators)
    sampling = HeadSampling.from_environment(variables)
    chosen = exporters(variables)
    if not chosen and not processors:
        return Telemetry(sampling=sampling, propagators=propagators)
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider = TracerProvider(
        sampler=sampling.sampler or ALWAYS_ON,  # Nothing else that is not sampled gets there.
        resource=resource(service_name, instance),
        shutdown_on_exit=False,
    )
    for processor in (*processors, *map(BatchSpanProcessor, chosen)):
        provider.add_span_processor(processor)
    return Telemetry(provider.get_tracer(SCOPE), sampling, propagators, provider)
