"""The port between whoever sends calls to workers and the links that carry them.

A sender (the router today) hands its calls to a WorkerLink and hears of what comes back through a
LinkListener. Neither side knows more of the other, so another transport, or another sender, needs
nothing but these protocols.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.reasons import Refusal

if TYPE_CHECKING:
    from hasten.common.v1.timing_pb2 import Timing


class Sendable(Protocol):
    """What a link must know of a call to send it. The sender's own class has more."""

    @property
    def call_id(self) -> int:
        """Names the call on this sender's links; never re-used."""
        ...

    @property
    def payload(self) -> bytes:
        """The request, serialised."""
        ...

    @property
    def priority(self) -> int:
        """Class 0 (most urgent) to 3."""
        ...

    @property
    def tenant(self) -> str:
        """Who pays; "" for the default tenant."""
        ...

    @property
    def traceparent(self) -> str:
        """W3C context that the worker continues; "" when the call is not sampled."""
        ...

    @property
    def alone(self) -> bool:
        """It must share no batch."""
        ...

    @property
    def reserved_s(self) -> float:
        """Its rank among calls with a reservation, seconds from its time to its deadline; 0 for a
        call without one.
        """
        ...

    @property
    def refused_before(self) -> int:
        """Calls of its model refused for want of time since one of them was sent."""
        ...


class Reply:
    """The end of one attempt, as a worker told it.

    Attributes:
        call_id: The call.
        payload: The serialised answer; empty when `refusal` is set.
        refusal: Why there is no answer; None when there is one.
        load: The worker's load after this reply.
        service_s: Busy seconds of the worker charged to the call.
        server_s: Seconds between receipt and reply, by the worker's clock.
        round_trip_s: Seconds between sending and reply, by ours.
        timing: The worker's part of the breakdown; None when it sent none.
    """

    __slots__ = (
        "call_id",
        "load",
        "payload",
        "refusal",
        "round_trip_s",
        "server_s",
        "service_s",
        "timing",
    )

    def __init__(self, call_id: int, payload: bytes = b"", refusal: Refusal | None = None) -> None:
        self.call_id = call_id
        self.payload = payload
        self.refusal = refusal
        self.load: LoadSample | None = None
        self.service_s = 0.0
        self.server_s = 0.0
        self.round_trip_s = 0.0
        self.timing: Timing | None = None


class WorkerLink(Protocol):
    """The way to one worker, over which many calls are in flight at once.

    Attributes:
        worker_id: The worker's name.
        address: "host:port" of its gRPC server.
        weight: Its share of calls beside other workers, as discovery says; 1 is normal.
    """

    worker_id: str
    address: str
    weight: float

    def send(self, call: Sendable, deadline_s: float) -> None:
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

    def weighed(self, worker_id: str, weight: float) -> None:
        """Discovery gave a worker whose link is open another weight."""
        ...

    def replied(self, worker_id: str, replies: Iterable[Reply]) -> None:
        """Attempts ended there."""
        ...

    def reported(self, worker_id: str, report: WorkerReport) -> None:
        """The worker told its whole state."""
        ...

    def load_told(self, worker_id: str, load: LoadSample) -> None:
        """The worker told its load alone."""
        ...

    def quiesced(self, worker_id: str) -> None:
        """The worker should get no new calls."""
        ...

    def lost(self, worker_id: str, cause: str, ran: Sequence[int] = ()) -> None:
        """The link broke or was closed; what it had not answered will not be answered.

        Args:
            worker_id: The worker.
            cause: For people.
            ran: Calls that ran when its process died; empty if only the link ended.
        """
        ...
