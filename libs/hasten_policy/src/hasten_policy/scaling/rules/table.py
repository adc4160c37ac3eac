"""The table of scaling rules."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hasten_policy.named import Named
from hasten_policy.scaling.rules.hasten import Hasten, HastenScaling
from hasten_policy.scaling.rules.peers import (
    Hpa,
    HpaScaling,
    Kpa,
    KpaScaling,
    QueueLength,
    QueueScaling,
    Ray,
    RayScaling,
)
from hasten_policy.scaling.rules.simple import (
    Bands,
    BandScaling,
    Hybrid,
    Predictive,
    Reactive,
    Static,
    StaticScaling,
    Thresholds,
    ThresholdScaling,
    UseScaling,
)
from hasten_policy.scaling.sight import Rule


@dataclass(frozen=True, slots=True)
class RuleKind:
    """One rule.

    Attributes:
        policy: Class of its parameters; each has a default.
        make: A new rule that has seen nothing.
    """

    policy: type[Any]
    make: Callable[[Any], Rule]


SCALING_RULES: Final[Named[RuleKind]] = Named(
    "rule",
    {
        "hasten": (
            RuleKind(HastenScaling, Hasten),
            "growth over the measured lead, forecast, Erlang C with batching, panic, pressure",
        ),
        "hpa": (RuleKind(HpaScaling, Hpa), "Kubernetes' horizontal pod autoscaler, on use"),
        "kpa": (RuleKind(KpaScaling, Kpa), "Knative's pod autoscaler, on demand"),
        "ray": (RuleKind(RayScaling, Ray), "Ray Serve's policy, on ongoing calls"),
        "queue_length": (
            RuleKind(QueueScaling, QueueLength),
            "calls, running and waiting, over a target, as a KEDA queue scaler",
        ),
        "thresholds": (
            RuleKind(ThresholdScaling, Thresholds),
            "one more above 80 % CPU or memory, one less below: as the textbook has it",
        ),
        "bands": (
            RuleKind(BandScaling, Bands),
            "demand above 80 % of the workers adds one, below 20 % removes one",
        ),
        "static": (RuleKind(StaticScaling, Static), "a fixed number"),
        "reactive": (RuleKind(UseScaling, Reactive), "demand of the last minute over a target"),
        "predictive": (RuleKind(UseScaling, Predictive), "the forecast over a target"),
        "hybrid": (RuleKind(UseScaling, Hybrid), "the larger of reactive and predictive"),
    },
)
"""Name to rule; the shipped one first."""
