"""W3C trace context as text, and what of it is kept while a request is handled.

A sampled request has an active span, from which everything else follows. One that is not
sampled has none: only its header is remembered, so that those who are called next hear the same
decision. That costs a context variable instead of a span.
"""

import re
from contextvars import ContextVar
from random import getrandbits
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context

HEADER: Final = "traceparent"

# Version, trace id, parent id, flags. A later version may append fields after a dash.
_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = int(trace.TraceFlags.SAMPLED)

_unsampled: ContextVar[str | None] = ContextVar("hasten_unsampled", default=None)
"""Header of the request being handled when it is not sampled: "" when it came without one,
None when nothing was decided."""


def is_sampled(header: str) -> bool:
    """The header says that its sender records the request. Cheap; the form is checked later."""
    try:
        return int(header[53:55], 16) & _SAMPLED != 0
    except ValueError:
        return False


def parse(header: str) -> trace.SpanContext | None:
    """The header's span, or None for one that is not well formed (it is then ignored)."""
    match = _FORM.fullmatch(header)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest):
        return None
    span = trace.SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16)),
    )
    return span if span.is_valid else None


def context_from(traceparent: str) -> Context:
    """A context whose current span is the remote one; an empty context when there is none."""
    span = parse(traceparent) if traceparent else None
    if span is None:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(span), Context())


def text_of(span: trace.SpanContext) -> str:
    """The span as a header."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def current_traceparent() -> str:
    """The active span's header for a message that carries its own; "" when not sampled."""
    span = trace.get_current_span().get_span_context()
    return text_of(span) if span.is_valid and span.trace_flags & _SAMPLED else ""


def remember_unsampled(header: str) -> None:
    """The request being handled is not sampled; holds until its task ends."""
    _unsampled.set(header)


def unsampled_header() -> str | None:
    """A header that carries the decision against sampling on; None when there was none."""
    header = _unsampled.get()
    return new_unsampled() if header == "" else header


def new_unsampled() -> str:
    """A header that tells a decision against sampling, with fresh ids."""
    return f"00-{getrandbits(128) or 1:032x}-{getrandbits(64) or 1:016x}-00"
