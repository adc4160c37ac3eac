"""In which order waiting calls go: one set of orders for the held calls of a router and the waiting
calls of a worker.

A call goes the sooner the less its place is. A place is `arrival_factor` times the time of arrival
plus `due_factor` times the time when the call is due, so that an order costs a decision nothing:
earliest deadline is (0, 1), arrival (1, 0), the latest arrival (-1, 0). When a call is due depends
on its class: a share of its slack makes the call due later, a negative share sooner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from hasten_policy.named import Named
from hasten_policy.ordering.hold_queue import AdaptiveLifoQueue, HoldQueue

LIFO_ABOVE: Final = 64
"""Held calls of a model from which adaptive LIFO turns round: two full batches of 32. The switch
of HHVM's ServerThreadJobLIFOSwitchThreshold, which is likewise a count.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """One order.

    Attributes:
        arrival_factor: Of the time of arrival.
        due_factor: Of the time when the call is due.
        queue: Makes an empty queue of held calls.
    """

    arrival_factor: float
    due_factor: float
    queue: Callable[[], HoldQueue[Any]] = HoldQueue

    def place_s(self, arrived_s: float, due_s: float) -> float:
        """The place of a call. Both times are absolute, and finite."""
        return self.arrival_factor * arrived_s + self.due_factor * due_s


def due_s(deadline_s: float, share: float, *, now_s: float, usual_slack_s: float = inf) -> float:
    """When a call is due, as its class has it.

    A class changes the deadline by a share of the slack: the call's own or the usual one, whichever
    is less. So calls of one class and of usual slack keep their order by deadline; a less urgent
    call passes a more urgent one only when it is due so much sooner that the shares cannot make up
    for it; and since the share is fixed on arrival, every call is overtaken by a bounded number of
    later ones (it ages).

    Args:
        deadline_s: Absolute; finite.
        share: Of the slack, between -0.5 and 0.5. Positive: the class stands back.
        now_s: Time of arrival.
        usual_slack_s: Slack of most calls; math.inf when unknown.
    """
    return deadline_s + share * max(0.0, min(deadline_s - now_s, usual_slack_s))


ORDERS: Final[Named[Order]] = Named(
    "order",
    {
        "edf": (Order(0.0, 1.0), "earliest deadline first, the more urgent class sooner"),
        "fifo": (Order(1.0, 0.0), "first come, first served"),
        "lifo": (Order(-1.0, 0.0), "last come, first served"),
        "adaptive_lifo": (
            Order(1.0, 0.0, lambda: AdaptiveLifoQueue(LIFO_ABOVE)),
            "first come, first served; the other way round while many wait",
        ),
    },
)
"""Orders by name."""
BATCH_ORDERS: Final = ORDERS.only("edf", "fifo")
"""Those in which batches can be formed: what goes first now must not change while calls wait, and
the newest call alone makes a poor batch.
"""
