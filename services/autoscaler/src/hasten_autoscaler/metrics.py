"""Metrics of the autoscaler."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from hasten_policy.autoscaler.views import PoolView
from hasten_policy.scaling.verdict import Verdict
from hasten_runtime import telemetry_names as names
from hasten_runtime.metrics import watched


class AutoscalerMetrics:
    """Everything that the autoscaler counts. Gauges of the pool are the leader's alone."""

    def __init__(self, registry: CollectorRegistry, pool: str) -> None:
        self._registry = registry
        self._workers = Gauge(
            names.METRIC_AUTOSCALER_WORKERS,
            "Workers: desired, ready, starting, draining.",
            ["pool", "stage"],
            registry=registry,
        )
        self._desired = Gauge(
            names.METRIC_DESIRED_REPLICAS,
            "Workers that there should be.",
            ["pool"],
            registry=registry,
        ).labels(pool)
        self._load = Gauge(
            names.METRIC_AUTOSCALER_LOAD,
            "Busy workers that demand of the last minute asks for.",
            ["pool"],
            registry=registry,
        ).labels(pool)
        changes = Counter(
            names.METRIC_AUTOSCALER_CHANGES,
            "Decisions that changed the number: up, or down.",
            ["pool", "way"],
            registry=registry,
        )
        self._up, self._down = changes.labels(pool, "up"), changes.labels(pool, "down")
        starts = Counter(
            names.METRIC_AUTOSCALER_STARTS,
            "Starts that came to nothing: refused by the pool, or never ready.",
            ["pool", "outcome"],
            registry=registry,
        )
        judged = Counter(
            names.METRIC_AUTOSCALER_JUDGED,
            "Decisions, one start later: short, enough, or spare by more than one worker.",
            ["pool", "outcome"],
            registry=registry,
        )
        self._judged = {kind: judged.labels(pool, kind) for kind in ("short", "enough", "spare")}
        workers = Counter(
            names.METRIC_AUTOSCALER_JUDGED_WORKERS,
            "Workers of the decisions judged: ready, busy, and enough in hindsight. Busy over "
            "ready is the use, ready over enough the cost against the best in hindsight.",
            ["pool", "kind"],
            registry=registry,
        )
        self._weighed = {kind: workers.labels(pool, kind) for kind in ("ready", "busy", "enough")}
        self._forecast_error = Gauge(
            names.METRIC_AUTOSCALER_FORECAST_ERROR,
            "Busy workers by which the last forecast that was judged was off.",
            ["pool"],
            registry=registry,
        ).labels(pool)
        self._refused, self._failed = starts.labels(pool, "refused"), starts.labels(pool, "failed")
        self._pool = pool

    def seen(self, view: PoolView) -> None:
        """The pool was looked at."""
        sight = view.sight
        stages = {
            "ready": sight.ready,
            "starting": sight.starting,
            "draining": sum(member.stage == "draining" for member in view.members),
        }
        for stage, count in stages.items():
            self._workers.labels(self._pool, stage).set(count)
        if view.desired is not None:
            self._workers.labels(self._pool, "desired").set(view.desired)
            self._desired.set(view.desired)
        self._load.set(sight.load(60.0))

    def decided(self, desired: int, before: int) -> None:
        """A decision was made."""
        if desired > before:
            self._up.inc()
        elif desired < before:
            self._down.inc()

    def judged(self, verdict: Verdict) -> None:
        """The time of a decision has come."""
        spare = verdict.ready > verdict.enough + 1
        outcome = "short" if verdict.ready < verdict.enough else "spare" if spare else "enough"
        self._judged[outcome].inc()
        for kind, workers in (
            ("ready", verdict.ready),
            ("busy", verdict.load),
            ("enough", max(1, verdict.enough)),
        ):
            self._weighed[kind].inc(workers)
        if verdict.forecast is not None:
            self._forecast_error.set(abs(verdict.forecast - verdict.load))

    def start_refused(self) -> None:
        """The pool gives no worker now."""
        self._refused.inc()

    def start_failed(self) -> None:
        """A worker never became ready."""
        self._failed.inc()

    def watch(self, *, leads: Callable[[], float]) -> None:
        """Says where the gauges are read from, once."""
        watched(names.METRIC_AUTOSCALER_LEADS, "1 while this replica leads.", leads, self._registry)
