"""The link to one worker: an Execute stream that is opened again whenever it breaks."""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_router.calls import Call
from hasten_router.links import codec
from hasten_router.transport import LinkListener
from hasten_runtime import logs, wire
from hasten_runtime.clock import Clock

if TYPE_CHECKING:
    from hasten.common.v1 import load_pb2

Stream = grpc.aio.StreamStreamCall[bytes, pb.ExecuteResponse]

EXECUTE = "/hasten.worker.v1.WorkerService/Execute"

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of a link.

    Attributes:
        connect_s_max: Longest wait for a connection before the attempt counts as failed.
        backoff_s_min: Wait before the second attempt to connect; doubles with each more.
        backoff_s_max: Longest such wait.
        message_bytes_max: Calls share a message until it has this size; one call alone may be
            larger.
    """

    connect_s_max: float = 3.0
    backoff_s_min: float = 0.05
    backoff_s_max: float = 2.0
    message_bytes_max: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What all links of a router share.

    Attributes:
        listener: Is told what happens.
        clock: The router's.
        caller_id: The router's name, for the workers.
        limits: Bounds of each link.
        rng: Spreads reconnects.
    """

    listener: LinkListener
    clock: Clock
    caller_id: str
    limits: LinkLimits = field(default_factory=LinkLimits)
    rng: Random = field(default_factory=Random)


class ExecuteLink:
    """One worker, reached over one Execute stream. Implements WorkerLink.

    What is to be sent waits only until the event loop's present round is over and the write
    before it is done; everything that gathers meanwhile travels in one message. How much
    that can be is bounded by the worker's window, which the machine respects.
    """

    def __init__(
        self, worker_id: str, address: str, channel: grpc.aio.Channel, shared: LinkContext
    ) -> None:
        self.worker_id = worker_id
        self.address = address
        self.channel = channel
        self.state: load_pb2.WorkerState | None = None
        """The worker's last full report, as it came."""
        self.connected = False
        self.quiesced = False
        """Whoever owns the link asked for no new calls on it."""
        self._listener = shared.listener
        self._clock = shared.clock
        self._limits = shared.limits
        self._rng = shared.rng
        self._hello = codec.hello(shared.caller_id)
        self._outbox: list[tuple[Call, float]] = []
        self._cancels: list[int] = []
        self._sent_s: dict[int, float] = {}
        self._heard = 0
        self._idle_writer: asyncio.Future[None] | None = None
        self._quiet: asyncio.Future[None] | None = None

    # --- WorkerLink ------------------------------------------------------------------

    def send(self, call: Call, deadline_s: float) -> None:
        """Sends the call, soon, with what is then left until deadline_s."""
        self._outbox.append((call, deadline_s))
        self._wake_writer()

    def revoke(self, call_id: int) -> None:
        """Tells the worker, soon, that nobody waits for this call.

        A call that is still in the outbox is sent all the same, and cancelled by the next
        message: the worker's count of received calls must match what was sent.
        """
        self._cancels.append(call_id)
        self._wake_writer()

    # --- life ------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Waits until every call sent has its reply, or the link is down."""
        if self._sent_s or self._outbox:
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet

    def close(self, cause: str) -> None:
        """Tells the listener at once that the link is lost; then cancel `run`."""
        self._forget(cause)

    async def run(self) -> None:
        """Keeps the stream open until cancelled."""
        failures = 0
        while True:
            cause = "the worker closed the stream"
            heard = self._heard
            try:
                await self._connect()
                await self._serve()
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError, ConnectionError) as error:
                cause = _cause(error)
            except TimeoutError:
                cause = f"no connection within {self._limits.connect_s_max} s"
            except ValueError as error:
                cause = f"the worker sent what no worker can mean: {error}"
            except Exception as error:  # noqa: BLE001  (a fault of ours must not end the router)
                _log.error("link.crashed", worker_id=self.worker_id, exc_info=error)
                cause = f"the router failed on what the worker sent: {error!r}"
            finally:
                self._forget(cause)
            failures = 1 if self._heard > heard else failures + 1
            await asyncio.sleep(self._backoff_s(failures))

    def _backoff_s(self, failures: int) -> float:
        longest_s = min(
            self._limits.backoff_s_max, self._limits.backoff_s_min * 2.0 ** min(failures - 1, 16)
        )
        # Half fixed, half drawn: routers that lost a worker together come back spread out.
        return longest_s * (0.5 + 0.5 * self._rng.random())

    async def _connect(self) -> None:
        async with asyncio.timeout(self._limits.connect_s_max):
            await self.channel.channel_ready()

    async def _serve(self) -> None:
        stream: Stream = self.channel.stream_stream(
            EXECUTE, request_serializer=None, response_deserializer=pb.ExecuteResponse.FromString
        )()
        try:
            await stream.write(self._hello)
            self.connected = True
            self._listener.joined(self)
            await self._exchange(stream)
        finally:
            stream.cancel()

    async def _exchange(self, stream: Stream) -> None:
        """Reads and writes until either ends; raises what ended it."""
        tasks = (
            asyncio.create_task(self._read(stream), name=f"read-{self.worker_id}"),
            asyncio.create_task(self._write(stream), name=f"write-{self.worker_id}"),
        )
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            # gRPC ends its own operations like this; it must not look as if we were cancelled.
            if task.cancelled():
                raise ConnectionError("the stream was cut")
            await task

    def _forget(self, cause: str) -> None:
        was_connected, self.connected = self.connected, False
        self.state = None
        self._outbox.clear()
        self._cancels.clear()
        self._sent_s.clear()
        self._tell_quiet()
        if was_connected:
            self._listener.lost(self.worker_id, cause)

    def _tell_quiet(self) -> None:
        waiter, self._quiet = self._quiet, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- the stream ------------------------------------------------------------------

    async def _read(self, stream: Stream) -> None:
        while (message := await stream.read()) is not grpc.aio.EOF:
            assert isinstance(message, pb.ExecuteResponse)  # noqa: S101  (else it was EOF)
            self._heard += 1
            if message.replies:
                self._take_replies(message)
            if message.HasField("state"):
                self.state = message.state
                self._listener.reported(self.worker_id, wire.report_from_wire(message.state))
            elif not message.replies and message.HasField("load"):
                self._listener.told(self.worker_id, wire.load_from_wire(message.load))

    def _take_replies(self, message: pb.ExecuteResponse) -> None:
        load = wire.load_from_wire(message.load) if message.HasField("load") else None
        now_s = self._clock.now_s()
        replies = []
        for wired in message.replies:
            reply = codec.decode_reply(wired, load)
            reply.round_trip_s = now_s - self._sent_s.pop(reply.call_id, now_s)
            replies.append(reply)
        self._listener.replied(self.worker_id, replies)
        if self._quiet is not None and not self._sent_s and not self._outbox:
            self._tell_quiet()

    async def _write(self, stream: Stream) -> None:
        while True:
            if not self._outbox and not self._cancels:
                self._idle_writer = asyncio.get_running_loop().create_future()
                await self._idle_writer
            await stream.write(self._next_message())

    def _wake_writer(self) -> None:
        waiter = self._idle_writer
        if waiter is not None:
            self._idle_writer = None
            if not waiter.done():
                waiter.set_result(None)

    def _next_message(self) -> bytes:
        now_s = self._clock.now_s()
        parts: list[bytes] = []
        if self._cancels:
            self._add_cancels(parts)
        size = taken = 0
        for call, deadline_s in self._outbox:
            part = codec.encode_call(call, deadline_s, now_s)
            if taken and size + len(part) > self._limits.message_bytes_max:
                break
            parts.append(part)
            size += len(part)
            taken += 1
            self._sent_s[call.call_id] = now_s
        del self._outbox[:taken]
        return b"".join(parts) if len(parts) > 1 else parts[0]

    def _add_cancels(self, parts: list[bytes]) -> None:
        """Cancels what was sent before; a cancel must not overtake its call, and workers look
        at a message's cancels before its calls.
        """
        unsent = {call.call_id for call, _ in self._outbox}
        now = [call_id for call_id in self._cancels if call_id not in unsent]
        self._cancels = [call_id for call_id in self._cancels if call_id in unsent]
        if now:
            parts.append(codec.encode_cancels(now))
            for call_id in now:
                self._sent_s.pop(call_id, None)


def _cause(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__
