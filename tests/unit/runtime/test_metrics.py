"""Metrics count what happened, with few enough series, and can always be scraped."""

import http.client
import math
import socket
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import metrics
from hasten_runtime.metrics import OTHER, MetricsEndpoint, RouterMetrics, WorkerMetrics
from hasten_runtime.readiness import Readiness

SERIES_MAX = 2000


@pytest.fixture
def registry() -> CollectorRegistry:
    return metrics.registry("test", "t1")


@pytest.fixture
def endpoint(registry: CollectorRegistry) -> Iterator[MetricsEndpoint]:
    served = metrics.serve("127.0.0.1:0", registry)
    yield served
    served.close()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def series(registry: CollectorRegistry) -> int:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return sum(len(family.samples) for family in families)


def test_a_request_is_counted_by_how_it_ended(registry: CollectorRegistry) -> None:
    router = RouterMetrics(registry)
    model = router.model("m")
    model.answered(0.004, late_s=-0.01)
    model.answered(0.004, late_s=0.3)
    model.answered(0.004)
    model.refused(Refusal(Reason.OVERLOADED, ""))
    model.refused(Refusal(Reason.MODEL_FAILED, "", started=True))
    model.refused(Refusal(Reason.CANCELLED, "", started=True))

    def ended(outcome: str) -> float | None:
        return value(registry, "hasten_requests_total", model="m", outcome=outcome)

    assert [ended(how) for how in ("answered", "refused", "failed", "cancelled")] == [3, 1, 1, 1]
    assert value(registry, "hasten_refusals_total", reason="overloaded") == 1
    assert value(registry, "hasten_refusals_total", reason="queue_full") == 0
    assert value(registry, "hasten_request_duration_seconds_count", model="m") == 3
    assert value(registry, "hasten_completion_lateness_seconds_bucket", le="0.0") == 1
    assert value(registry, "hasten_completion_lateness_seconds_count") == 2
    assert value(registry, "hasten_completion_lateness_seconds_sum") == pytest.approx(0.3)


def test_slack_without_a_deadline_does_not_spoil_the_sum(registry: CollectorRegistry) -> None:
    router, worker = RouterMetrics(registry), WorkerMetrics(metrics.registry("other"))
    router.admitted(0.05)
    router.admitted(math.inf)
    worker.accepted(math.inf)
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
    depth = {"held": 1, "waiting": 2}
    RouterMetrics(registry).watch(
        held=lambda: depth["held"], in_flight=lambda: 3, discovery_age_s=lambda: math.inf
    )
    depth["held"] = 7
    assert value(registry, "hasten_router_held_calls") == 7
    assert value(registry, "hasten_router_discovery_age_seconds") == math.inf
    other = metrics.registry("worker")
    WorkerMetrics(other).watch(
        waiting=lambda: depth["waiting"], running=lambda: 1, models_ready=lambda: 4
    )
    assert value(other, "hasten_worker_waiting_calls") == 2
    assert value(other, "hasten_worker_models_ready") == 4


@pytest.mark.parametrize("kind", ["router", "worker"])
def test_clients_cannot_make_series_without_end(kind: str, registry: CollectorRegistry) -> None:
    counted = RouterMetrics(registry) if kind == "router" else WorkerMetrics(registry)
    for number in range(500):
        model = counted.model(f"model-{number}")
        model.answered(0.1, late_s=0.0)
        model.refused(Refusal(Reason.OVERLOADED, ""))
    for number in range(400):
        if isinstance(counted, RouterMetrics):
            counted.standing(f"worker-{number}", "ready")
    assert counted.model("model-499") is counted.model("never seen")
    assert counted.model("model-499") is counted.model(OTHER)
    assert counted.model("model-0") is not counted.model("model-1")
    assert value(registry, "hasten_requests_total", model=OTHER, outcome="answered") == 468
    assert series(registry) <= SERIES_MAX


def test_what_runs_here_is_told(registry: CollectorRegistry) -> None:
    text = generate_latest(registry).decode()
    (line,) = (line for line in text.splitlines() if line.startswith("hasten_build_info{"))
    assert 'service="test"' in line
    assert 'instance="t1"' in line
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_a_scraper_gets_the_form_it_asks_for(endpoint: MetricsEndpoint, kind: str) -> None:
    request = urllib.request.Request(f"http://{endpoint.address}/metrics", headers={"Accept": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  (as above)
        body = answer.read().decode()
        assert answer.headers["Content-Type"].startswith(kind)
    assert "hasten_build_info" in body
    assert body.endswith("# EOF\n") == (kind != "text/plain")


def test_a_silent_scraper_does_not_keep_others_out(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hasten_runtime.metrics import endpoint as module

    monkeypatch.setattr(module._Handler, "timeout", 0.2)
    served = metrics.serve("127.0.0.1:0", registry)
    try:
        with socket.create_connection(("127.0.0.1", served.port)):
            url = f"http://{served.address}/metrics"
            with urllib.request.urlopen(url, timeout=60) as answer:
                assert answer.status == 200
    finally:
        served.close()


def test_an_address_in_use_is_told(endpoint: MetricsEndpoint, registry: CollectorRegistry) -> None:
    with pytest.raises(OSError, match="in use"):
        metrics.serve(endpoint.address, registry)


def test_closing_twice_is_harmless_and_frees_the_port(registry: CollectorRegistry) -> None:
    first = metrics.serve("127.0.0.1:0", registry)
    first.close()
    first.close()
    metrics.serve(first.address, registry).close()


def asked(endpoint: MetricsEndpoint, method: str, path: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


@pytest.fixture
def site(registry: CollectorRegistry) -> Iterator[tuple[MetricsEndpoint, Readiness]]:
    readiness = Readiness()
    served = metrics.serve("127.0.0.1:0", registry, readiness)
    yield served, readiness
    served.close()


@pytest.mark.parametrize(
    "path", ["/", "/metric", "/metrics/", "/health", "/healthz", "/health/ready/", "/favicon.ico"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_only_the_paths_that_are_there_are_answered(
    site: tuple[MetricsEndpoint, Readiness], method: str, path: str
) -> None:
    status, _, body = asked(site[0], method, path)
    assert status == 404
    assert ("/metrics" in body) == (method != "HEAD")


@pytest.mark.parametrize("path", ["/metrics", "/health/live", "/health/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "MADE-UP"])
def test_other_methods_are_told_which_there_are(
    site: tuple[MetricsEndpoint, Readiness], method: str, path: str
) -> None:
    status, headers, _ = asked(site[0], method, path)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_health_pages_say_what_stands_against_the_process(
    site: tuple[MetricsEndpoint, Readiness],
) -> None:
    endpoint, readiness = site
    faults = ["model mod\u00e8le does not serve: it is no ONNX file"]
    assert asked(endpoint, "GET", "/health/ready")[::2] == (503, "it is starting\n")
    readiness.begin(lambda: faults)
    assert asked(endpoint, "GET", "/health/ready")[::2] == (503, f"{faults[0]}\n")
    assert asked(endpoint, "HEAD", "/health/ready")[::2] == (503, "")
    faults.clear()
    assert readiness.refresh()
    assert asked(endpoint, "GET", "/health/ready?probe=1")[::2] == (200, "ok\n")
    readiness.leave()
    assert not readiness.refresh()
    assert asked(endpoint, "GET", "/health/ready")[::2] == (503, "it is leaving\n")
    assert asked(endpoint, "GET", "/health/live")[0] == 200
    status, headers, body = asked(endpoint, "HEAD", "/metrics")
    assert (status, body) == (200, "")
    assert headers["Content-Type"].startswith("text/plain")


def test_what_stands_against_a_process_is_bounded() -> None:
    readiness = Readiness()
    readiness.begin(lambda: [f"fault {number}" for number in range(1000)])
    assert len(readiness.faults) == 33
    assert readiness.faults[-1] == "and 968 more"
