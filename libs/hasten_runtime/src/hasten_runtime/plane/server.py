"""A gRPC server on a plane, in place of grpc.aio's: it serves the same handlers."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol, cast

import grpc
import grpc.aio

from hasten_plane import Asked, Drained, Gone, Limits, Message, Opened, Plane, Status
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import errors, logs
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.handlers import Handler, RefusalInterceptor
from hasten_runtime.plane.rpcs import Rpcs
from hasten_runtime.plane.table import Details, HandlerTable

OVERLOADED: Final = Refusal(Reason.OVERLOADED, "more calls wait here than this server takes")
FAULT: Final = Refusal(Reason.INTERNAL, "the server failed on this request; the log says how")

_log = logs.logger(__name__)


class Quick(Protocol):
    """Answers the calls of one method without a task for each."""

    path: str

    def serve(self, server: "PlaneServer") -> None:
        """From now on it answers by this server."""
        ...

    def sift(self) -> None:
        """A turn begins: the time to say which calls are not even to be looked at."""
        ...

    def asked(self, call: Asked) -> None:
        """A call has come."""
        ...

    def gone(self, call_id: int) -> None:
        """Nobody waits for this call any more."""
        ...


class PlaneServer:
    """Serves handlers over the native transport. Stands in for a grpc.aio.Server where services
    are added.

    Args:
        limits: Bounds; the defaults when None.
        interceptors: Outermost first.
        quick: Answers one method itself.
    """

    def __init__(
        self,
        limits: ServerLimits | None = None,
        *,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        quick: Quick | None = None,
    ) -> None:
        chosen = limits or ServerLimits()
        path = "" if quick is None else quick.path
        self.plane = Plane(plane_limits(chosen), path, status_of(OVERLOADED))
        guard = RefusalInterceptor(chosen.message_limit)
        self._table = HandlerTable((*interceptors, guard))
        self._rpcs = Rpcs(self, self._table, chosen.message_limit)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turning = False
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._idle: asyncio.Event | None = None
        """Set when it leaves and no call is open."""
        self._gone_elsewhere: Callable[[int], None] = lambda _: None
        self._sift: Callable[[], None] = lambda: None
        self._on: dict[type, Callable[[Any], None]] = {
            Opened: self._opened,
            Message: self._rpcs.came,
            Gone: self._gone,
            Drained: self._drained,
        }
        if quick is not None:
            self._on[Asked] = quick.asked
            self._gone_elsewhere = quick.gone
            self._sift = quick.sift
            quick.serve(self)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As of grpc.aio.Server."""
        self._table.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """As of grpc.aio.Server."""
        self._table.add_registered_method_handlers(service_name, method_handlers)

    async def start(self, address: str, *, reuse_port: bool = False) -> str:
        """Begins to listen at "host:port"; returns it with the real port.

        Args:
            address: Where; port 0 for any free one.
            reuse_port: Other processes listen there too.

        Raises:
            OSError: The address cannot be listened at.
        """
        host, _, wanted = address.rpartition(":")
        port = int(wanted)
        for ip in await _ips(host, port):
            port = self.plane.listen(ip, port, reuse_port)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.plane.fileno(), self._turn)
        return f"{host}:{port}"

    async def stop(self, grace_s: float) -> None:
        """Takes nothing new, lets what is in flight end for grace_s seconds, then closes."""
        self.plane.leave()
        if self._loop is not None:
            self._idle = asyncio.Event()
            self._flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._idle.wait()
            self._loop.remove_reader(self.plane.fileno())
        self.plane.close()
        self._turn_events()
        if self._timer is not None:
            self._timer.cancel()
        self._loop = None
        await self._rpcs.end()

    # --- for those who answer ----------------------------------------------------------

    def flush_soon(self) -> None:
        """What was noted is written at the end of the loop's round."""
        if not self._flushing and self._loop is not None:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def handle(self, call: Asked, details: grpc.HandlerCallDetails) -> None:
        """Has a call of the quick method answered by its handler."""
        self._rpcs.begin(
            call.call_id,
            details,
            call.metadata(),
            left_s=call.left_s,
            peer=call.peer,
            first=call.payload(),
        )

    # --- the turn ----------------------------------------------------------------------

    def _turn(self) -> None:
        self._turning = False
        self._turn_events()
        self._flush()

    def _turn_events(self) -> None:
        self._sift()
        for event in self.plane.poll():
            try:
                self._on[type(event)](event)
            except Exception as error:  # noqa: BLE001  (the others of this turn must be heard)
                _log.error("rpc.crashed", method=type(event).__name__, exc_info=error)
                self.plane.finish(event.call_id, status_of(FAULT))

    def _flush(self) -> None:
        self._flushing = False
        loop = self._loop
        self.plane.flush()
        if self._idle is not None and not self.plane.calls:
            self._idle.set()
        if loop is None:
            return
        if self.plane.has_more():
            self._turn_soon(loop)
        self._look_again(loop)

    def _turn_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        # After whatever else is ready by then: the answers of workers free callers.
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        left_s = self.plane.next_timer_s()
        if left_s is None:
            return
        due_s = loop.time() + left_s
        if self._timer is not None:
            if self._timer.when() <= due_s:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due_s, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._turn()

    def _opened(self, call: Opened) -> None:
        details = Details(call.path, call.metadata)
        self._rpcs.begin(
            call.call_id,
            cast("grpc.HandlerCallDetails", details),
            call.metadata,
            left_s=call.left_s,
            peer=call.peer,
        )

    def _gone(self, event: Gone) -> None:
        if not self._rpcs.gone(event.call_id):
            self._gone_elsewhere(event.call_id)

    def _drained(self, event: Drained) -> None:
        self._rpcs.drained(event.call_id)


def plane_limits(limits: ServerLimits) -> Limits:
    """The bounds of a server, for a plane."""
    return Limits(
        message_bytes_max=limits.message_bytes_max,
        metadata_bytes_max=2 * limits.metadata_bytes_max,
        streams_max=limits.streams_max,
        calls_max=limits.calls_max,
        handshake_s=limits.handshake_s,
        ping_s=limits.ping_s,
        ping_timeout_s=limits.ping_timeout_s,
        connection_age_s=limits.connection_age_s,
        connection_grace_s=limits.connection_grace_s,
    )


def status_of(refusal: Refusal, left_s: float | None = None) -> Status:
    """The refusal, ready to be sent.

    Args:
        refusal: What is told.
        left_s: Seconds until the caller's deadline; None when it gave none.
    """
    trailers = errors.trailers(refusal, left_s)
    return _status(errors.status_code(refusal.reason), refusal.message, trailers)


@lru_cache(errors.REMEMBERED_MAX)
def _status(code: grpc.StatusCode, message: str, trailers: errors.Trailers) -> Status:
    return Status(code.value[0], message.encode("utf-8", "replace").decode(), trailers)


async def _ips(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM
    )
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
