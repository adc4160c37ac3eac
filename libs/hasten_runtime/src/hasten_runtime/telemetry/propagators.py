"""Which headers hand a request's context on, by the standard variable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from hasten_runtime.protocol_names import TRACEPARENT
from hasten_runtime.telemetry.onward import BAGGAGE_HEADER, STATE_HEADER

PROPAGATORS: Final = "OTEL_PROPAGATORS"
DEFAULT: Final = "tracecontext,baggage"
_HEADERS: Final = {
    "tracecontext": frozenset({TRACEPARENT, STATE_HEADER}),
    "baggage": frozenset({BAGGAGE_HEADER}),
    "none": frozenset[str](),
}
_ALL: Final = _HEADERS["tracecontext"] | _HEADERS["baggage"]


@dataclass(frozen=True, slots=True)
class Propagators:
    """The headers that are read from requests, and written to calls made for them.

    Attributes:
        headers: Of traceparent, tracestate and baggage.
    """

    headers: frozenset[str] = _ALL

    @property
    def all(self) -> bool:
        """None of the headers is left out."""
        return self.headers == _ALL

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """By OTEL_PROPAGATORS; trace context and baggage when it is unset.

        Raises:
            ValueError: A propagator that is not offered, with a sentence.
        """
        chosen = environ.get(PROPAGATORS, "").strip().lower() or DEFAULT
        names = [name.strip() for name in chosen.split(",")]
        for name in names:
            if name not in _HEADERS:
                raise ValueError(
                    f"{PROPAGATORS} has {name!r}: expected tracecontext, baggage or none"
                )
        return cls(frozenset().union(*(_HEADERS[name] for name in names)))
