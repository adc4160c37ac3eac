"""One router's link: takes calls, sends what ended, together with the load."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.trace import Span

from hasten.common.v1.load_pb2 import WorkerState
from hasten.inference.v2.inference_pb2 import ModelInferRequest, ModelInferResponse
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.priorities import LOWEST
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import logs, wire
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.fleet import messages
from hasten_runtime.fleet.worker.outbox import Outbox
from hasten_runtime.frames import Frames
from hasten_runtime.message_limit import GRPC_BYTES_MAX, content_bytes_max, too_large
from hasten_runtime.telemetry import end_span
from hasten_worker.decoding import RequestDecoder, parse
from hasten_worker.shell.call import Call, timing_of
from hasten_worker.shell.shell import Shell
from hasten_worker.tensors.encode import MESSAGE_VARIABLE, response_too_large

_log = logs.logger(__name__)

REPLIES_BESIDE_BYTES_MAX: Final = 64 * 1024
"""Replies that leave before the next batch begins; more would keep it waiting."""
PENDING_BYTES_MAX: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of one link.

    Attributes:
        message_bytes_max: Largest message; a reply that is larger is refused instead, as it
            would break the link.
        coalesce_bytes_max: Replies share a message up to this size, or less where messages
            are smaller.
        pending_bytes_max: Replies waiting for a reader that does not read; one more ends the
            link.
        calls_max: Unanswered calls on the link; more end it. Far above the credits of any router.
        write_stall_s: A router that takes nothing for this long loses its link.
        state_period_s: Longest time between two states on the link.
    """

    message_bytes_max: int = GRPC_BYTES_MAX
    coalesce_bytes_max: int = 1024 * 1024
    pending_bytes_max: int = PENDING_BYTES_MAX
    calls_max: int = 10_000
    write_stall_s: float = 10.0
    state_period_s: float = 0.25

    @property
    def replies_bytes_max(self) -> int:
        """What the replies in one message may take, so that the rest of it fits beside them."""
        return content_bytes_max(self.message_bytes_max)


@dataclass(frozen=True, slots=True)
class LinkSetup:
    """What every link works with.

    Attributes:
        shell: Takes the calls.
        decoder: Decodes them.
        limits: Bounds.
        clock: The worker's clock.
        worker_id: Named in timings.
        state: The worker's state, as a link should hear it.
        start_span: A span for a call, from its trace context.
    """

    shell: Shell
    decoder: RequestDecoder
    limits: LinkLimits
    clock: Clock
    worker_id: str
    state: Callable[[int], WorkerState]
    start_span: Callable[[Call, str], Span | None]

    def open_link(
        self, connection: Frames, frame_bytes_max: int, on_end: Callable[[], None]
    ) -> "Link":
        """The worker's end of a link; see `LinkMaker`."""
        setup = self
        if 0 < frame_bytes_max < self.limits.message_bytes_max:
            limits = replace(self.limits, message_bytes_max=frame_bytes_max)
            setup = replace(self, limits=limits)
        return Link(setup, connection, on_end)


class Link:
    """The worker's end of one link; the sink of its connection and of all calls on it.

    Args:
        setup: What every link works with.
        connection: Belongs to this link from now on.
        on_end: Told once, when the link has ended.
    """

    def __init__(self, setup: LinkSetup, connection: Frames, on_end: Callable[[], None]) -> None:
        self._shell = setup.shell
        self._decoder = setup.decoder
        self._limits = setup.limits
        self._clock = setup.clock
        self._worker_id = setup.worker_id
        self._state = setup.state
        self._start_span = setup.start_span
        self._connection = connection
        connection.on_too_long = self._too_long
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._link_id = self._shell.link_opened(self)
        self._calls: dict[int, Call | asyncio.Task[None]] = {}
        self._aside: set[asyncio.Task[None]] = set()
        self._received = 0
        self._said_others_wait = False
        """The router knows that not all it sent runs: it must hear of each change."""
        self._outbox = Outbox(min(self._limits.coalesce_bytes_max, self._limits.replies_bytes_max))
        self._state_due = True
        self._flush_due = False
        self._clogged_since_s = math.inf
        self._unsent = 0
        self._timer = self._loop.call_later(self._limits.state_period_s, self._state_period)
        self.fault: Refusal | None = None
        """Why it ends, when something is wrong with it."""
        self._flush_soon()

    def finish(self) -> None:
        """Ends the link once what waits has been sent."""
        while self._outbox:
            self._connection.send(self._next_message())
        # What is unanswered now is so because this worker leaves, and not because it died of it.
        self._connection.send([messages.encode_running((), others_wait=True)])
        self._connection.close()

    def abort(self) -> None:
        """Ends the link now."""
        self._connection.abort()

    # --- the connection ----------------------------------------------------------------

    def received(self, frame: bytes) -> None:
        """Takes the calls of one message together, its cancels first."""
        if self.fault is not None:
            return
        arrived_s = self._clock.now_s()
        try:
            message = pb.ToWorker.FromString(frame)
        except DecodeError:
            self._fail(Reason.INVALID_REQUEST, "a frame is no ToWorker message")
            return
        if message.ticket:
            self._fail(Reason.INVALID_REQUEST, "a ticket belongs into the first message only")
            return
        for wire_id in message.cancelled_call_ids:
            self._cancel(wire_id)
        together = [
            call for sent in message.calls if (call := self._decoded(sent, arrived_s)) is not None
        ]
        if self.fault is None:
            self._received += len(together)
            self._shell.take(together)
            self._tell_waiting()

    def writable(self) -> None:
        """The router reads again."""
        self._clogged_since_s = math.inf
        self._flush_soon()

    def _too_long(self, size_bytes: int) -> None:
        """A frame is longer than may be: the router is told before its link ends."""
        limit = self._connection.frame_bytes_max
        refusal = too_large("a frame of calls", size_bytes, limit, MESSAGE_VARIABLE)
        # What no message can be is no large message.
        nonsense = size_bytes > GRPC_BYTES_MAX
        self._fail(Reason.INVALID_REQUEST if nonsense else refusal.reason, refusal.message)

    def disconnected(self, error: Exception | None) -> None:
        """Cancels what is unanswered."""
        if error is not None and self.fault is None:
            if not isinstance(error, OSError):
                _log.error("link.crashed", exc_info=error)
            self.fault = Refusal(Reason.INTERNAL, f"the connection broke: {error}")
        self._timer.cancel()
        for task in self._aside:
            task.cancel()
        self._calls.clear()
        self._shell.link_closed(self._link_id)
        self._on_end()

    # --- calls -------------------------------------------------------------------------

    def _cancel(self, wire_id: int) -> None:
        pending = self._calls.pop(wire_id, None)
        if isinstance(pending, Call):
            self._shell.cancel(pending)
        elif pending is not None:
            pending.cancel()
            self._received += 1

    def _decoded(self, message: pb.Call, arrived_s: float) -> Call | None:
        """The call, ready to be taken; None when it was refused or takes its time."""
        wire_id = message.call_id
        if wire_id in self._calls or len(self._calls) >= self._limits.calls_max:
            self._fail(
                Reason.INVALID_REQUEST,
                f"call {wire_id} came twice, or over {self._limits.calls_max} are unanswered",
            )
            return None
        payload = message.payload
        span: Span | None = None
        request = None
        try:
            request = parse(payload)
            call = self._decoder.call_for(request, self, link_id=self._link_id, arrived_s=arrived_s)
            call.wire_id = wire_id
            call.payload_bytes = len(payload)
            call.time_left_s = message.time_left_us / 1e6 if message.time_left_us else math.inf
            call.priority = min(message.priority, LOWEST)
            call.tenant = message.tenant
            call.alone = message.alone
            call.span = span = self._start_span(call, message.traceparent)
            if self._decoder.is_heavy(request, len(payload)):
                self._calls[wire_id] = task = self._loop.create_task(
                    self._take_aside(call, request)
                )
                self._aside.add(task)
                task.add_done_callback(self._aside.discard)
                return None
            self._decoder.fill(call, request)
        except MeshError as error:
            self._refuse_early(wire_id, error.refusal, span, self._decoder.known_model(request))
            return None
        self._calls[wire_id] = call
        return call

    async def _take_aside(self, call: Call, request: ModelInferRequest) -> None:
        try:
            await self._decoder.fill_aside(call, request)
        except MeshError as error:
            self._calls.pop(call.wire_id, None)
            name = call.served.model.spec.name
            self._refuse_early(call.wire_id, error.refusal, call.span, name)
            return
        self._received += 1
        self._calls[call.wire_id] = call
        self._shell.take((call,))

    def _refuse_early(self, wire_id: int, refusal: Refusal, span: Span | None, model: str) -> None:
        """The machine never hears of it, so it is counted here."""
        self._received += 1
        self._shell.refused_early(refusal, model)
        if span is not None:
            end_span(span, refusal)
        self._send(messages.encode_refusal(wire_id, refusal, None))

    # --- what runs ---------------------------------------------------------------------

    def begins(self) -> None:
        """A batch with calls of this link is about to begin. Should this process die of it, the
        router must know that it was one of them and none that waits: it hears so before.
        """
        running = self._shell.running_on(self._link_id)
        others_wait = len(self._calls) > len(running)
        if not (others_wait or self._said_others_wait) or self.fault is not None:
            return
        self._said_others_wait = others_wait
        parts = [messages.encode_running(running, others_wait=others_wait)]
        try:
            if self._outbox and self._outbox.size_bytes <= REPLIES_BESIDE_BYTES_MAX:
                # They would leave at the end of this round: so they share a message.
                parts += self._next_message()
                self._flush_due = bool(self._outbox) and self._flush_due
            self._connection.send_at_once(parts)
        except Exception as error:  # noqa: BLE001  (as in _flush)
            self._connection.abort(error)

    def _tell_waiting(self) -> None:
        """Some calls wait, and the router still believes that whatever it sends runs."""
        if self._said_others_wait or len(self._calls) < 2:
            return
        running = self._shell.running_on(self._link_id)
        if len(self._calls) > len(running):
            self._said_others_wait = True
            self._connection.send([messages.encode_running(running, others_wait=True)])

    # --- sending -----------------------------------------------------------------------

    def answered(self, call: Call, response: ModelInferResponse, service_s: float) -> None:
        """Sends the answer, soon."""
        self._calls.pop(call.wire_id, None)
        timing = timing_of(call, worker_id=self._worker_id, now_s=self._clock.now_s())
        reply = messages.encode_answer(
            call.wire_id, response.SerializeToString(), timing, service_s
        )
        if len(reply) > self._limits.replies_bytes_max:
            reply = messages.encode_refusal(
                call.wire_id, response_too_large(len(reply), self._limits.message_bytes_max), timing
            )
        self._send(reply)

    def refused(self, call: Call, refusal: Refusal) -> None:
        """Sends the refusal, soon."""
        self._calls.pop(call.wire_id, None)
        timing = timing_of(call, worker_id=self._worker_id, now_s=self._clock.now_s())
        self._send(messages.encode_refusal(call.wire_id, refusal, timing))

    def _flush_soon(self) -> None:
        """At the end of the loop's round, so that what ends together travels together."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if not self._flush_due:
            return
        self._flush_due = False
        if self.fault is not None:
            return
        try:
            while not self._connection.clogged:
                self._connection.send(self._next_message())
                if not self._outbox:
                    return
        except Exception as error:  # noqa: BLE001  (ends this link, or its calls wait for ever)
            self._connection.abort(error)
            return
        self._clogged_since_s = min(self._clogged_since_s, self._clock.now_s())

    def _next_message(self) -> list[bytes]:
        replies = self._outbox.take()
        load = wire.load_to_wire(self._shell.load(self._link_id))
        load.received = self._received
        state = None
        if self._state_due:
            self._state_due = False
            state = self._state(self._link_id)
            state.load.received = self._received
        return [*replies, messages.encode_load(load, state)]

    def _send(self, reply: bytes) -> None:
        if self._outbox.size_bytes > self._limits.pending_bytes_max:
            self._fail(
                Reason.QUEUE_FULL,
                f"{self._outbox.size_bytes} bytes of replies wait to be read, expected at most "
                f"{self._limits.pending_bytes_max}: the reader is too slow",
            )
            return
        self._outbox.put(reply)
        self._flush_soon()

    def state_changed(self) -> None:
        """Sends the whole state with the next message, soon."""
        self._state_due = True
        self._flush_soon()

    def load_changed(self) -> None:
        """Sends the load, soon."""
        self._flush_soon()

    def _state_period(self) -> None:
        unsent = self._connection.bytes_unsent
        if unsent < self._unsent:
            # It reads, if slowly: a large reply may take long over a slow network.
            self._clogged_since_s = math.inf
        self._unsent = unsent
        if self._clock.now_s() - self._clogged_since_s > self._limits.write_stall_s:
            self._fail(
                Reason.QUEUE_FULL,
                f"nothing was read for {self._limits.write_stall_s} s: the reader is too slow",
            )
            return
        self.state_changed()
        self._timer = self._loop.call_later(self._limits.state_period_s, self._state_period)

    def _fail(self, reason: Reason, message: str) -> None:
        """Ends the link; what it has to say is said only to a router that reads."""
        if self.fault is not None:
            return
        self.fault = Refusal(reason, message)
        self._timer.cancel()
        if self._connection.clogged:
            self._connection.abort()
            return
        self._connection.send([messages.encode_fault(self.fault)])
        # Not closed at once: what is unread would have the system cut it before the router reads.
        self._connection.finish()
        self._timer = self._loop.call_later(self._limits.write_stall_s, self._connection.abort)
