"""The router's metrics count what happened, with few enough series."""

import math

import pytest
from prometheus_client import CollectorRegistry

from hasten_policy.reasons import Reason, Refusal
from hasten_router.metrics import RouterMetrics
from hasten_runtime import metrics
from hasten_runtime.metrics import OTHER
from tests.support.metering import SERIES_MAX, series, value


@pytest.fixture
def registry() -> CollectorRegistry:
    return metrics.registry("test", "t1")


def test_slack_without_a_deadline_does_not_spoil_the_sum(registry: CollectorRegistry) -> None:
    router = RouterMetrics(registry)
    router.admitted(0.05)
    router.admitted(math.inf)
    assert value(registry, "hasten_admission_slack_seconds_sum") == 0.05


def test_attempts_and_holds_are_counted(registry: CollectorRegistry) -> None:
    router = RouterMetrics(registry)
    router.attempted(0.002, 1)
    router.attempted(0.5, 3)
    assert value(registry, "hasten_router_attempts_total", kind="first") == 2
    assert value(registry, "hasten_router_attempts_total", kind="again") == 2
    assert value(registry, "hasten_router_hold_seconds_sum") == 0.502


def test_a_worker_has_one_standing_and_none_when_gone(registry: CollectorRegistry) -> None:
    router = RouterMetrics(registry)

    def standing(name: str) -> float | None:
        return value(registry, "hasten_router_worker_standing", worker="w", standing=name)

    router.standing("w", "ready")
    router.standing("w", "ejected")
    assert (standing("ready"), standing("ejected")) == (None, 1)
    router.standing("w", "gone")
    router.standing("unknown", "gone")
    assert standing("ejected") is None


def test_gauges_are_read_when_they_are_scraped(registry: CollectorRegistry) -> None:
    depth = {"held": 1}
    RouterMetrics(registry).watch(
        held=lambda: depth["held"], in_flight=lambda: 3, discovery_age_s=lambda: math.inf
    )
    depth["held"] = 7
    assert value(registry, "hasten_router_held_calls") == 7
    assert value(registry, "hasten_router_discovery_age_seconds") == math.inf


def test_clients_cannot_make_series_without_end(registry: CollectorRegistry) -> None:
    counted = RouterMetrics(registry)
    for number in range(500):
        model = counted.model(f"model-{number}")
        model.answered(0.1, late_s=0.0)
        model.refused(Refusal(Reason.OVERLOADED, ""))
    for number in range(400):
        counted.standing(f"worker-{number}", "ready")
    assert counted.model("model-499") is counted.model("never seen")
    assert counted.model("model-499") is counted.model(OTHER)
    assert counted.model("model-0") is not counted.model("model-1")
    assert value(registry, "hasten_requests_total", model=OTHER, outcome="answered") == 468
    assert series(registry) <= SERIES_MAX
