"""The port between the router's shell and its front, where clients come in.

Neither decides anything, so another front needs nothing but these protocols. The port to the
workers is `hasten_runtime.fleet.port`.
"""

from typing import Protocol

from hasten_policy.reasons import Refusal
from hasten_router.calls import Call


class CallDoor(Protocol):
    """Where a front hands in what clients sent."""

    def begin(self, call: Call) -> None:
        """Takes the call; its outcome may be there when this returns."""
        ...

    def refused_early(self, model: str, refusal: Refusal) -> None:
        """What came is no call; it names this model, or "" where that cannot be read."""
        ...

    def abandon(self, call: Call) -> None:
        """The client cancelled or went away; harmless when the call has ended."""
        ...


class FrontServer(Protocol):
    """Where clients come in: turns their requests into calls at a CallDoor."""

    async def start(self) -> str:
        """Begins to listen; returns "host:port" with the real port. Raises OSError."""
        ...

    def set_ready(self, ready: bool) -> None:  # noqa: FBT001  (reads as a sentence)
        """Says whether some worker takes calls."""
        ...

    def announce_leaving(self) -> None:
        """Tells those who ask that they should go elsewhere; calls are still taken."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Takes nothing new, lets what is in flight end for grace_s seconds, then closes."""
        ...
