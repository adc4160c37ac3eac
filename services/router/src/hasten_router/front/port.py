"""The port between the router's shell and its front, where clients come in.

Neither decides anything, so another front needs nothing but these protocols. The port to the
workers is `hasten_runtime.fleet.port`.
"""

from dataclasses import dataclass
from typing import Protocol

from hasten_policy.reasons import Refusal
from hasten_policy.router.events import BarLifted, BarSet
from hasten_router.calls import Call


@dataclass(frozen=True, slots=True)
class Barred:
    """Calls that a front refused by itself, because the machine had said that it may.

    Attributes:
        model: What they asked for.
        version: The same.
        priority: Their class.
        refusal: What they heard.
        calls: How many.
    """

    model: str
    version: str
    priority: int
    refusal: Refusal
    calls: int


class BarKeeper(Protocol):
    """A front that refuses by itself what the machine would refuse anyhow."""

    def set_bar(self, bar: BarSet) -> None:
        """It may do so for a moment."""
        ...

    def lift_bar(self, lifted: BarLifted) -> None:
        """It may not any more."""
        ...


class CallDoor(Protocol):
    """Where a front hands in what clients sent."""

    def begin(self, call: Call) -> None:
        """Takes the call; its outcome may be there when this returns."""
        ...

    def refused_early(self, model: str, refusal: Refusal) -> None:
        """What came is no call; it names this model, or "" where that cannot be read."""
        ...

    def tell_bars(self, keeper: BarKeeper) -> None:
        """From now on this front hears what it may refuse by itself."""
        ...

    def barred(self, barred: Barred) -> None:
        """It did so."""
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
