"""Every parameter of an autoscaler, with unit and default."""

from dataclasses import dataclass, field
from typing import Final

from hasten_policy.groups import UNNAMED, refuse_negative
from hasten_policy.scaling.limits import LimitPolicy
from hasten_policy.scaling.rules.hasten import HastenScaling
from hasten_policy.scaling.rules.peers import HpaScaling, KpaScaling, QueueScaling, RayScaling
from hasten_policy.scaling.rules.simple import (
    BandScaling,
    StaticScaling,
    ThresholdScaling,
    UseScaling,
)
from hasten_policy.scaling.rules.table import SCALING_RULES

ACT: Final = "act"
ADVISE: Final = "advise"
HOLD: Final = "hold"
MODES: Final = (ADVISE, ACT, HOLD)
"""What a machine may do; see ModeSet."""

PERIOD_S_MIN: Final = 0.1
"""With periods of no length a machine would do nothing but tick."""


@dataclass(frozen=True, slots=True)
class AutoscalerPolicy:
    """Parameters of an AutoscalerMachine. A value out of range is refused when it is built.

    Attributes:
        rule: The rule says how many workers there should be: a name of `SCALING_RULES`.
        period_s: The machine decides every so many seconds.
        watch_s: A rule that is alarmed by a sudden rise decides at once, at most every so many
            seconds.
        stale_s: Metrics that are older than so many seconds say nothing.
        lead_s: A worker is taken to be ready after so many seconds until starts were measured.
        lead_quantile: Of the measured starts, this share is as quick as a start is taken to be.
        overdue_factor: A worker that is not ready after so many times that is given up.
        overdue_s_min: No worker is given up sooner than after so many seconds.
        starting_max: At most so many workers start at once.
        start_again_s: After a refusal to start a worker the next try comes so many seconds later.
        preemptible_share_max: Of all workers at most this share comes from preemptible pools, while
            there are others.
        no_scale_in_s: No worker leaves for so many seconds after the machine began.
        limits: How fast and how often the number changes.
        hasten: Parameters of the rule `hasten`, and so on for each rule.
        hpa: See hasten.
        kpa: See hasten.
        ray: See hasten.
        queue_length: See hasten.
        thresholds: See hasten.
        bands: See hasten.
        static: See hasten.
        reactive: See hasten.
        predictive: See hasten.
        hybrid: See hasten.
    """

    rule: str = "hasten"
    period_s: float = 10.0
    watch_s: float = 2.5
    stale_s: float = 30.0
    lead_s: float = 60.0
    lead_quantile: float = 0.9
    overdue_factor: float = 4.0
    overdue_s_min: float = 60.0
    starting_max: int = 32
    start_again_s: float = 30.0
    preemptible_share_max: float = 0.5
    no_scale_in_s: float = 300.0
    limits: LimitPolicy = field(default_factory=LimitPolicy, metadata=UNNAMED)
    hasten: HastenScaling = field(default_factory=HastenScaling)
    hpa: HpaScaling = field(default_factory=HpaScaling)
    kpa: KpaScaling = field(default_factory=KpaScaling)
    ray: RayScaling = field(default_factory=RayScaling)
    queue_length: QueueScaling = field(default_factory=QueueScaling)
    thresholds: ThresholdScaling = field(default_factory=ThresholdScaling)
    bands: BandScaling = field(default_factory=BandScaling)
    static: StaticScaling = field(default_factory=StaticScaling)
    reactive: UseScaling = field(default_factory=UseScaling)
    predictive: UseScaling = field(default_factory=UseScaling)
    hybrid: UseScaling = field(default_factory=UseScaling)

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        SCALING_RULES.get(self.rule)
        if self.period_s < PERIOD_S_MIN:
            raise ValueError(f"period_s must be at least {PERIOD_S_MIN}")
        if not 0 < self.lead_quantile <= 1:
            raise ValueError("lead_quantile must lie in (0, 1]")
        if self.preemptible_share_max > 1:
            raise ValueError("preemptible_share_max must lie in [0, 1]")
        if self.starting_max < 1 or self.overdue_factor < 1:
            raise ValueError("starting_max and overdue_factor must be at least 1")
