"""In which order held calls get the credits of workers.

A held call is sorted by `now_factor * arrival + slack_factor * (slack less its class's share)`, so
that an order costs a decision nothing: earliest deadline is (1, 1), arrival (1, 0), the latest
arrival (-1, 0).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hasten_policy.named import Named
from hasten_policy.ordering.hold_queue import AdaptiveLifoQueue, HoldQueue

if TYPE_CHECKING:
    from collections.abc import Callable

LIFO_ABOVE: Final = 64
"""Held calls of a model from which adaptive LIFO turns round: two full batches of 32. The switch
of HHVM's ServerThreadJobLIFOSwitchThreshold, which is likewise a count.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """One order.

    Attributes:
        now_factor: Of the time of arrival.
        slack_factor: Of the slack.
        queue: Makes an empty queue.
    """

    now_factor: float
    slack_factor: float
    queue: "Callable[[], HoldQueue[Any]]"


def _adaptive() -> HoldQueue[Any]:
    return AdaptiveLifoQueue(LIFO_ABOVE)


ORDERS: Final[Named[Order]] = Named(
    "order",
    {
        "edf": (Order(1.0, 1.0, HoldQueue), "earliest deadline first, put forward by priority"),
        "fifo": (Order(1.0, 0.0, HoldQueue), "first come, first served"),
        "lifo": (Order(-1.0, 0.0, HoldQueue), "last come, first served"),
        "adaptive_lifo": (
            Order(1.0, 0.0, _adaptive),
            "first come, first served; the other way round while many wait",
        ),
    },
)
"""Orders by name."""
