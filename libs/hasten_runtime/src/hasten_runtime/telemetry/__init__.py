"""Traces, set up by OpenTelemetry's standard variables and near free when they ask for none."""

from hasten_runtime.telemetry.propagation import (
    context_from,
    current_traceparent,
    is_sampled,
)
from hasten_runtime.telemetry.sampling import HeadSampling
from hasten_runtime.telemetry.server import SampledCall, TracingServerInterceptor
from hasten_runtime.telemetry.setup import Telemetry, start
from hasten_runtime.telemetry.spans import end_span

__all__ = [
    "HeadSampling",
    "SampledCall",
    "Telemetry",
    "TracingServerInterceptor",
    "context_from",
    "current_traceparent",
    "end_span",
    "is_sampled",
    "start",
]
