"""Kinds of admission by name."""

from collections.abc import Callable
from typing import Final

from hasten_policy.admission.codel import CoDel
from hasten_policy.admission.dagor import Dagor
from hasten_policy.admission.gate import FixedLimit, Gate
from hasten_policy.admission.gradient import Gradient2
from hasten_policy.admission.policy import AdmissionPolicy
from hasten_policy.named import Named


def _fixed_limit(policy: AdmissionPolicy) -> Gate:
    return FixedLimit(policy.fixed_limit_factor)


GATES: Final[Named[Callable[[AdmissionPolicy], Gate | None]]] = Named(
    "admission",
    {
        "plan": (
            lambda _: None,
            "predicted finish <= theta x slack, theta steered to the promised share of misses",
        ),
        "open": (lambda _: Gate(), "admits all, within the bounds of the queue"),
        "fixed_limit": (_fixed_limit, "at most 1.5 full batches a lane in flight"),
        "gradient2": (lambda _: Gradient2(), "a limit that follows latency (Netflix)"),
        "codel": (lambda _: CoDel(), "drops by standing delay, 5 ms in 100 ms (folly)"),
        "dagor": (lambda _: Dagor(), "cuts by class and user when waits exceed 20 ms (WeChat)"),
    },
)
"""Gates by name; None stands for the plan, which the router's admission knows by itself."""
