"""Metrics of the router."""

import math
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hasten_runtime import telemetry_names as names
from hasten_runtime.metrics import (
    SECONDS_BUCKETS,
    ModelLabels,
    ModelRequests,
    RequestMetrics,
    watched,
)

WORKERS_MAX: Final = 256
"""Workers with a standing of their own among the metrics."""


class RouterMetrics:
    """Everything that the router counts."""

    def __init__(self, registry: CollectorRegistry, *, models_max: int = 32) -> None:
        self._registry = registry
        shared = RequestMetrics(registry)
        self._models = ModelLabels(models_max, lambda name: ModelRequests(shared, name))
        self._slack = shared.slack
        self._held = Histogram(
            names.METRIC_ROUTER_HOLD_SECONDS,
            "Wait in the router for a worker's credit, of calls that were sent and ended since.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        attempts = Counter(
            names.METRIC_ROUTER_ATTEMPTS,
            "Calls sent to workers and ended since: first, or again (retry, rescue or hedge).",
            ["kind"],
            registry=registry,
        )
        self._first = attempts.labels("first")
        self._again = attempts.labels("again")
        self._standing = Gauge(
            names.METRIC_ROUTER_STANDING,
            "1 for the standing that each worker has.",
            ["worker", "standing"],
            registry=registry,
        )
        self._standings: dict[str, str] = {}

    def counts(self, name: str) -> bool:
        """The model has counters of its own already."""
        return self._models.has(name)

    def model(self, name: str) -> ModelRequests:
        """The model's counters; models beyond the limit share one set."""
        return self._models.of(name)

    def admitted(self, slack_s: float) -> None:
        """A call that had slack_s until its deadline when it was admitted has ended; infinite
        without a deadline.
        """
        if slack_s < math.inf:
            self._slack.observe(slack_s)

    def attempted(self, held_s: float, attempts: int) -> None:
        """A call that has ended was first sent after held_s, and so many times in all."""
        self._first.inc()
        self._held.observe(held_s)
        if attempts > 1:
            self._again.inc(attempts - 1)

    def standing(self, worker_id: str, standing: str) -> None:
        """A worker's standing changed; "gone" forgets the worker."""
        former = self._standings.pop(worker_id, None)
        if former is not None:
            self._standing.remove(worker_id, former)
        if standing != "gone" and len(self._standings) < WORKERS_MAX:
            self._standings[worker_id] = standing
            self._standing.labels(worker_id, standing).set(1)

    def watch(
        self,
        *,
        held: Callable[[], float],
        in_flight: Callable[[], float],
        discovery_age_s: Callable[[], float],
    ) -> None:
        """Says where the gauges are read from, once."""
        watched(names.METRIC_ROUTER_HELD, "Calls waiting in the router.", held, self._registry)
        watched(
            names.METRIC_ROUTER_IN_FLIGHT,
            "Calls sent to workers and unanswered.",
            in_flight,
            self._registry,
        )
        watched(
            names.METRIC_ROUTER_DISCOVERY_AGE,
            "Seconds since discovery last answered.",
            discovery_age_s,
            self._registry,
        )
