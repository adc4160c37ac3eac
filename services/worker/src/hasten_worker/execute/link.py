"""One router's stream: reads calls, sends what ended, together with the load."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from opentelemetry.trace import Span

from hasten.common.v1.load_pb2 import WorkerState
from hasten.inference.v2.inference_pb2 import ModelInferRequest, ModelInferResponse
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import wire
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.telemetry import end_span
from hasten_worker.execute import frames
from hasten_worker.execute.outbox import Outbox
from hasten_worker.intake import Intake, parse
from hasten_worker.shell.call import Call, timing_of
from hasten_worker.shell.shell import Shell
from hasten_worker.tensors.encode import response_too_large

PRIORITY_LOWEST: Final = 3
ENVELOPE_BYTES: Final = 64 * 1024
"""Room in a message for the load and the state beside the replies."""


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds of one stream.

    Attributes:
        message_bytes_max: Largest message; a reply that is larger is refused instead, as it
            would break the stream.
        coalesce_bytes_max: Replies share a message up to this size, or less where messages
            are smaller.
        pending_bytes_max: Replies waiting for a reader that does not read; more end the
            stream.
        calls_max: Unanswered calls on the stream; more end it. Far above any window.
        write_stall_s: A message that cannot be sent for this long ends the stream.
        state_period_s: Longest time between two states on the stream.
    """

    message_bytes_max: int = 64 * 1024 * 1024
    coalesce_bytes_max: int = 1024 * 1024
    pending_bytes_max: int = 256 * 1024 * 1024
    calls_max: int = 10_000
    write_stall_s: float = 10.0
    state_period_s: float = 0.25

    @property
    def replies_bytes_max(self) -> int:
        """What the replies in one message may take, so that the rest of it fits beside them."""
        return max(self.message_bytes_max - ENVELOPE_BYTES, self.message_bytes_max // 2)


@dataclass(frozen=True, slots=True)
class LinkSetup:
    """What every link works with.

    Attributes:
        shell: Takes the calls.
        intake: Decodes them.
        limits: Bounds.
        clock: The worker's clock.
        worker_id: Named in timings.
        state: The worker's state, as a link should hear it.
        start_span: A span for a call, from its trace context.
    """

    shell: Shell
    intake: Intake
    limits: LinkLimits
    clock: Clock
    worker_id: str
    state: Callable[[int], WorkerState]
    start_span: Callable[[Call, str], Span | None]


class Writer(Protocol):
    """The part of a servicer context that sends."""

    async def write(self, message: bytes) -> None:
        """Sends; waits while the other side does not take it."""
        ...


class Link:
    """The worker's end of one Execute stream; the sink of all calls on it."""

    def __init__(self, setup: LinkSetup) -> None:
        self._shell = setup.shell
        self._intake = setup.intake
        self._limits = setup.limits
        self._clock = setup.clock
        self._worker_id = setup.worker_id
        self._state = setup.state
        self._start_span = setup.start_span
        self._link_id = self._shell.link_opened(self._state_changed, self._tell_load)
        self._calls: dict[int, Call | asyncio.Task[None]] = {}
        self._received = 0
        self._outbox = Outbox(min(self._limits.coalesce_bytes_max, self._limits.replies_bytes_max))
        self._state_due = True
        self._ready = asyncio.Event()
        self._ready.set()
        self._write_began_s = math.inf
        self._finishing = False
        self._timer = asyncio.get_running_loop().call_later(
            self._limits.state_period_s, self._state_period
        )
        self.over = asyncio.Event()
        """The stream should end."""
        self.fault: Refusal | None = None
        """Why it ends, when something is wrong with it."""

    def finish(self) -> None:
        """Ends the stream once what waits has been sent."""
        self._finishing = True
        self._ready.set()

    def abandon(self) -> None:
        """Gives up what is still being decoded."""
        for pending in self._calls.values():
            if isinstance(pending, asyncio.Task):
                pending.cancel()

    def close(self) -> None:
        """Cancels what is unanswered. Called once, when nothing of the stream runs any more."""
        self._timer.cancel()
        self._calls.clear()
        self._shell.link_closed(self._link_id, self._state_changed)

    # --- reading -----------------------------------------------------------------------

    async def read(
        self,
        messages: AsyncIterator[pb.ExecuteRequest],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """Reads until the caller closes its side; `spawn` runs what must not hold it up."""
        async for message in messages:
            arrived_s = self._clock.now_s()
            for wire_id in message.cancelled_call_ids:
                self._cancel(wire_id)
            together = [
                call
                for sent in message.calls
                if (call := self._decoded(sent, arrived_s, spawn)) is not None
            ]
            if self.fault is not None:
                break
            self._received += len(together)
            self._shell.take(together)
        self.over.set()

    def _cancel(self, wire_id: int) -> None:
        pending = self._calls.pop(wire_id, None)
        if isinstance(pending, Call):
            self._shell.cancel(pending)
        elif pending is not None:
            pending.cancel()
            self._received += 1

    def _decoded(
        self,
        message: pb.Call,
        arrived_s: float,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> Call | None:
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
        try:
            request = parse(payload)
            call = self._intake.call_for(request, self, link_id=self._link_id, arrived_s=arrived_s)
            call.wire_id = wire_id
            call.payload_bytes = len(payload)
            call.time_left_s = message.time_left_us / 1e6 if message.time_left_us else math.inf
            call.priority = min(message.priority, PRIORITY_LOWEST)
            call.tenant = message.tenant
            call.span = span = self._start_span(call, message.traceparent)
            if self._intake.is_heavy(request, len(payload)):
                self._calls[wire_id] = spawn(self._take_aside(call, request))
                return None
            self._intake.fill(call, request)
        except MeshError as error:
            self._refuse_early(wire_id, error.refusal, span)
            return None
        self._calls[wire_id] = call
        return call

    async def _take_aside(self, call: Call, request: ModelInferRequest) -> None:
        try:
            await self._intake.fill_aside(call, request)
        except MeshError as error:
            self._calls.pop(call.wire_id, None)
            self._refuse_early(call.wire_id, error.refusal, call.span)
            return
        self._received += 1
        self._calls[call.wire_id] = call
        self._shell.take((call,))

    def _refuse_early(self, wire_id: int, refusal: Refusal, span: Span | None) -> None:
        """The machine never hears of it, so it is counted here."""
        self._received += 1
        self._shell.refused_early(refusal)
        if span is not None:
            end_span(span, refusal)
        self._send(frames.refusal(wire_id, refusal, None))

    # --- sending -----------------------------------------------------------------------

    def answered(self, call: Call, response: ModelInferResponse, service_s: float) -> None:
        """Sends the answer, soon."""
        self._calls.pop(call.wire_id, None)
        timing = timing_of(call, worker_id=self._worker_id, now_s=self._clock.now_s())
        reply = frames.answer(call.wire_id, response, timing, service_s)
        if len(reply) > self._limits.replies_bytes_max:
            reply = frames.refusal(call.wire_id, response_too_large(len(reply)), timing)
        self._send(reply)

    def refused(self, call: Call, refusal: Refusal) -> None:
        """Sends the refusal, soon."""
        self._calls.pop(call.wire_id, None)
        timing = timing_of(call, worker_id=self._worker_id, now_s=self._clock.now_s())
        self._send(frames.refusal(call.wire_id, refusal, timing))

    async def write(self, writer: Writer) -> None:
        """Sends what is ready, in one message for all that became ready meanwhile."""
        while self._outbox or not self._finishing:
            await self._ready.wait()
            self._ready.clear()
            self._write_began_s = self._clock.now_s()
            await writer.write(self._next_message())
            self._write_began_s = math.inf
        self.over.set()

    def _next_message(self) -> bytes:
        replies = self._outbox.take()
        if self._outbox:
            self._ready.set()
        load = wire.load_to_wire(self._shell.load(self._link_id))
        load.received = self._received
        state = None
        if self._state_due:
            self._state_due = False
            state = self._state(self._link_id)
            state.load.received = self._received
        return frames.message(replies, load, state)

    def _send(self, reply: bytes) -> None:
        self._outbox.put(reply)
        if self._outbox.size_bytes > self._limits.pending_bytes_max:
            self._fail(
                Reason.QUEUE_FULL,
                f"{self._outbox.size_bytes} bytes of replies wait to be read, expected at most "
                f"{self._limits.pending_bytes_max}: the reader is too slow",
            )
            return
        self._ready.set()

    def _state_changed(self) -> None:
        self._state_due = True
        self._ready.set()

    def _tell_load(self) -> None:
        self._ready.set()

    def _state_period(self) -> None:
        if self._clock.now_s() - self._write_began_s > self._limits.write_stall_s:
            self._fail(
                Reason.QUEUE_FULL,
                f"nothing was read for {self._limits.write_stall_s} s: the reader is too slow",
            )
            return
        self._state_changed()
        self._timer = asyncio.get_running_loop().call_later(
            self._limits.state_period_s, self._state_period
        )

    def _fail(self, reason: Reason, message: str) -> None:
        self.fault = Refusal(reason, message)
        self.over.set()
