"""Parameters of batch formation."""

from dataclasses import dataclass
from math import isfinite

from hasten_policy.batching.rules import RULES
from hasten_policy.ordering.orders import BATCH_ORDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchingPolicy:
    """How waiting calls become batches.

    Attributes:
        rule: The rule decides which waiting calls become a batch: a name of `RULES`.
        order: The order decides which waiting call goes first: a name of `BATCH_ORDERS`.
        start_quantile: A batch is formed so that this quantile of its predicted seconds ends in
            time.
        target_quantile: The largest batch worth forming (`ModelState.target_rows`) fits the usual
            slack at this quantile of its predicted seconds.
        chance_quantile: A call that is too late for `start_quantile` still runs on a lane that
            would stand idle, if the call fits at this quantile. A call that does not fit is shed.
        over_fraction: A call meets overload when the work due before a fresh call of its kind needs
            more than this share of the call's slack.
        priority_bias_fraction: The least urgent class stands back by this share of its slack, and
            the classes between stand back in proportion. The share is at most 0.5, so that
            deadlines dominate.
        no_deadline_age_s: A call without a deadline is ordered as if the call were due so many
            seconds after its arrival. Such a call is last among the hurried and is never starved.
        guest_run_s: While calls of other kinds come, a batch of calls of the lowest class without a
            deadline takes at most so many seconds, or as long as one call of them.
        laxity_tick_s: Two models that are due within so many seconds are a tie, and the model that
            has had less of the lanes goes first.
        company_slack_share: A call that waits for a preferred size keeps this share of its slack in
            hand.
        look_ahead_max: A batch passes over at most so many calls in search of calls that still fit.
        slack_window: The median slack of a model is taken over so many calls.
        shapes_kept_max: The worker keeps so many empty queues of models and shapes that it has
            seen.
    """

    rule: str = "hybrid"
    order: str = "edf"
    start_quantile: float = 0.95
    target_quantile: float = 0.75
    chance_quantile: float = 0.5
    over_fraction: float = 0.25
    priority_bias_fraction: float = 0.5
    no_deadline_age_s: float = 10.0
    guest_run_s: float = 0.004
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
