"""Making and ending spans."""

from collections.abc import Mapping
from typing import Final

import grpc
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from hasten_policy.reasons import Refusal
from hasten_runtime import telemetry_names as names
from hasten_runtime.protocol_names import OPEN_LINK

Attributes = Mapping[str, str | int | float | bool]

SYSTEM: Final = "grpc"
UNTRACED: Final = (
    "/grpc.",  # Health and reflection.
    OPEN_LINK,  # Nobody's request: a router of its own accord.
)
"""Beginnings of the methods whose RPCs have no spans, neither the server's nor the client's."""
# Statuses that a server is to blame for; the others are the caller's doing.
SERVER_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def end_span(span: trace.Span, refusal: Refusal | None = None) -> None:
    """Ends the span of one call: as answered, or with the reason why not."""
    if refusal is not None:
        span.set_attribute(names.ATTR_REASON, refusal.reason.name)
        span.set_attribute(names.ATTR_ERROR_TYPE, refusal.reason.status)
        span.set_status(StatusCode.ERROR, refusal.message)
    span.end()


def end_rpc(span: trace.Span, code: grpc.StatusCode, *, faulty: bool) -> None:
    """Ends the span of an RPC with its status; faulty: whoever made the span counts it so."""
    span.set_attribute(names.ATTR_RPC_STATUS, code.name)
    if code is not grpc.StatusCode.OK:
        span.set_attribute(names.ATTR_ERROR_TYPE, code.name)
    if faulty:
        span.set_status(StatusCode.ERROR)
    span.end()
