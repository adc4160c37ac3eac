"""One client request while it is inside the router."""

import asyncio
import math
from typing import TYPE_CHECKING

from hasten_policy.reasons import Refusal

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from hasten_runtime.fleet.port import Reply


class Call:
    """A request from its arrival until its outcome is known.

    A front server makes it, the shell fills in identity and times and sets the outcome once.

    Attributes:
        call_id: Given by the shell at arrival; grows, never re-used.
        model: Model name.
        version: "" for the server's choice.
        payload: The request, exactly as the client sent it.
        time_left_s: Until the client's deadline, at arrival; math.inf for none.
        priority: Class 0 (most urgent) to 3.
        tenant: Who pays; "" for the default tenant.
        affinity: Calls with the same non-empty key stay together.
        rows: First dimension of its first input.
        elements: Of all its inputs together; 0 when not known.
        caller_traceparent: W3C context of the caller's span; "" when it is not sampled.
        traceparent: The one that goes to the worker.
        spans: Of its attempts; None when it is not sampled.
        arrived_s: When the front read it, on the router's clock.
        admitted: The machine took it.
        admitted_s: When the machine had decided on it.
        deadline_s: Effective deadline on the router's clock, known once it was sent.
        first_sent_s: When the first attempt was handed to a link; 0 before.
        sent_s: When the last attempt was handed to a link; 0 before.
        attempts: Attempts sent so far.
        alone: The last one must share no batch.
        refused_before: Calls of its model refused for want of time before the last one was sent.
        reply: What the worker said that ended it; None when the router refused.
        outcome: The answer's bytes or the refusal; None until it has ended.
        ended_s: When that was known; 0 before.
    """

    reserved_s = 0.0
    """What callers wait for has no reservation."""

    __slots__ = (
        "_waiter",
        "admitted",
        "admitted_s",
        "affinity",
        "alone",
        "arrived_s",
        "attempts",
        "call_id",
        "caller_traceparent",
        "deadline_s",
        "elements",
        "ended_s",
        "first_sent_s",
        "model",
        "outcome",
        "payload",
        "priority",
        "refused_before",
        "reply",
        "rows",
        "sent_s",
        "spans",
        "tenant",
        "time_left_s",
        "traceparent",
        "version",
    )

    def __init__(self, model: str, version: str, payload: bytes, *, arrived_s: float) -> None:
        self.call_id = 0
        self.model = model
        self.version = version
        self.payload = payload
        self.time_left_s = math.inf
        self.priority = 1
        self.tenant = ""
        self.affinity = ""
        self.rows = 1
        self.elements = 0
        self.caller_traceparent = ""
        self.traceparent = ""
        self.spans: list[Span] | None = None
        self.arrived_s = arrived_s
        self.admitted = False
        self.admitted_s = arrived_s
        self.deadline_s = math.inf
        self.first_sent_s = 0.0
        self.sent_s = 0.0
        self.ended_s = 0.0
        self.attempts = 0
        self.alone = False
        self.refused_before = 0
        self.reply: Reply | None = None
        self.outcome: bytes | Refusal | None = None
        self._waiter: asyncio.Future[None] | None = None

    def end(self, outcome: bytes | Refusal) -> None:
        """Sets the outcome and wakes whoever waits for it. Called once, by the shell."""
        self.outcome = outcome
        waiter = self._waiter
        # A cancelled waiter means that the client left while its answer was on the way.
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def ended(self) -> bytes | Refusal:
        """Waits for the outcome: the answer's bytes or the refusal."""
        outcome = self.outcome
        if outcome is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            outcome = self.outcome
            assert outcome is not None, "woken without an outcome"  # noqa: S101  (set by end)
        return outcome
