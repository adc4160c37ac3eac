"""Metrics of the scheduler."""

from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hasten_policy.reasons import Refusal
from hasten_policy.scheduler.jobs.periods.turns import OUTCOMES
from hasten_runtime import telemetry_names as names
from hasten_runtime.metrics import (
    SECONDS_BUCKETS,
    ModelLabels,
    ModelRequests,
    RequestMetrics,
    watched,
)
from hasten_scheduler.naming import JOB_KINDS

START_BUCKETS: Final = (*SECONDS_BUCKETS, 60.0, 600.0, 3600.0)
"""Tasks may wait for hours."""


class SchedulerMetrics:
    """Everything that the scheduler counts. A task counts as a request once it has ended."""

    def __init__(self, registry: CollectorRegistry, *, models_max: int = 32) -> None:
        self._registry = registry
        shared = RequestMetrics(registry)
        self._models = ModelLabels(models_max, lambda name: ModelRequests(shared, name))
        self._refusals = shared.refusals
        accepted = Counter(
            names.METRIC_SCHEDULER_ACCEPTED,
            "Tasks that callers submitted here and that are stored: new, or repeated.",
            ["kind"],
            registry=registry,
        )
        self._new = accepted.labels("new")
        self._repeated = accepted.labels("repeated")
        attempts = Counter(
            names.METRIC_SCHEDULER_ATTEMPTS,
            "Tasks sent to workers: first, or again.",
            ["kind"],
            registry=registry,
        )
        self._first = attempts.labels("first")
        self._again = attempts.labels("again")
        self._jobs_ended = Counter(
            names.METRIC_SCHEDULER_JOBS_ENDED,
            "Jobs that ended while this one drove them.",
            ["kind", "outcome"],
            registry=registry,
        )
        self._jobs = Gauge(
            names.METRIC_SCHEDULER_JOBS,
            "Jobs that this one drives.",
            ["kind"],
            registry=registry,
        )
        for kind in JOB_KINDS:
            self._jobs.labels(kind)
            self._jobs_ended.labels(kind, "done")
        self._turns = Counter(
            names.METRIC_SCHEDULER_TURNS,
            "Turns of schedules that this one drove, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        for outcome in OUTCOMES:
            self._turns.labels(outcome)
        due = Gauge(
            names.METRIC_SCHEDULER_RUNS_DUE,
            "Runs of all schedules that are due in the next minute; every scheduler tells all.",
            ["model"],
            registry=registry,
        )
        self._due = ModelLabels(models_max, due.labels)
        self._due_now: dict[str, int] = {}
        self._start = Histogram(
            names.METRIC_SCHEDULER_START_SECONDS,
            "From acceptance until a task was first sent to a worker.",
            buckets=START_BUCKETS,
            registry=registry,
        )

    def accepted(self, *, repeated: bool) -> None:
        """A task is stored."""
        (self._repeated if repeated else self._new).inc()

    def not_accepted(self, refusal: Refusal) -> None:
        """A task was refused."""
        self._refusals[refusal.reason].inc()

    def job_begun(self, kind: str) -> None:
        """A job is driven here from now on."""
        self._jobs.labels(kind).inc()

    def job_left(self, kind: str, ended: str) -> None:
        """It is not any more: it has ended so, or "" and others go on with it."""
        self._jobs.labels(kind).dec()
        if ended:
            self._jobs_ended.labels(kind, ended).inc()

    def turns(self, outcome: str, count: int) -> None:
        """So many turns of schedules came to this."""
        self._turns.labels(outcome).inc(count)

    def runs_due(self, due: Mapping[str, int]) -> None:
        """So many runs of schedules are due soon, by model."""
        self._due_now = {**dict.fromkeys(self._due_now, 0), **due}
        sums: dict[Gauge, int] = {}
        for model, count in self._due_now.items():
            gauge = self._due.of(model)
            sums[gauge] = sums.get(gauge, 0) + count
        for gauge, total in sums.items():
            gauge.set(total)

    def sent(self, age_s: float, *, first: bool) -> None:
        """A task of that age was sent to a worker."""
        if first:
            self._first.inc()
            self._start.observe(age_s)
        else:
            self._again.inc()

    def model(self, name: str) -> ModelRequests:
        """The model's counters; models beyond the limit share one set."""
        return self._models.of(name)

    def watch(
        self,
        *,
        running: Callable[[], float],
        shards: Callable[[], float],
        waiters: Callable[[], float],
        away: Callable[[], float],
    ) -> None:
        """Says where the gauges are read from, once."""
        registry = self._registry
        watched(names.METRIC_SCHEDULER_RUNNING, "Attempts at workers.", running, registry)
        watched(names.METRIC_SCHEDULER_SHARDS, "Shards that this one owns.", shards, registry)
        watched(names.METRIC_SCHEDULER_WAITERS, "Callers that wait for tasks.", waiters, registry)
        watched(names.METRIC_SCHEDULER_AWAY, "Shards whose store does not answer.", away, registry)
