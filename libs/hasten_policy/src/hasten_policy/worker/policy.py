"""Every parameter of the worker's machine."""

from dataclasses import dataclass, field
from math import isfinite

from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.prediction.policy import PredictionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPolicy:
    """How a worker admits, orders, runs and reports.

    Attributes:
        keeps_deadlines: True refuses, sheds and stops calls for their deadlines. False makes a
            worker that knows no deadlines; only `batching.order` looks at deadlines then.
        lanes: So many batches may run at once.
        waiting_max: At most so many calls wait, over all models.
        waiting_bytes_max: The payloads of the waiting calls have at most so many bytes.
        refuse_hopeless: True refuses a call on arrival when the work that is due before the call
            leaves no time for the call, even if all runs take their typical time. False lets such a
            call wait until it is shed.
        finish_margin_s: A batch must end so many seconds before a deadline, so that the answer has
            time for its way out. The worker adds the lag that it measures between a lane and its
            decisions.
        lag_max_s: The worker believes no measured lag longer than so many seconds.
        window_batches: All routers together may have so many batches for each lane at this worker
            at once.
        link_idle_s: A link without calls leaves its share of the window to other links after so
            many seconds.
        service_weight: One call has this weight in the mean of busy seconds for one call.
        watchdog_factor: The watchdog stops a run after so many times the predicted seconds, where
            the model has no limit of its own.
        watchdog_min_s: The watchdog stops no run before so many seconds.
        overdue_grace_s: The watchdog stops a run so many seconds after the deadlines of all calls
            in the run.
        stop_patience_s: The worker refuses the calls of a stopped run that has not ended after so
            many seconds.
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
