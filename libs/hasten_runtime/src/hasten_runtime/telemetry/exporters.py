"""Where spans go, by the standard variables."""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from hasten_runtime import telemetry_names as names

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def exporters(environ: Mapping[str, str]) -> list["SpanExporter"]:
    """The exporters that OTEL_TRACES_EXPORTER names; OTLP when only an endpoint is set.

    Raises:
        ValueError: An exporter or protocol that is not offered, with a sentence.
    """
    chosen = environ.get(EXPORTER, "").strip().lower()
    if not chosen:
        chosen = "otlp" if any(environ.get(name) for name in ENDPOINTS) else "none"
    return [
        _exporter(name.strip(), environ) for name in chosen.split(",") if name.strip() != "none"
    ]


def _exporter(name: str, environ: Mapping[str, str]) -> "SpanExporter":
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        # Standard output carries the ready line only.
        return ConsoleSpanExporter(out=sys.stderr)
    if name != "otlp":
        raise ValueError(f"{EXPORTER} is {name!r}: expected otlp, console or none")
    protocol = next((environ[key] for key in PROTOCOLS if environ.get(key)), "grpc")
    if protocol != "grpc":
        raise ValueError(f"{PROTOCOLS[-1]} is {protocol!r}: only grpc is offered")
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def resource(service_name: str, instance: str) -> "Resource":
    """What all spans of this process say of it; the standard variables win over ours."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    ours = {
        names.ATTR_SERVICE_NAME: service_name,
        names.ATTR_SERVICE_INSTANCE: instance,
        names.ATTR_SERVICE_VERSION: version("hasten-runtime"),
    }
    said = OTELResourceDetector().detect().attributes
    return Resource.create({key: value for key, value in ours.items() if key not in said})
