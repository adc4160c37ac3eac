"""What metrics of all services share: buckets, bounded labels, outcomes of requests."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import telemetry_names as names

OTHER: Final = "other"
"""Model label of all models beyond the limit."""

SECONDS_BUCKETS: Final = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0
)  # fmt: skip
LATENESS_BUCKETS: Final = (0.0, *SECONDS_BUCKETS)
"""The first bucket holds what was on time."""

M = TypeVar("M")


class ModelLabels(Generic[M]):
    """One object for each model, for at most `models_max` models; the rest share one.

    Clients choose model names, so the number of label values must not be theirs to choose.
    """

    def __init__(self, models_max: int, make: Callable[[str], M]) -> None:
        self._models_max = models_max
        self._make = make
        self._other = make(OTHER)
        self._made = {OTHER: self._other}

    def has(self, model: str) -> bool:
        """The model has an object of its own."""
        return model in self._made

    def of(self, model: str) -> M:
        """The model's object; OTHER itself may be asked for."""
        made = self._made.get(model)
        if made is not None:
            return made
        if len(self._made) > self._models_max:
            return self._other
        made = self._made[model] = self._make(model)
        return made


class RequestMetrics:
    """How requests end, for a service that answers clients."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            names.METRIC_REQUESTS,
            "Requests by how they ended: answered, refused (never begun), failed, cancelled.",
            ["model", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            names.METRIC_REQUEST_SECONDS,
            "From receipt to the answer, of answered requests.",
            ["model"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        refusals = Counter(
            names.METRIC_REFUSALS,
            "Requests that ended without an answer, by reason.",
            ["reason"],
            registry=registry,
        )
        # All reasons from the start: a rate needs the zero before the first.
        self.refusals = {reason: refusals.labels(reason.label) for reason in Reason}
        self.slack = Histogram(
            names.METRIC_ADMISSION_SLACK,
            "Time left until the deadline when a request was admitted.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.lateness = Histogram(
            names.METRIC_LATENESS,
            "How long after its deadline a request was answered; 0 when on time.",
            buckets=LATENESS_BUCKETS,
            registry=registry,
        )


class ModelRequests:
    """How one model's requests end; bound children."""

    def __init__(self, shared: RequestMetrics, model: str) -> None:
        outcome = shared.requests.labels
        self._answered = outcome(model, "answered")
        self._refused = outcome(model, "refused")
        self._failed = outcome(model, "failed")
        self._cancelled = outcome(model, "cancelled")
        self._seconds = shared.seconds.labels(model)
        self._refusals = shared.refusals
        self._lateness = shared.lateness

    def answered(self, took_s: float, *, late_s: float | None = None) -> None:
        """A request was answered after took_s, late_s after its deadline (negative or 0: on
        time; None: it had no deadline).
        """
        self._answered.inc()
        self._seconds.observe(took_s)
        if late_s is not None:
            self._lateness.observe(max(late_s, 0.0))

    def refused(self, refusal: Refusal, calls: int = 1) -> None:
        """Requests ended without an answer."""
        self._refusals[refusal.reason].inc(calls)
        if refusal.reason is Reason.CANCELLED:
            self._cancelled.inc(calls)
        elif refusal.started:
            self._failed.inc(calls)
        else:
            self._refused.inc(calls)


def watched(name: str, text: str, read: Callable[[], float], registry: CollectorRegistry) -> None:
    """A gauge that is read when it is scraped; `read` runs on the scraping thread."""
    Gauge(name, text, registry=registry).set_function(read)


def watch_host(
    registry: CollectorRegistry, *, lag_s: Callable[[], float], stolen: Callable[[], float]
) -> None:
    """Says where the gauges of the host are read from, once a process."""
    watched(
        names.METRIC_LOOP_LAG,
        "How late the event loop was, 90th percentile of a second.",
        lag_s,
        registry,
    )
    watched(
        names.METRIC_STOLEN,
        "Share of the CPU that the hypervisor or a CPU limit took in the last second, 0 to 1.",
        stolen,
        registry,
    )
