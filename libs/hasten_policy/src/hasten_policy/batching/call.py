"""A call that the worker has accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hasten_policy.batching.edf_queue import EdfQueue
    from hasten_policy.batching.model_state import ModelState


@dataclass(slots=True, eq=False)
class Call:
    """One accepted call, from arrival to its end.

    Attributes:
        call_id: Unique; the last word in every order.
        link_id: Stream it came over.
        model: What it asks for.
        rows: Rows it brings.
        shape_key: Calls batch together only if equal.
        deadline_s: Absolute; math.inf for none.
        slack_s: Seconds it had on arrival; math.inf for none.
        arrived_s: When it was accepted.
        order_s: Place in the queue: the deadline, biased by class (see `order`).
        latest_start_s: Last moment at which it could start, as seen when it was accepted.
        payload_bytes: Bytes held for it.
        queue: Where it waits; None while it runs.
        batch_id: Batch it runs in; 0 while it waits.
        solo: Its batch failed before: it runs alone, and only once more.
    """

    call_id: int
    link_id: int
    model: ModelState
    rows: int
    shape_key: int
    deadline_s: float
    slack_s: float
    arrived_s: float
    order_s: float
    latest_start_s: float
    payload_bytes: int
    queue: EdfQueue | None = field(default=None)
    batch_id: int = 0
    solo: bool = False
