"""In which order calls stand in line."""

from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from hasten_policy.named import Named
from hasten_policy.priorities import LOWEST

if TYPE_CHECKING:
    from hasten_policy.batching.policy import BatchingPolicy


def order_s(
    deadline_s: float,
    priority: int,
    *,
    median_slack_s: float,
    now_s: float,
    policy: "BatchingPolicy",
) -> float:
    """Effective deadline: earliest first, across all classes.

    A class stands back by its share of the slack: the call's own or the model's usual one,
    whichever is less. So class 0 is served by deadline alone; within a class calls of usual
    slack keep their order by deadline; a less urgent call passes a more urgent one only when
    it is due so much sooner that half of its slack cannot make up for it; and since the bias
    is fixed on arrival, every call is overtaken by a bounded number of later ones (it ages).

    Args:
        deadline_s: Absolute; math.inf for none, which is taken as `no_deadline_age_s` away.
        priority: Class 0 to 3.
        median_slack_s: The model's usual slack; math.inf when unknown.
        now_s: Time of arrival.
        policy: Parameters.
    """
    if deadline_s == inf:
        deadline_s = now_s + policy.no_deadline_age_s
    share = policy.priority_bias_fraction * priority / LOWEST
    return deadline_s + share * max(0.0, min(deadline_s - now_s, median_slack_s))


def arrival_s(
    deadline_s: float,
    priority: int,
    *,
    median_slack_s: float,
    now_s: float,
    policy: "BatchingPolicy",
) -> float:
    """The time of arrival, in place of `order_s`: first come, first served."""
    del deadline_s, priority, median_slack_s, policy
    return now_s


class OrderRule(Protocol):
    """Gives a call its place; see `order_s` for the arguments."""

    def __call__(  # noqa: D102  (as the class says)
        self,
        deadline_s: float,
        priority: int,
        *,
        median_slack_s: float,
        now_s: float,
        policy: "BatchingPolicy",
    ) -> float: ...


ORDERS: Final[Named[OrderRule]] = Named(
    "order",
    {
        "edf": (order_s, "earliest deadline first, put back by class"),
        "fifo": (arrival_s, "first come, first served"),
    },
)
"""Orders of a worker's queues by name."""
