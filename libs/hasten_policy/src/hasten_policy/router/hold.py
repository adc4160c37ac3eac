"""Calls that wait here until a worker grants a credit."""

from typing import TYPE_CHECKING

from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.ordering.orders import ORDERS
from hasten_policy.router.policy import HoldPolicy

if TYPE_CHECKING:
    from hasten_policy.admission.views import AskedView
    from hasten_policy.router.calls import CallRecord

INFINITY = float("inf")


class HoldDesk:
    """The held calls of all models, in order, and the credits that may be for them.

    Args:
        policy: Parameters.

    Attributes:
        views: Those that have held calls, by key.
        count: Held calls.
        bytes: Of their payloads.
        freed: Workers that may have credits for held calls after the present event.
    """

    __slots__ = ("_due_shares", "_place_s", "_policy", "bytes", "count", "freed", "views")

    def __init__(self, policy: HoldPolicy) -> None:
        self._policy = policy
        self._place_s = ORDERS.get(policy.order).place_s
        # As `due_s` with a negative share has it: a class comes forward.
        self._due_shares = [1.0 - bias for bias in policy.order_bias]
        self.views: dict[str, AskedView[CallRecord]] = {}
        self.count = 0
        self.bytes = 0
        self.freed: list[WorkerRecord] = []

    def order_s(self, priority: int, left_s: float, now_s: float) -> float:
        """The place in the queue of a call that arrives now; the least goes first.

        Args:
            priority: Its class.
            left_s: Seconds until its deadline; math.inf for none.
            now_s: Now.
        """
        if left_s == INFINITY:
            left_s = self._policy.no_deadline_order_s
        return self._place_s(now_s, now_s + self._due_shares[priority] * left_s)

    def push(self, call: "CallRecord") -> None:
        """Puts a call into its view's queue."""
        view = call.view
        call.held = True
        view.held.push(call)
        self.views[view.key] = view
        self.count += 1
        self.bytes += call.bytes

    def remove(self, call: "CallRecord") -> None:
        """Takes a call out of its view's queue."""
        view = call.view
        call.held = False
        view.held.remove(call)
        if not view.held:
            self.views.pop(view.key, None)
        self.count -= 1
        self.bytes -= call.bytes

    def frees(self, worker: WorkerRecord) -> None:
        """The worker may have a credit more."""
        if self.views:
            self.freed.append(worker)

    @property
    def full(self) -> bool:
        """No more calls may be held, whatever their size."""
        return self.count >= self._policy.hold_calls_max

    def bound_reached(self, call: "CallRecord") -> str:
        """The bound for which a call cannot be held; empty if there is room."""
        if self.full:
            return f"{self.count} calls"
        # One alone is held whatever its size.
        if self.bytes and self.bytes + call.bytes > self._policy.hold_bytes_max:
            return f"{self.bytes} bytes"
        work_s = call.view.held.cost_s / call.view.lanes
        return f"{work_s:.0f} s of work" if work_s > self._policy.hold_s_max else ""
