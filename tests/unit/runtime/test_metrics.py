"""Metrics count how requests end, and can always be scraped."""

import contextlib
import errno
import http.client
import queue
import socket
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import metrics
from hasten_runtime.metrics import MetricsEndpoint, ModelRequests, RequestMetrics
from hasten_runtime.metrics import endpoint as module
from hasten_runtime.readiness import Readiness
from tests.support.metering import value


@pytest.fixture
def registry() -> CollectorRegistry:
    return metrics.registry("test", "t1")


@pytest.fixture
def endpoint(registry: CollectorRegistry) -> Iterator[MetricsEndpoint]:
    served = metrics.serve("127.0.0.1:0", registry)
    yield served
    served.close()


def test_a_request_is_counted_by_how_it_ended(registry: CollectorRegistry) -> None:
    model = ModelRequests(RequestMetrics(registry), "m")
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


def test_scrapers_that_do_not_read_or_write_keep_nobody_out(endpoint: MetricsEndpoint) -> None:
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", endpoint.port)))
            for _ in range(2 * module.SCRAPERS_MAX)
        ]
        for connection in slow[::2]:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n")  # And no end of the head.
        with urllib.request.urlopen(f"http://{endpoint.address}/metrics", timeout=60) as answer:
            assert answer.status == 200
        # The oldest had to go, the newest may stay.
        slow[0].settimeout(60)
        assert slow[0].recv(1) == b""


def test_one_that_may_not_accept_does_not_spin(
    endpoint: MetricsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = queue.SimpleQueue[float]()
    real = module.WSGIServer.get_request

    def full(server: object) -> object:
        tried.put(time.monotonic())
        if tried.qsize() < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(server)  # type: ignore[arg-type]  # the server that it is called with

    monkeypatch.setattr(module.WSGIServer, "get_request", full)
    with urllib.request.urlopen(f"http://{endpoint.address}/metrics", timeout=60) as answer:
        assert answer.status == 200
    times = [tried.get() for _ in range(4)]
    assert times[3] - times[0] >= 3 * module.CANNOT_ACCEPT_S


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
