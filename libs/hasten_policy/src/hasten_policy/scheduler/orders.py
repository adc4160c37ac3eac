"""In which order waiting tasks go: one set of orders, by name.

An order says once, when a task is accepted, where the task stands: `now_factor` times the store's
time plus `offset`, the least first. A place never changes while the task waits, so the store keeps
a lane in order by itself, places of all lanes compare, and every task is overtaken by later ones
only within a bounded time: waiting tasks age without anybody counting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from hasten_policy.named import Named
from hasten_policy.ordering.orders import due_s
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_policy.scheduler.tasks import RESERVED_OFFSET

ARRIVAL_FACTOR: Final = 1e-12
"""Of the time of arrival, where arrival only settles ties: in a year it grows by 0.03 ms, and times
that lie 10 ms apart still differ beside a period of an hour.
"""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What the place of a new task depends on.

    Attributes:
        left_s: Seconds until its deadline; math.inf for none.
        priority: Class 0 (most urgent) to 3.
        period_s: Seconds between two tasks of its kind; 0 for a task without a period.
        reserved_s: The deadline of a turn with a reservation, in seconds after its time; 0 for a
            task without one.
    """

    left_s: float
    priority: int
    period_s: float = 0.0
    reserved_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TaskOrder:
    """One order.

    Attributes:
        place: (now_factor, offset) of a new task.
        strict: Tenants are served in strict proportion to their weights, without a horizon.
    """

    place: Callable[[TaskFacts, OrderPolicy], tuple[float, float]]
    strict: bool = False


def task_place(policy: OrderPolicy, facts: TaskFacts) -> tuple[float, float]:
    """Where a new task stands: (now_factor, offset), for the store."""
    if facts.reserved_s:
        # Whatever the order of the others: the test of the reservation counts on this one.
        return 0.0, RESERVED_OFFSET + facts.reserved_s
    return TASK_ORDERS.get(policy.order).place(facts, policy)


def order_mark(policy: OrderPolicy) -> str:
    """Tells an order, with its parameters, from all others."""
    biases, without = policy.order_bias, policy.no_deadline_order_s
    return f"{policy.order} {biases} {without} {policy.ageing_s}"


def _slack_s(facts: TaskFacts, policy: OrderPolicy) -> float:
    if facts.left_s == inf:
        return policy.no_deadline_order_s[facts.priority]
    return max(0.0, facts.left_s)


def _edf(facts: TaskFacts, policy: OrderPolicy) -> tuple[float, float]:
    slack_s = _slack_s(facts, policy)
    return 1.0, due_s(slack_s, -policy.order_bias[facts.priority], now_s=0.0)


def _rate_monotonic(facts: TaskFacts, policy: OrderPolicy) -> tuple[float, float]:
    return ARRIVAL_FACTOR, facts.period_s or _slack_s(facts, policy)


def _fifo(facts: TaskFacts, policy: OrderPolicy) -> tuple[float, float]:
    del facts, policy
    return 1.0, 0.0


def _priority(facts: TaskFacts, policy: OrderPolicy) -> tuple[float, float]:
    return 1.0, facts.priority * policy.ageing_s


TASK_ORDERS: Final[Named[TaskOrder]] = Named(
    "order",
    {
        "edf": (TaskOrder(_edf), "earliest deadline first, the more urgent class sooner"),
        "rate_monotonic": (
            TaskOrder(_rate_monotonic),
            "shortest period first (Liu and Layland, 1973), else shortest time left on arrival",
        ),
        "fifo": (TaskOrder(_fifo), "first come, first served"),
        "priority": (
            TaskOrder(_priority),
            "most urgent class first; a class makes up for `ageing_s` of waiting",
        ),
        "weighted_fair": (
            TaskOrder(_fifo, strict=True),
            "tenants in strict proportion to their weights, first come first served in each",
        ),
    },
)
"""Orders of tasks by name, the shipped one first."""
