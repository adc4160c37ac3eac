"""W3C trace context as text."""

import re
from collections.abc import Sequence
from random import getrandbits
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context

# Version, trace id, parent id, flags. No version is ff and no id zero; a version later than 00
# may append fields after a dash.
_FORM: Final = re.compile(
    r"(?!ff|00.{53}.)[0-9a-f]{2}-(?!0+-)([0-9a-f]{32})-(?!0+-)([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
LOT: Final = 64
"""Headers that are made at once."""
_fresh: Final[list[str]] = []
_SAMPLED: Final = int(trace.TraceFlags.SAMPLED)
_SAMPLED_DIGITS: Final = frozenset("13579bdf")
"""Last digits of flags that have it."""


def is_sampled(header: str) -> bool:
    """The header says that its sender records the request. Cheap; the form is checked later."""
    return header[54:55] in _SAMPLED_DIGITS


def parse(header: str, states: Sequence[str] = ()) -> trace.SpanContext | None:
    """The header's span, or None for one that is not well formed (it is then ignored).

    Args:
        header: The traceparent.
        states: The tracestate headers that came beside it.
    """
    match = _FORM.fullmatch(header)
    if match is None:
        return None
    trace_id, span_id, flags = match.groups()
    return trace.SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16)),
        trace_state=trace.TraceState.from_header(list(states)) if states else None,
    )


def context_from(traceparent: str, states: Sequence[str] = ()) -> Context:
    """A context whose current span is the remote one; an empty context when there is none."""
    span = parse(traceparent, states) if traceparent else None
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


def new_unsampled() -> str:
    """A header that tells a decision against sampling, with fresh ids."""
    try:
        return _fresh.pop()
    except IndexError:  # By the lot: one made between other work costs 2 µs more.
        _fresh.extend(
            f"00-{getrandbits(128) or 1:032x}-{getrandbits(64) or 1:016x}-00" for _ in range(LOT)
        )
        return new_unsampled()


def as_unsampled(header: str) -> str | None:
    """The same span, told as not sampled; None for a header that is not well formed."""
    return None if _FORM.fullmatch(header) is None else f"00{header[2:53]}00"
