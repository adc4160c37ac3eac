"""Metrics of the worker."""

import math
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from hasten_runtime import telemetry_names as names
from hasten_runtime.metrics import (
    SECONDS_BUCKETS,
    ModelLabels,
    ModelRequests,
    RequestMetrics,
    watched,
)
from hasten_worker.engine.isolation.host import Use

ROWS_BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RATIO_BUCKETS: Final = (0.25, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)


class WorkerModelMetrics(ModelRequests):
    """One model at the worker; bound children."""

    def __init__(self, shared: RequestMetrics, batches: "_Batches", model: str) -> None:
        super().__init__(shared, model)
        self._rows = batches.rows.labels(model)
        self._batch_seconds = batches.seconds.labels(model)
        self._ratio = batches.ratio
        self._ended = batches.ended.labels(model)

    def process_ended(self) -> None:
        """A process that ran the model ended, and nobody had asked it to."""
        self._ended.inc()

    def batch(self, *, rows: int, took_s: float, expected_s: float) -> None:
        """A batch ended that was expected to take expected_s."""
        self._rows.observe(rows)
        self._batch_seconds.observe(took_s)
        if expected_s > 0.0:
            self._ratio.observe(took_s / expected_s)


class _Batches:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Histogram(
            names.METRIC_WORKER_BATCH_ROWS,
            "Rows of a batch, without padding.",
            ["model"],
            buckets=ROWS_BUCKETS,
            registry=registry,
        )
        self.seconds = Histogram(
            names.METRIC_WORKER_BATCH_SECONDS,
            "Time of a batch on its lane.",
            ["model"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.ratio = Histogram(
            names.METRIC_WORKER_PREDICTION_RATIO,
            "Measured over predicted time of a batch; above 1 it took longer than expected.",
            buckets=RATIO_BUCKETS,
            registry=registry,
        )
        self.ended = Counter(
            names.METRIC_WORKER_PROCESSES_ENDED,
            "Processes of a model that ended although nobody had asked them to.",
            ["model"],
            registry=registry,
        )


class WorkerMetrics:
    """Everything that the worker counts."""

    def __init__(self, registry: CollectorRegistry, *, models_max: int = 32) -> None:
        self._registry = registry
        shared = RequestMetrics(registry)
        batches = _Batches(registry)
        self._models = ModelLabels(
            models_max, lambda name: WorkerModelMetrics(shared, batches, name)
        )
        self._slack = shared.slack
        self._queue = Histogram(
            names.METRIC_WORKER_QUEUE_SECONDS,
            "From receipt until a batch began, of calls that ran.",
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self._wasted = Counter(
            names.METRIC_WORKER_WASTED,
            "Busy seconds spent on answers that came too late or that nobody waited for.",
            registry=registry,
        )
        self._late_starts = Counter(
            names.METRIC_WORKER_LATE_STARTS,
            "Calls whose batch began after their deadline: 0 unless the machine stood still.",
            registry=registry,
        )

    def counts(self, name: str) -> bool:
        """The model has counters of its own already."""
        return self._models.has(name)

    def model(self, name: str) -> WorkerModelMetrics:
        """The model's counters; models beyond the limit share one set."""
        return self._models.of(name)

    def accepted(self, slack_s: float) -> None:
        """A call with slack_s until its deadline was accepted; infinite without a deadline."""
        if slack_s < math.inf:
            self._slack.observe(slack_s)

    def began(self, waited_s: float) -> None:
        """A call's batch began after waited_s in the worker."""
        self._queue.observe(waited_s)

    def wasted(self, busy_s: float) -> None:
        """busy_s were spent on an answer that came too late or that nobody waited for."""
        self._wasted.inc(busy_s)

    def late_starts(self, calls: int) -> None:
        """A batch began after the deadline of this many of its calls."""
        self._late_starts.inc(calls)

    def watch(
        self,
        *,
        waiting: Callable[[], float],
        running: Callable[[], float],
        models_ready: Callable[[], float],
        use: Callable[[], Use] = Use,
    ) -> None:
        """Says where the gauges are read from, once."""
        watched(names.METRIC_WORKER_WAITING, "Calls waiting.", waiting, self._registry)
        watched(names.METRIC_WORKER_RUNNING, "Batches running.", running, self._registry)
        watched(
            names.METRIC_WORKER_MODELS,
            "Model versions loaded and serving.",
            models_ready,
            self._registry,
        )
        watched(
            names.METRIC_WORKER_PROCESSES,
            "Processes that run models.",
            lambda: use().processes,
            self._registry,
        )
        watched(
            names.METRIC_WORKER_PROCESSES_MEMORY,
            "Private memory of the processes that run models.",
            lambda: use().memory_bytes,
            self._registry,
        )
        watched(
            names.METRIC_WORKER_PROCESSES_CPU,
            "Processor time of the processes that run models, of those that have ended too.",
            lambda: use().cpu_s,
            self._registry,
        )
