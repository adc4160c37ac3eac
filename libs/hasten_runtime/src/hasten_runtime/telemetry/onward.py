"""What the calls that are made for a request take along from it.

A sampled request has an active span, from which all but baggage follows. One that is not sampled
has none: only its headers are remembered, so that those who are called next hear the same
decision. That costs a context variable instead of a span.
"""

from contextvars import ContextVar
from typing import Final

from grpc.aio import Metadata
from opentelemetry import trace

from hasten_runtime.protocol_names import TRACEPARENT
from hasten_runtime.telemetry.propagation import as_unsampled, new_unsampled, text_of

STATE_HEADER: Final = "tracestate"
BAGGAGE_HEADER: Final = "baggage"

Pairs = tuple[tuple[str, str], ...]
"""Some of a request's metadata."""


class Unsampled:
    """A request that is not sampled, and what it hands on."""

    __slots__ = ("_beside", "_header", "_headers")

    def __init__(self, header: str, beside: Pairs) -> None:
        """Of what came with it.

        Args:
            header: Its traceparent; "" when it came without.
            beside: Its tracestate and baggage.
        """
        self._header = header
        self._beside = beside
        self._headers: Metadata | None = None

    def headers(self) -> Metadata:
        """For every call that is made for it: all of them hear of one trace. Not to be changed."""
        if self._headers is None:
            header, beside = as_unsampled(self._header), self._beside
            if header is None:  # The state is that of a trace which nobody knows.
                header, beside = new_unsampled(), baggage_of(beside)
            self._headers = Metadata((TRACEPARENT, header), *beside)
        return self._headers


unsampled: Final[ContextVar[Unsampled | None]] = ContextVar("hasten_unsampled", default=None)
"""The request that this task handles, when it is not sampled; None when nothing was decided."""
baggage: Final[ContextVar[Pairs]] = ContextVar("hasten_baggage", default=())
"""The baggage of the sampled request that this task handles."""


def baggage_of(beside: Pairs) -> Pairs:
    """Those that are baggage."""
    return tuple(pair for pair in beside if pair[0] == BAGGAGE_HEADER)


def states_of(beside: Pairs) -> list[str]:
    """The values of those that are tracestate."""
    return [value for key, value in beside if key == STATE_HEADER]


def below(span: trace.SpanContext, *, header: str | None = None) -> Metadata:
    """For a call that is made below this span.

    Args:
        span: Active, sampled or not.
        header: Its traceparent, where it is not to be told as it is.
    """
    headers = Metadata((TRACEPARENT, header or text_of(span)))
    if span.trace_state:
        headers.add(STATE_HEADER, span.trace_state.to_header())
    for key, value in baggage.get():
        headers.add(key, value)
    return headers
