"""Every parameter of the worker's machine."""

from dataclasses import dataclass, field
from math import isfinite

from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.prediction.policy import PredictionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPolicy:
    """How a worker admits, orders, runs and reports.

    Attributes:
        keeps_deadlines: False for a worker that knows no deadlines: it refuses, sheds and stops
            nothing for them; only `batching.order` looks at them.
        lanes: Batches that may run at once.
        waiting_max: Calls waiting, over all models.
        waiting_bytes_max: Bytes of their payloads.
        refuse_hopeless: Refuse a call on arrival when the work due before it leaves no time,
            even if all runs take their typical time; False lets it wait and be shed.
        finish_margin_s: Seconds before a deadline by which a batch must have ended, for the
            answer's way out; the measured lag between a lane and the machine is added.
        lag_max_s: Most of that lag that is believed.
        window_batches: Batches per lane that routers together may have here at once.
        link_idle_s: A link without calls for this long leaves its share to the others.
        service_weight: Weight of one call in the average busy seconds per call.
        watchdog_factor: A run of a model without limit of its own is stopped after this many
            times its predicted seconds.
        watchdog_min_s: Least such limit.
        overdue_grace_s: A run is stopped this long after the deadlines of all its calls.
        stop_patience_s: Calls of a stopped run are refused when it has not ended after this.
        batching: Formation of batches.
        prediction: Prediction of service times.
    """

    keeps_deadlines: bool = True
    lanes: int = 1
    waiting_max: int = 4096
    waiting_bytes_max: int = 256 * 1024 * 1024
    refuse_hopeless: bool = True
    finish_margin_s: float = 0.001
    lag_max_s: float = 0.02
    window_batches: int = 2
    link_idle_s: float = 1.0
    service_weight: float = 0.05
    watchdog_factor: float = 20.0
    watchdog_min_s: float = 10.0
    overdue_grace_s: float = 0.1
    stop_patience_s: float = 1.0
    batching: BatchingPolicy = field(default_factory=BatchingPolicy)
    prediction: PredictionPolicy = field(default_factory=PredictionPolicy)

    def __post_init__(self) -> None:
        for name in ("lanes", "waiting_max", "waiting_bytes_max", "window_batches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("finish_margin_s", "lag_max_s", "link_idle_s", "overdue_grace_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be finite and not negative")
        for name in ("watchdog_min_s", "stop_patience_s"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0.0):
                raise ValueError(f"{name} must be positive and finite")
        if not 0.0 < self.service_weight <= 1.0:
            raise ValueError("service_weight must lie in (0, 1]")
        if not (isfinite(self.watchdog_factor) and self.watchdog_factor > 1.0):
            raise ValueError("watchdog_factor must be finite and greater than 1")
