"""The link to one worker: a connection of frames that is opened again whenever it breaks."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.fleet.outbox import Outbox
from hasten_runtime import logs, wire
from hasten_runtime.clock import Clock
from hasten_runtime.fleet import messages
from hasten_runtime.fleet.frame_bound import FrameBound
from hasten_runtime.fleet.port import LinkListener, Reply, Sendable
from hasten_runtime.fleet.running import RunningCalls
from hasten_runtime.fleet.silence import HeavyCalls, end_when_silent
from hasten_runtime.frames import Frames
from hasten_runtime.protocol_names import OPEN_LINK

if TYPE_CHECKING:
    from hasten.common.v1 import load_pb2

FAILURE_LOG_S: Final = 60.0
"""Why a link cannot be opened is logged when the cause changes, and otherwise this often."""

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of a link.

    Attributes:
        connect_s_max: Longest wait for a connection before the attempt counts as failed.
        silence_s_max: A worker that says nothing for this long has its link closed. Workers tell
            their state four times a second.
        backoff_s_min: Wait before the second attempt to connect; doubles with each more.
        backoff_s_max: Longest such wait.
        message_bytes_max: Calls share a message until it has this size; one call alone may be
            larger.
        reply_bytes_max: Longest message of a worker.
    """

    connect_s_max: float = 3.0
    silence_s_max: float = 2.0
    backoff_s_min: float = 0.05
    backoff_s_max: float = 2.0
    message_bytes_max: int = 4 * 1024 * 1024
    reply_bytes_max: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What all links of one sender share.

    Attributes:
        listener: Is told what happens.
        clock: The sender's.
        caller_id: The sender's name, for the workers.
        limits: Bounds of each link.
        rng: Spreads attempts to connect again.
    """

    listener: LinkListener
    clock: Clock
    caller_id: str
    limits: LinkLimits = field(default_factory=LinkLimits)
    rng: Random = field(default_factory=Random)


class FrameLink:
    """One worker, reached over one connection. Implements WorkerLink.

    What is to be sent waits only until the event loop's present round is over and the worker
    takes it; everything that gathers meanwhile travels in one message. How much that can be is
    bounded by the worker's credits, which the sender's machine respects.

    Args:
        worker_id: The worker's name.
        address: "host:port" of its gRPC server.
        channel: To that server, for everything but calls; closed by whoever made it.
        shared: What all links share.
    """

    def __init__(
        self, worker_id: str, address: str, channel: grpc.aio.Channel, shared: LinkContext
    ) -> None:
        self.worker_id = worker_id
        self.address = address
        self.channel = channel
        self.weight = 1.0
        """What discovery says; set by whoever owns the link."""
        self.state: load_pb2.WorkerState | None = None
        """The worker's last full report, as it came."""
        self.unannounced = False
        """What the worker said last: the registry does not take its announcement."""
        self.connected = False
        self.quiesced = False
        """Whoever owns the link asked for no new calls on it."""
        self._listener = shared.listener
        self._clock = shared.clock
        self._limits = shared.limits
        self._rng = shared.rng
        self._caller_id = shared.caller_id
        self._connection = Frames(self, frame_bytes_max=shared.limits.reply_bytes_max)
        self._over: asyncio.Future[None] | None = None
        self._outbox: Outbox[tuple[Sendable, float]] = Outbox()
        self._sent_s: dict[int, float] = {}
        self._bound = FrameBound()
        self._heavy = HeavyCalls()
        self._flush_due = False
        self._heard = 0
        self._quiet: asyncio.Future[None] | None = None
        self._acquainted = asyncio.Event()
        self._running = RunningCalls()
        self._introduced = False
        """The ticket was shown, and the worker has not said anything yet."""
        self._closed = False
        self._logged_cause = ""
        self._logged_s = 0.0

    # --- WorkerLink ------------------------------------------------------------------

    def send(self, call: Sendable, deadline_s: float) -> None:
        """Sends the call, soon, with what is then left until deadline_s."""
        self._outbox.put(call.call_id, (call, deadline_s))
        self._flush_soon()

    def revoke(self, call_id: int) -> None:
        """Takes the call back, or tells the worker, soon, that nobody waits for it."""
        self._outbox.revoke(call_id)
        self._look_quiet()
        self._flush_soon()

    async def acquainted(self) -> None:
        """Waits until the link is open and the worker has told its state, or it is closed."""
        await self._acquainted.wait()

    async def quiet(self) -> None:
        """Waits until every call sent has its reply, or the link is down."""
        if self._sent_s or self._outbox.calls:
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet

    def close(self, cause: str) -> None:
        """Tells the listener at once that the link is lost; then cancel `run`."""
        self._forget(cause)
        self._closed = True
        self._acquainted.set()

    async def run(self) -> None:
        """Keeps the link open until cancelled."""
        failures = 0
        while True:
            cause = ""
            heard = self._heard
            try:
                await self._connect()
                await self._serve()
            except (grpc.aio.AioRpcError, OSError) as error:
                cause = _cause(error)
            except (ValueError, DecodeError) as error:
                cause = f"the worker sent what no worker can mean: {error}"
            except Exception as error:  # noqa: BLE001  (a fault of ours must not end the process)
                _log.error("link.crashed", worker_id=self.worker_id, exc_info=error)
                cause = f"this end failed on what the worker sent: {error!r}"
            finally:
                was_connected = self.connected
                self._forget(cause or "the worker closed the link")
            if not was_connected:
                self._log_failure(cause or "the worker closed it, and did not take the ticket")
            failures = 1 if self._heard > heard else failures + 1
            await asyncio.sleep(self._backoff_s(failures))

    def _log_failure(self, cause: str) -> None:
        """The listener hears only of links that were open, so nobody else says this."""
        now_s = self._clock.now_s()
        if cause != self._logged_cause or now_s - self._logged_s >= FAILURE_LOG_S:
            self._logged_cause, self._logged_s = cause, now_s
            _log.warning(
                "link.not_opened", worker_id=self.worker_id, address=self.address, cause=cause
            )

    def _backoff_s(self, failures: int) -> float:
        longest_s = min(
            self._limits.backoff_s_max, self._limits.backoff_s_min * 2.0 ** min(failures - 1, 16)
        )
        # Half fixed, half drawn: senders that lost a worker together come back spread out.
        return longest_s * (0.5 + 0.5 * self._rng.random())

    async def _connect(self) -> None:
        open_link = self.channel.unary_unary(
            OPEN_LINK,
            request_serializer=pb.OpenLinkRequest.SerializeToString,
            response_deserializer=pb.OpenLinkResponse.FromString,
        )
        loop = asyncio.get_running_loop()
        host = self.address.rpartition(":")[0].strip("[]")
        asked = "OpenLink"
        try:
            async with asyncio.timeout(self._limits.connect_s_max):
                opened = await open_link(
                    pb.OpenLinkRequest(
                        caller_id=self._caller_id, frame_bytes_max=self._limits.reply_bytes_max
                    ),
                    wait_for_ready=True,
                )
                self._bound.opened(opened.frame_bytes_max)
                asked = f"port {opened.port} of its links"
                self._over = loop.create_future()
                connection = Frames(self, frame_bytes_max=self._limits.reply_bytes_max)
                self._connection = connection
                self._running.opened()
                await loop.create_connection(lambda: connection, host, opened.port)
        except TimeoutError:
            raise TimeoutError(
                f"{asked} did not answer within {self._limits.connect_s_max:g} s"
            ) from None
        except OSError as error:
            raise ConnectionError(f"{asked} cannot be reached: {error}") from error
        connection.send([messages.encode_ticket(opened.ticket)])

    async def _serve(self) -> None:
        """Is over when the connection is; raises what ended it."""
        assert self._over is not None  # noqa: S101  (made by _connect)
        watching = end_when_silent(self._connection, self._heavy, self._limits.silence_s_max)
        watch = asyncio.create_task(watching, name=f"watch-{self.worker_id}")
        try:
            self._introduced = True
            await self._over
        finally:
            watch.cancel()
            self._connection.abort()

    def _forget(self, cause: str) -> None:
        was_connected, self.connected = self.connected, False
        ran = self._running.among(self._sent_s)
        self._introduced = False
        if not self._closed:
            self._acquainted.clear()
        self.state = None
        self._outbox.clear()
        self._sent_s.clear()
        self._heavy.clear()
        self._tell_quiet()
        if was_connected:
            self._listener.lost(self.worker_id, cause, ran)

    def _tell_quiet(self) -> None:
        waiter, self._quiet = self._quiet, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- the connection --------------------------------------------------------------

    def received(self, frame: bytes) -> None:
        """Tells the listener what the worker says."""
        if not (self.connected or self._introduced):
            return
        message = pb.ToRouter.FromString(frame)
        self._heard += 1
        if message.HasField("running"):
            self._running.heard(message.running)
        if self._introduced:
            self._join(message)
        if message.replies:
            self._take_replies(message)
        if message.HasField("state"):
            self.state = message.state
            self.unannounced = message.state.unannounced
            report = wire.report_from_wire(message.state)
            self._outbox.counted(report.load)
            self._listener.reported(self.worker_id, report)
            self._acquainted.set()
        elif not message.replies and message.HasField("load"):
            load = self._outbox.counted(wire.load_from_wire(message.load))
            self._listener.load_told(self.worker_id, load)
        _raise_fault(message)

    def _join(self, message: pb.ToRouter) -> None:
        """Its first word says that it took the ticket; before, what is sent may be lost."""
        _raise_fault(message)
        self._introduced = False
        self.connected = True
        self._listener.joined(self)

    def writable(self) -> None:
        """The worker reads again."""
        self._flush_soon()

    def disconnected(self, error: Exception | None) -> None:
        """Wakes `run`, which may have been cancelled meanwhile."""
        if self._over is None or self._over.done():
            return
        self._running.ended(error)
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    def _take_replies(self, message: pb.ToRouter) -> None:
        load = (
            self._outbox.counted(wire.load_from_wire(message.load))
            if message.HasField("load")
            else None
        )
        now_s = self._clock.now_s()
        replies = []
        for wired in message.replies:
            reply = messages.decode_reply(wired, load)
            reply.round_trip_s = now_s - self._sent_s.pop(reply.call_id, now_s)
            self._heavy.ended(reply.call_id)
            replies.append(reply)
        self._listener.replied(self.worker_id, replies)
        self._look_quiet()

    def _look_quiet(self) -> None:
        if self._quiet is not None and not self._sent_s and not self._outbox.calls:
            self._tell_quiet()

    def _withhold(self, call: Sendable, size_bytes: int) -> None:
        refusal = self._bound.refusal(self.worker_id, size_bytes)
        self._listener.replied(self.worker_id, [Reply(call.call_id, refusal=refusal)])
        self._look_quiet()

    def _flush_soon(self) -> None:
        """At the end of the loop's round, so that what is sent together travels together."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        connection = self._connection
        try:
            while self._outbox and self.connected and not connection.clogged:
                if parts := self._next_message():
                    connection.send(parts)
        except Exception as error:  # noqa: BLE001  (a call that cannot be written ends this link)
            connection.abort(error)

    def _next_message(self) -> list[bytes]:
        now_s = self._clock.now_s()
        parts = self._cancelling()
        size = sum(map(len, parts))
        most = min(self._limits.message_bytes_max, self._bound.bytes_max)
        leaving: list[int] = []
        too_long: list[tuple[Sendable, int]] = []
        for call, deadline_s in self._outbox:
            call_parts = messages.encode_call(call, deadline_s, now_s)
            call_size = sum(map(len, call_parts))
            if call_size > self._bound.bytes_max:
                too_long.append((call, call_size))
            elif parts and size + call_size > most:
                break
            else:
                parts += call_parts
                size += call_size
                self._sent_s[call.call_id] = now_s
                self._heavy.sent(call.call_id, call_size)
                leaving.append(call.call_id)
        self._outbox.leave(leaving)
        for call, _ in too_long:
            self._outbox.keep(call.call_id)
        for call, call_size in too_long:
            self._withhold(call, call_size)
        return parts

    def _cancelling(self) -> list[bytes]:
        """The cancels of the next message; workers look at them before its calls."""
        cancels = self._outbox.take_cancels()
        for call_id in cancels:
            self._sent_s.pop(call_id, None)
            self._heavy.ended(call_id)
        return [messages.encode_cancels(cancels)] if cancels else []


def _raise_fault(message: pb.ToRouter) -> None:
    if message.HasField("fault"):
        raise ConnectionError(f"{message.fault.reason}: {message.fault.message}")


def _cause(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return "UNIMPLEMENTED: it knows no OpenLink; is it older than this process?"
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__
