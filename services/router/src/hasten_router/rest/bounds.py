"""Bounds of clients that speak HTTP."""

from dataclasses import dataclass

from hasten_runtime.message_limit import MessageLimit


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a client may be.

    Attributes:
        patience_s: Seconds in which a client that sends or takes nothing is waited for, ...
        rate_bytes_min: ... and one more for each so many bytes that it has sent or taken.
    """

    patience_s: float
    rate_bytes_min: int

    def time_s(self, size_bytes: int) -> float:
        """Seconds that so many bytes may take."""
        return self.patience_s + size_bytes / self.rate_bytes_min


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of connections.

    Attributes:
        connections_max: Open at once; further ones are turned away.
        head_s: A request's head must have come so many seconds after its first byte.
        idle_s: A connection without a request is closed after so many seconds.
        pace: How slow a client may take its answers.
    """

    connections_max: int
    head_s: float
    idle_s: float
    pace: Pace


@dataclass(frozen=True, slots=True)
class RestLimits:
    """Bounds of the HTTP front.

    Attributes:
        bounds: Of connections.
        body: The largest.
        json_bytes_max: Of JSON in a request, and of outputs that become JSON.
        held_bytes_max: Of all bodies together.
    """

    bounds: Bounds
    body: MessageLimit
    json_bytes_max: int
    held_bytes_max: int
