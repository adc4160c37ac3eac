"""The router's memory of one call."""

from typing import TYPE_CHECKING

from hasten_policy.router.events import CallArrived

if TYPE_CHECKING:
    from hasten_policy.admission.views import AskedView
    from hasten_policy.content import Content
    from hasten_policy.fleet.workers import ModelEntry


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

    __slots__ = (
        "affinity",
        "alone",
        "arrived_s",
        "attempts",
        "been",
        "bytes",
        "call_id",
        "content",
        "cost_s",
        "deadline_s",
        "deaths",
        "elements",
        "ended",
        "first",
        "held",
        "idempotent",
        "met_idle",
        "on_trial",
        "order_s",
        "priority",
        "probe",
        "rows",
        "second",
        "sent_s",
        "tenant",
        "view",
    )

    def __init__(
        self, event: CallArrived, view: "AskedView[CallRecord]", now_s: float, deadline_s: float
    ) -> None:
        self.call_id = event.call_id
        self.view = view
        self.arrived_s = now_s
        self.deadline_s = deadline_s
        self.order_s = deadline_s
        self.cost_s = 0.0
        self.priority = event.priority
        self.tenant = event.tenant
        self.bytes = event.payload_bytes
        self.idempotent = event.idempotent
        self.affinity = event.affinity
        self.first: ModelEntry | None = None
        self.second: ModelEntry | None = None
        self.attempts = 0
        self.been: frozenset[str] = frozenset()
        self.sent_s = now_s
        self.held = False
        self.ended = False
        self.probe = False
        self.met_idle = False
        self.rows = event.rows
        self.elements = event.elements
        self.content: Content | None = event.content
        self.deaths = 0
        self.alone = False
        self.on_trial = False

    def precedes(self, other: "CallRecord") -> bool:
        """It goes first out of the hold queue."""
        return (self.order_s, self.call_id) < (other.order_s, other.call_id)
