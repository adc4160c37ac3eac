"""One router's link: takes calls, sends what ended, together with the load."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from google.protobuf.message import DecodeError
from opentelemetry.trace import Span

from hasten.common.v1.load_pb2 import WorkerState
from hasten.inference.v2.inference_pb2 import ModelInferRequest, ModelInferResponse
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.priorities import LOWEST
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import logs, wire
from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.fleet import messages
from hasten_runtime.fleet.worker.sender import EndLimits, Figures, ReplySender
from hasten_runtime.frames import Frames
from hasten_runtime.message_limit import GRPC_BYTES_MAX, too_large
from hasten_runtime.telemetry import end_span
from hasten_worker.decoding import RequestDecoder, parse
from hasten_worker.shell.call import Call, timing_of
from hasten_worker.shell.shell import Shell
from hasten_worker.tensors.encode import MESSAGE_VARIABLE, response_too_large

_log = logs.logger(__name__)


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
        held: Of what routers leave unread or half sent; None without such a bound.
    """

    shell: Shell
    decoder: RequestDecoder
    limits: EndLimits
    clock: Clock
    worker_id: str
    state: Callable[[int], WorkerState]
    start_span: Callable[[Call, str], Span | None]
    held: ByteBudget | None = None

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
        self._start_span = setup.start_span
        self._connection = connection
        connection.on_too_long = self._too_long
        connection.on_no_room = self._no_room
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._link_id = self._shell.link_opened(self)
        self._calls: dict[int, Call | asyncio.Task[None]] = {}
        self._aside: set[asyncio.Task[None]] = set()
        self._said_others_wait = False
        """The router knows that not all it sent runs: it must hear of each change."""
        figures = Figures(
            lambda: wire.load_to_wire(self._shell.load(self._link_id)),
            lambda: setup.state(self._link_id),
        )
        self._sender = ReplySender(connection, self._limits, self._clock, figures, setup.held)
        self._sender.flush_soon()

    @property
    def fault(self) -> Refusal | None:
        """Why it ends, when something is wrong with it."""
        return self._sender.fault

    def finish(self) -> None:
        """Ends the link once what waits has been sent."""
        self._sender.finish()

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
            self._sender.fail(Reason.INVALID_REQUEST, "a frame is no ToWorker message")
            return
        if message.ticket:
            self._sender.fail(
                Reason.INVALID_REQUEST, "a ticket belongs into the first message only"
            )
            return
        if self._says_too_much(message):
            return
        for wire_id in message.cancelled_call_ids:
            self._cancel(wire_id)
        together = [
            call for sent in message.calls if (call := self._decoded(sent, arrived_s)) is not None
        ]
        if self.fault is None:
            self._sender.received += len(together)
            self._shell.take(together)
            self._tell_waiting()

    def writable(self) -> None:
        """The router reads again."""
        self._sender.writable()

    def _too_long(self, size_bytes: int) -> None:
        """A frame is longer than may be: the router is told before its link ends."""
        limit = self._connection.frame_bytes_max
        refusal = too_large("a frame of calls", size_bytes, limit, MESSAGE_VARIABLE)
        # What no message can be is no large message.
        nonsense = size_bytes > GRPC_BYTES_MAX
        self._sender.fail(Reason.INVALID_REQUEST if nonsense else refusal.reason, refusal.message)

    def _no_room(self, error: MeshError) -> None:
        """Routers hold all that may be held: this one is told before its link ends."""
        self._sender.fail(error.refusal.reason, error.refusal.message)

    def _says_too_much(self, message: pb.ToWorker) -> bool:
        """More than any router says in one message, or leaves unread: its link ends."""
        limits = self._limits
        calls, cancels = len(message.calls), len(message.cancelled_call_ids)
        if calls > limits.frame_calls_max or cancels > limits.calls_max:
            self._sender.fail(
                Reason.INVALID_REQUEST,
                f"a message of {calls} calls and {cancels} cancels, where at most "
                f"{limits.frame_calls_max} and {limits.calls_max} are taken",
            )
        elif len(self._calls) + self._sender.unread > limits.calls_max:
            self._sender.fail(
                Reason.QUEUE_FULL,
                f"over {limits.calls_max} calls are unanswered, or their answers unread",
            )
        return self.fault is not None

    def disconnected(self, error: Exception | None) -> None:
        """Cancels what is unanswered."""
        if error is not None and self.fault is None:
            if not isinstance(error, OSError):
                _log.error("link.crashed", exc_info=error)
            self._sender.fault = Refusal(Reason.INTERNAL, f"the connection broke: {error}")
        self._sender.close()
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
            self._sender.received += 1

    def _decoded(self, message: pb.Call, arrived_s: float) -> Call | None:
        """The call, ready to be taken; None when it was refused or takes its time."""
        wire_id = message.call_id
        if wire_id in self._calls or len(self._calls) >= self._limits.calls_max:
            self._sender.fail(
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
            call.reserved_s = message.reserved_us / 1e6
            call.refused_before = message.refused_before
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
        self._sender.received += 1
        self._calls[call.wire_id] = call
        self._shell.take((call,))

    def _refuse_early(self, wire_id: int, refusal: Refusal, span: Span | None, model: str) -> None:
        """The machine never hears of it, so it is counted here."""
        self._sender.received += 1
        self._shell.refused_early(refusal, model)
        if span is not None:
            end_span(span, refusal)
        self._sender.send(messages.encode_refusal(wire_id, refusal, None))

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
        self._sender.send_at_once(messages.encode_running(running, others_wait=others_wait))

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
        self._sender.send(reply)

    def refused(self, call: Call, refusal: Refusal) -> None:
        """Sends the refusal, soon."""
        self._calls.pop(call.wire_id, None)
        timing = timing_of(call, worker_id=self._worker_id, now_s=self._clock.now_s())
        self._sender.send(messages.encode_refusal(call.wire_id, refusal, timing))

    def state_changed(self) -> None:
        """Sends the whole state with the next message, soon."""
        self._sender.state_changed()

    def load_changed(self) -> None:
        """Sends the load, soon."""
        self._sender.flush_soon()
