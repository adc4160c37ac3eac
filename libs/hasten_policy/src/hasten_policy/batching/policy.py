"""Parameters of batch formation."""

from dataclasses import dataclass
from math import isfinite

from hasten_policy.batching.rules import RULES
from hasten_policy.ordering.orders import BATCH_ORDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingPolicy:
    """How waiting calls become batches.

    Attributes:
        rule: By which waiting calls become batches: a name of `RULES`.
        order: Which waiting call goes first: a name of `BATCH_ORDERS`.
        start_quantile: A batch is formed so that it ends in time at this quantile of its
            predicted seconds.
        target_quantile: The largest batch worth forming (`ModelState.target_rows`) fits the usual
            slack at this quantile.
        chance_quantile: A call that fits no more at `start_quantile` but does at this one
            still runs when a lane would otherwise stand idle; beyond it, it is shed.
        over_fraction: Overloaded for a call when the work due before a fresh call of its
            kind needs more than this share of its slack to clear.
        priority_bias_fraction: Share of the slack by which the least urgent class stands
            back; classes between in proportion. At most 0.5, so that deadlines dominate.
        no_deadline_age_s: A call without deadline is ordered as if due this long after its
            arrival: last among the hurried, but never starved.
        laxity_tick_s: Two models that are due within one tick are a tie, settled by the
            share of the lanes each has had.
        company_slack_share: Share of its slack that no call spends on waiting for a preferred size.
        look_ahead_max: Calls passed over, per batch, in search of some that still fit.
        slack_window: Calls per model over which the median slack is taken.
        shapes_kept_max: Empty queues kept for models and shapes seen before.
    """

    rule: str = "hybrid"
    order: str = "edf"
    start_quantile: float = 0.75
    target_quantile: float = 0.75
    chance_quantile: float = 0.5
    over_fraction: float = 0.5
    priority_bias_fraction: float = 0.5
    no_deadline_age_s: float = 10.0
    laxity_tick_s: float = 0.0005
    company_slack_share: float = 0.1
    look_ahead_max: int = 16
    slack_window: int = 64
    shapes_kept_max: int = 64

    def __post_init__(self) -> None:
        RULES.get(self.rule)
        BATCH_ORDERS.get(self.order)
        if not 0.0 < self.chance_quantile <= self.start_quantile < 1.0:
            raise ValueError("quantiles must satisfy 0 < chance_quantile <= start_quantile < 1")
        if not 0.0 < self.target_quantile < 1.0:
            raise ValueError("target_quantile must lie between 0 and 1")
        if not 0.0 <= self.priority_bias_fraction <= 0.5:
            raise ValueError("priority_bias_fraction must lie in [0, 0.5]")
        if not 0.0 <= self.company_slack_share < 1.0:
            raise ValueError("company_slack_share must lie in [0, 1)")
        for name in ("over_fraction", "no_deadline_age_s", "laxity_tick_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0.0):
                raise ValueError(f"{name} must be positive and finite")
        for name in ("look_ahead_max", "shapes_kept_max"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.slack_window < 1:
            raise ValueError("slack_window must be at least 1")
