"""Kinds of admission by name."""

from collections.abc import Callable
from typing import Final

from hasten_policy.admission.codel import CoDel
from hasten_policy.admission.dagor import Dagor
from hasten_policy.admission.gate import FixedLimit, Gate, Surroundings
from hasten_policy.admission.gradient import Gradient2
from hasten_policy.admission.plan import Plan
from hasten_policy.named import Named


def _fixed_limit(around: Surroundings) -> Gate:
    return FixedLimit(around.policy.fixed_limit_factor)


GATES: Final[Named[Callable[[Surroundings], Gate]]] = Named(
    "admission",
    {
        "plan": (
            Plan,
            "predicted finish <= theta x slack, theta steered to the promised share of misses",
        ),
        "open": (lambda _: Gate(), "admits all, within the bounds of the queue"),
        "fixed_limit": (_fixed_limit, "at most 1.5 full batches a lane in flight"),
        "gradient2": (lambda _: Gradient2(), "a limit that follows latency (Netflix)"),
        "codel": (lambda _: CoDel(), "drops by standing delay, 5 ms in 100 ms (folly)"),
        "dagor": (lambda _: Dagor(), "cuts by class and user when waits exceed 20 ms (WeChat)"),
    },
)
"""Gates by name, the shipped one first."""
