"""One run of a task at a worker, as the shell keeps it."""

from typing import TYPE_CHECKING

from hasten_policy.priorities import LOWEST
from hasten_policy.scheduler.tasks import Lane

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Attempt:
    """An attempt from its claim until its settlement. Implements Sendable.

    Attributes:
        call_id: Its number, given by the machine; grows, never re-used.
        shard: Of its task.
        lane: Of its task.
        task_id: Its task.
        attempt_id: Names it in the store.
        priority: Its class at the worker.
        reserved_s: Its rank there; 0 without a reservation.
        payload: The request.
        rows: First dimension of its first input.
        submitted_traceparent: Of the span that submitted the task; "" when that was not sampled.
        traceparent: What the worker continues; "" when it is not sampled.
        number: Times that the task was given to a worker, this one included.
        alone: It must share no batch.
        span: Its own; None when it is not sampled.
        claimed_s: When it was claimed.
        deadline_s: When the worker must be done; set when it is sent.
        due_s: The task's deadline; math.inf for none.
        age_s: Of its task when it was claimed.
    """

    refused_before = 0
    """Of tasks none is refused for want of time."""

    __slots__ = (
        "age_s",
        "alone",
        "attempt_id",
        "call_id",
        "claimed_s",
        "due_s",
        "lane",
        "number",
        "payload",
        "priority",
        "reserved_s",
        "rows",
        "shard",
        "span",
        "submitted_traceparent",
        "task_id",
        "traceparent",
    )

    def __init__(self, call_id: int, shard: int, lane: Lane, task_id: str, attempt_id: str) -> None:
        self.call_id = call_id
        self.shard = shard
        self.lane = lane
        self.task_id = task_id
        self.attempt_id = attempt_id
        # At a worker a task stands behind what somebody waits for, unless it has a reservation.
        self.priority = LOWEST
        self.reserved_s = 0.0
        self.payload = b""
        self.rows = 1
        self.submitted_traceparent = ""
        self.traceparent = ""
        self.number = 1
        self.alone = False
        self.span: Span | None = None
        self.claimed_s = 0.0
        self.due_s = 0.0
        self.age_s = 0.0

    @property
    def tenant(self) -> str:
        """Who pays."""
        return self.lane.tenant
