"""The port between the router and whatever moves its bytes.

Two kinds of transport meet here: the front, where clients come in, over gRPC, and a link to each
worker, of frames over TCP. Neither decides anything, so another transport needs nothing but these
protocols.
"""

from collections.abc import Iterable
from typing import Protocol

from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.reasons import Refusal
from hasten_router.calls import Call, Reply


class WorkerLink(Protocol):
    """The way to one worker, over which many calls are in flight at once."""

    worker_id: str
    address: str

    def send(self, call: Call, deadline_s: float) -> None:
        """Sends the call, soon, with what is then left until deadline_s. Never blocks."""
        ...

    def revoke(self, call_id: int) -> None:
        """Tells the worker, soon, that nobody waits for this call. Never blocks."""
        ...


class LinkListener(Protocol):
    """What links tell. All methods are called on the event loop and return at once."""

    def joined(self, link: WorkerLink) -> None:
        """The link is open and can take calls."""
        ...

    def replied(self, worker_id: str, replies: Iterable[Reply]) -> None:
        """Attempts ended there."""
        ...

    def reported(self, worker_id: str, report: WorkerReport) -> None:
        """The worker told its whole state."""
        ...

    def told(self, worker_id: str, load: LoadSample) -> None:
        """The worker told its load alone."""
        ...

    def quiesced(self, worker_id: str) -> None:
        """The worker should get no new calls."""
        ...

    def lost(self, worker_id: str, cause: str) -> None:
        """The link broke or was closed; what it had not answered will not be answered."""
        ...


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
