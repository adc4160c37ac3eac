"""The worker's metrics count what happened, with few enough series."""

import math

import pytest
from prometheus_client import CollectorRegistry

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import metrics
from hasten_runtime.metrics import OTHER
from hasten_worker.metrics import WorkerMetrics
from tests.support.metering import SERIES_MAX, series, value


@pytest.fixture
def registry() -> CollectorRegistry:
    return metrics.registry("test", "t1")


def test_slack_without_a_deadline_does_not_spoil_the_sum(registry: CollectorRegistry) -> None:
    worker = WorkerMetrics(registry)
    worker.accepted(0.05)
    worker.accepted(math.inf)
    assert value(registry, "hasten_admission_slack_seconds_sum") == 0.05


def test_a_batch_is_counted_with_its_prediction(registry: CollectorRegistry) -> None:
    worker = WorkerMetrics(registry)
    worker.model("m").batch(rows=3, took_s=0.02, expected_s=0.01)
    worker.model("m").batch(rows=1, took_s=0.02, expected_s=0.0)
    worker.began(0.001)
    worker.wasted(0.25)
    worker.late_starts(2)
    assert value(registry, "hasten_worker_batch_rows_sum", model="m") == 4
    assert value(registry, "hasten_worker_batch_seconds_count", model="m") == 2
    assert value(registry, "hasten_worker_batch_prediction_ratio_sum") == 2.0
    assert value(registry, "hasten_worker_queue_seconds_count") == 1
    assert value(registry, "hasten_worker_wasted_seconds_total") == 0.25
    assert value(registry, "hasten_worker_late_starts_total") == 2


def test_gauges_are_read_when_they_are_scraped(registry: CollectorRegistry) -> None:
    depth = {"waiting": 2}
    WorkerMetrics(registry).watch(
        waiting=lambda: depth["waiting"], running=lambda: 1, models_ready=lambda: 4
    )
    depth["waiting"] = 5
    assert value(registry, "hasten_worker_waiting_calls") == 5
    assert value(registry, "hasten_worker_models_ready") == 4


def test_clients_cannot_make_series_without_end(registry: CollectorRegistry) -> None:
    counted = WorkerMetrics(registry)
    for number in range(500):
        model = counted.model(f"model-{number}")
        model.answered(0.1, late_s=0.0)
        model.refused(Refusal(Reason.OVERLOADED, ""))
    assert counted.model("model-499") is counted.model("never seen")
    assert counted.model("model-499") is counted.model(OTHER)
    assert counted.model("model-0") is not counted.model("model-1")
    assert value(registry, "hasten_requests_total", model=OTHER, outcome="answered") == 468
    assert series(registry) <= SERIES_MAX
