"""A process's registry and where it is scraped."""

import contextlib
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import grpc
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from hasten_runtime import telemetry_names as names
from hasten_runtime.readiness import Readiness

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

METRICS_PATH: Final = "/metrics"
LIVE_PATH: Final = "/health/live"
READY_PATH: Final = "/health/ready"
METHODS: Final = ("GET", "HEAD")
READ_TIMEOUT_S: Final = 5.0
"""A scraper that is silent for this long is cut off."""
SCRAPERS_MAX: Final = 8
"""Connections that are served side by side; the oldest makes room for one more."""
CANNOT_ACCEPT_S: Final = 0.1
"""Pause when the system has no descriptor for another connection, which goes on waiting."""
SAMPLES_AT_ONCE: Final = 8
_POLL_S: Final = 0.1


class PoliteRegistry(CollectorRegistry):
    """A registry whose scrape lets the event loop run between lines.

    Formatting thousands of lines holds the interpreter's lock for tens of milliseconds, which
    is more than many a deadline.
    """

    def collect(self) -> Iterator[Metric]:
        """All families."""
        for family in super().collect():
            family.samples = _Polite(family.samples)
            yield family


class _Polite(list[Sample]):
    """Samples that give way while they are read."""

    def __iter__(self) -> Iterator[Sample]:
        for index, sample in enumerate(super().__iter__()):
            if index % SAMPLES_AT_ONCE == 0:
                time.sleep(0)  # Hands the interpreter's lock to whoever waits for it.
            yield sample


def registry(service: str, instance: str = "") -> CollectorRegistry:
    """A registry with what every process tells: its build, its resources, its collections."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves it out
    fresh = PoliteRegistry()
    ProcessCollector(registry=fresh)
    GCCollector(registry=fresh)
    Gauge(
        names.METRIC_BUILD_INFO,
        "1; what runs here.",
        ["service", "instance", "version", "python", "grpc"],
        registry=fresh,
    ).labels(
        service, instance, version("hasten-runtime"), platform.python_version(), grpc.__version__
    ).set(1)
    return fresh


class MetricsEndpoint:
    """Serves one registry and what is known of the process's health over HTTP, on a thread of
    its own, so that a busy event loop can still be looked into.
    """

    def __init__(self, server: WSGIServer) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(_POLL_S,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that was bound."""
        return self._server.server_port

    @property
    def address(self) -> str:
        """Where it listens, "host:port" with the real port."""
        host = str(self._server.server_address[0])
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def close(self) -> None:
        """Stops serving. Blocks for a tenth of a second; idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(
    address: str, metrics: CollectorRegistry, readiness: Readiness | None = None
) -> MetricsEndpoint:
    """Serves at "host:port", port 0 for any free one: `/metrics` as text or OpenMetrics,
    `/health/live`, and `/health/ready`, which is 503 with the reasons while the process is not
    ready. Nothing else is there.

    Args:
        address: Where to listen.
        metrics: The registry.
        readiness: The process's; without one there is no `/health/ready`.

    Raises:
        OSError: The address cannot be listened at.
    """
    bracketed, _, port = address.rpartition(":")
    host = bracketed.strip("[]")
    server = make_server(
        host,
        int(port),
        _site(metrics, readiness),
        server_class=_server_class(host),
        handler_class=_Handler,
    )
    return MetricsEndpoint(server)


def _site(metrics: CollectorRegistry, readiness: Readiness | None) -> "WSGIApplication":
    pages: dict[str, WSGIApplication] = {
        METRICS_PATH: make_wsgi_app(metrics),
        LIVE_PATH: _page(lambda: ()),
    }
    if readiness is not None:
        pages[READY_PATH] = _page(lambda: readiness.faults)
    return _routes(pages)


def _page(faults: Callable[[], Iterable[str]]) -> "WSGIApplication":
    """200 while there is no fault, else 503 with one line for each."""

    def page(_: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        found = tuple(faults())
        status = "503 Service Unavailable" if found else "200 OK"
        return _text(start_response, status, "\n".join(found) or "ok")

    return page


def _routes(pages: "Mapping[str, WSGIApplication]") -> "WSGIApplication":
    def site(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        page = pages.get(environ["PATH_INFO"])
        method = environ["REQUEST_METHOD"]
        if page is None:
            known = "only " + ", ".join(pages)
            return _text(start_response, "404 Not Found", f"there is {known}")
        if method not in METHODS:
            allowed = ("Allow", ", ".join(METHODS))
            return _text(
                start_response, "405 Method Not Allowed", f"only {allowed[1]} here", allowed
            )
        if method == "HEAD":
            # As for GET, and nothing but the head of it.
            for _ in page({**environ, "REQUEST_METHOD": "GET"}, start_response):
                pass
            return ()
        return page(environ, start_response)

    return site


def _text(
    start_response: "StartResponse", status: str, sentence: str, *headers: tuple[str, str]
) -> Iterable[bytes]:
    body = f"{sentence}\n".encode(errors="replace")
    start_response(
        status,
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            # Health that was true a moment ago is no answer.
            ("Cache-Control", "no-store"),
            *headers,
        ],
    )
    return (body,)


def _server_class(host: str) -> type[WSGIServer]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return type("MetricsServer", (_Server,), {"address_family": family})


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        # In the order in which they came.
        self._open: dict[socket.socket, None] = {}
        self._changing = threading.Lock()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(CANNOT_ACCEPT_S)
            raise

    def process_request(
        self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: object
    ) -> None:
        """Serves a connection on a thread of its own."""
        assert isinstance(request, socket.socket)  # noqa: S101  (this is TCP)
        with self._changing:
            if len(self._open) >= SCRAPERS_MAX:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: "socket.socket | tuple[bytes, socket.socket]") -> None:
        """A connection ends."""
        assert isinstance(request, socket.socket)  # noqa: S101  (as above)
        with self._changing:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """A scraper that leaves early is not worth a line."""

    def server_bind(self) -> None:
        # The base class in between asks DNS for the host's full name, which can take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = READ_TIMEOUT_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (as overridden)
        """Scrapes are not worth a line each."""
