"""The router's memory of one call."""

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING

from hasten_policy.router.events import CallArrived

if TYPE_CHECKING:
    from hasten_policy.admission.views import AskedView
    from hasten_policy.content import Content
    from hasten_policy.fleet.workers import ModelEntry


@dataclass(slots=True, eq=False)
class CallRecord:
    """One call between its arrival and its end.

    Attributes:
        call_id: As given by the shell.
        view: What it asked for.
        deadline_s: Absolute; math.inf for none.
        order_s: Deadline put forward by priority; orders the hold queue.
        cost_s: Predicted busy seconds, as charged.
        first: Its attempt; None while held.
        second: A hedge that runs beside it.
        attempts: Attempts begun.
        been: Workers it was sent to; none gets it twice, so that a late answer of an earlier
            attempt is never taken for that of a later one.
        sent_s: When its attempt was sent; a hedge does not change it.
        held: It waits in its view's hold queue.
        ended: It was delivered, refused or abandoned.
        probe: It was let through although it was predicted to be late, as its worker was idle.
        met_idle: Its worker was idle when its newest attempt was sent.
        rows: First dimension of its first input.
        elements: Of all its inputs together; 0 when not known.
        content: Of its request, if that was looked at.
        deaths: Times that a worker died while it ran.
        alone: It, or one with the same input, ran when a worker died: see `router.suspects`.
        on_trial: Its attempt is such a one.
    """

    event: InitVar[CallArrived]
    view: "AskedView[CallRecord]"
    arrived_s: float
    deadline_s: float
    call_id: int = field(init=False)
    order_s: float = field(init=False)
    cost_s: float = field(init=False, default=0.0)
    priority: int = field(init=False)
    tenant: str = field(init=False)
    bytes: int = field(init=False)
    idempotent: bool = field(init=False)
    affinity: str = field(init=False)
    first: "ModelEntry | None" = field(init=False, default=None)
    second: "ModelEntry | None" = field(init=False, default=None)
    attempts: int = field(init=False, default=0)
    been: frozenset[str] = field(init=False, default=frozenset())
    sent_s: float = field(init=False)
    held: bool = field(init=False, default=False)
    ended: bool = field(init=False, default=False)
    probe: bool = field(init=False, default=False)
    met_idle: bool = field(init=False, default=False)
    rows: int = field(init=False)
    elements: int = field(init=False)
    content: "Content | None" = field(init=False)
    deaths: int = field(init=False, default=0)
    alone: bool = field(init=False, default=False)
    on_trial: bool = field(init=False, default=False)

    def __post_init__(self, event: CallArrived) -> None:
        """What the event says."""
        self.call_id = event.call_id
        self.order_s = self.deadline_s
        self.priority = event.priority
        self.tenant = event.tenant
        self.bytes = event.payload_bytes
        self.idempotent = event.idempotent
        self.affinity = event.affinity
        self.sent_s = self.arrived_s
        self.rows = event.rows
        self.elements = event.elements
        self.content = event.content

    def precedes(self, other: "CallRecord") -> bool:
        """It goes first out of the hold queue."""
        return (self.order_s, self.call_id) < (other.order_s, other.call_id)
