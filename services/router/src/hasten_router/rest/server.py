"""The server of HTTP/1.1, aiohttp's, with bounds for clients that mean harm or are broken."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_router.rest.bounds import Bounds
from hasten_runtime import logs
from hasten_runtime.byte_budget import ByteBudget, Lease
from hasten_runtime.grpc_server import listening
from hasten_runtime.problem import CONTENT_TYPE, Problem, problem
from hasten_runtime.protocol_names import SERVER_NAME

LOOK_S: Final = 0.5
"""Pace at which connections are looked at."""
LINE_BYTES_MAX: Final = 8190
"""Of the request's line, and of one header."""
HEADERS_MAX: Final = 100
HEAD_BYTES_MAX: Final = 64 * 1024
"""Of a request's line and headers together; what comes of a longer head is not read."""
LINGER_S: Final = 1.0
"""What a client still sends after a refusal is read for so long, so that it sees the refusal."""
BACKLOG: Final = 1024
_LONG_HEAD: Final = Refusal(
    Reason.INVALID_REQUEST,
    f"this is no request of HTTP: its head has more than {HEAD_BYTES_MAX} bytes",
)
_FULL: Final = Refusal(Reason.QUEUE_FULL, "too many connections are open", retry_after_s=1.0)

Answer = Callable[[web.BaseRequest, Lease], Awaitable[web.StreamResponse]]
Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_log = logs.logger(__name__)


class RestServer:
    """Listens for clients that speak HTTP.

    Args:
        address: To listen at, "host:port".
        answer: Answers a request; it never raises but when it is cancelled.
        bounds: Of connections.
        budget: Of the bytes of requests and answers.
        variable: The environment's variable that sets the address.
        reuse_port: Other processes listen at the address too.

    Attributes:
        address: Where it listens, "host:port".
    """

    def __init__(
        self,
        address: str,
        answer: Answer,
        bounds: Bounds,
        budget: ByteBudget,
        *,
        variable: str,
        reuse_port: bool,
    ) -> None:
        self.address = address
        self._answer = answer
        self._bounds = bounds
        self._budget = budget
        self._variable = variable
        self._reuse_port = reuse_port
        self._server: asyncio.Server | None = None
        self._protocols: _Protocols | None = None
        self._looking: asyncio.Task[None] | None = None
        self._leaving = False

    async def start(self) -> None:
        """Begins to listen; `address` has the real port from now on.

        Raises:
            OSError: The address cannot be listened at.
        """
        host, _, port = self.address.rpartition(":")
        loop = asyncio.get_running_loop()
        self._protocols = _Protocols(self._handle, self._bounds)
        with listening(self.address, setting="http_address", variable=self._variable):
            self._server = await loop.create_server(
                self._protocols,
                host.strip("[]"),
                int(port),
                reuse_port=self._reuse_port or None,
                backlog=BACKLOG,
            )
        self._looking = asyncio.create_task(self._keep_looking(), name="rest-connections")
        self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"

    @property
    def connections(self) -> list[web.RequestHandler]:
        """Those that are open."""
        return [] if self._protocols is None else self._protocols.connections

    def announce_leaving(self) -> None:
        """Connections are closed after the answer that they wait for; calls are still taken."""
        self._leaving = True

    async def stop(self, grace_s: float) -> None:
        """Takes nothing new, lets what is in flight end for grace_s seconds, then closes."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        if self._server is not None:
            self._server.close()
        if self._protocols is not None:
            self._protocols.pre_shutdown()
            await self._protocols.shutdown(grace_s)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        with self._budget.lease() as lease:
            response = await self._answer(request, lease)
            response.headers["Server"] = SERVER_NAME
            if self._leaving:
                response.force_close()
            # Here, and not by the library after this returns, so that what the request holds is
            # given back only when the client has taken its answer.
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                await response.write_eof()
            return response

    def look(self, now_s: float) -> None:
        """Ends the connections whose clients have kept them waiting for too long."""
        for connection in self.connections:
            if isinstance(connection, _Connection):
                connection.look(now_s, self._bounds)

    async def _keep_looking(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            self.look(loop.time())


class _Connection(web.RequestHandler):
    """One connection, which knows how long its client has kept it waiting."""

    __slots__ = (
        "_body",
        "_head_bytes",
        "_head_since_s",
        "_in_head",
        "_unread",
        "_unread_since_s",
    )

    def __init__(self, manager: web.Server, **options: Any) -> None:  # noqa: ANN401  (the library's)
        super().__init__(manager, **options)
        self._in_head = False
        self._body: StreamReader | None = None
        self._head_bytes = 0
        self._head_since_s = 0.0
        self._unread = 0
        self._unread_since_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # A client that says nothing at all has as long as one that says half.
        self._in_head = True
        self._head_since_s = self._loop.time()

    def data_received(self, data: bytes) -> None:
        if not self._in_head and self._current_request is None:
            self._in_head = True
            self._head_since_s = self._loop.time()
        if self._head_bytes > HEAD_BYTES_MAX:
            return
        # What comes belongs to a body until that is whole, also when nobody reads it any more.
        in_body = self._body is not None and not self._body.is_eof()
        super().data_received(data)
        if self._messages:
            self._in_head = False
            self._body = self._messages[-1][1]
            self._head_bytes = 0
            return
        if in_body:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and self.transport is not None:
            stream = self.transport
            _tell(stream, _LONG_HEAD, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            # Not closed at once: what is unread would have the system cut it before it is heard.
            stream.write_eof()
            self._loop.call_later(LINGER_S, stream.abort)

    def look(self, now_s: float, bounds: Bounds) -> None:
        """Ends the connection if its client has kept it waiting for too long."""
        if self.transport is None:
            return
        if self._in_head and self._current_request is None:
            if now_s - self._head_since_s > bounds.head_s:
                self.transport.abort()
            return
        unread = self.transport.get_write_buffer_size()
        if unread == 0 or unread < self._unread or self._unread == 0:
            self._unread_since_s = now_s
        elif now_s - self._unread_since_s > bounds.pace.patience_s:
            self.transport.abort()
        self._unread = unread

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What came is no request of HTTP, or we failed."""
        del request
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            fault = short((message or str(exc)).partition("\n")[0].strip())
            refusal = Refusal(Reason.INVALID_REQUEST, f"this is no request of HTTP: {fault}")
            large = isinstance(exc, LineTooLong) or "too many headers" in fault.lower()
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if large else status
        else:
            _log.error("rest.crashed", exc_info=exc)
            refusal = Refusal(Reason.INTERNAL, "this failed unexpectedly; the log says how")
        response = problem_response(problem(refusal, status=status))
        response.force_close()
        return response


class _Protocols(web.Server):
    """Makes connections, up to a number."""

    def __init__(self, handle: Handle, bounds: Bounds) -> None:
        super().__init__(handle, handler_cancellation=True)
        self._bounds = bounds

    def __call__(self) -> web.RequestHandler:
        if len(self._connections) >= self._bounds.connections_max:
            return _TurnedAway()  # type: ignore[return-value]  # all that the loop needs
        return _Connection(
            self,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=self._bounds.idle_s,
            lingering_time=LINGER_S,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )


class _TurnedAway(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says so and closes."""
        # uvloop's transports are no subclasses of asyncio's.
        stream = cast("asyncio.Transport", transport)
        _tell(stream, _FULL, HTTPStatus.SERVICE_UNAVAILABLE)
        stream.close()


def _tell(stream: asyncio.Transport, refusal: Refusal, code: HTTPStatus) -> None:
    """Says why, without the library; it is the last that is said."""
    status, headers, body = problem(refusal, status=code)
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    stream.write("\r\n".join((*lines, "", "")).encode() + body)


def problem_response(told: Problem) -> web.Response:
    """As the library sends it."""
    return web.Response(
        status=told.status,
        headers={**told.headers, "Server": SERVER_NAME},
        body=told.body,
        content_type=CONTENT_TYPE,
    )
