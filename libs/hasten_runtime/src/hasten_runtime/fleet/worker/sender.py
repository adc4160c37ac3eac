"""What a worker sends up one link: replies of one moment together, each message with the load."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hasten.common.v1.load_pb2 import Load, WorkerState
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.fleet import messages
from hasten_runtime.fleet.worker.outbox import Outbox
from hasten_runtime.frames import Frames
from hasten_runtime.message_limit import GRPC_BYTES_MAX, content_bytes_max

REPLIES_BESIDE_BYTES_MAX: Final = 64 * 1024
"""Replies that leave before the next batch begins; more would keep it waiting."""
UNCOUNTED_BYTES_MAX: Final = 1024 * 1024
"""Replies of one link that wait count only beyond this: a moment's worth is nobody's fault."""
PENDING_BYTES_MAX: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EndLimits:
    """Bounds of the worker's end of one link.

    Attributes:
        message_bytes_max: Largest message; a reply that is larger is refused instead, as it
            would break the link.
        coalesce_bytes_max: Replies share a message up to this size, or less where messages
            are smaller.
        pending_bytes_max: Replies waiting for a reader that does not read; one more ends the
            link.
        calls_max: Unanswered calls on the link; more end it. Far above the credits of any router.
        write_stall_s: A router that takes nothing for this long loses its link, ...
        read_stall_s: ... and one that stops in the middle of a message for this long.
        frame_calls_max: Calls in one message; more end the link, as do more cancels than calls_max.
        state_period_s: Longest time between two states on the link.
    """

    message_bytes_max: int = GRPC_BYTES_MAX
    coalesce_bytes_max: int = 1024 * 1024
    pending_bytes_max: int = PENDING_BYTES_MAX
    calls_max: int = 10_000
    write_stall_s: float = 10.0
    read_stall_s: float = 10.0
    frame_calls_max: int = 4096
    state_period_s: float = 0.25

    @property
    def replies_bytes_max(self) -> int:
        """What the replies in one message may take, so that the rest of it fits beside them."""
        return content_bytes_max(self.message_bytes_max)


@dataclass(frozen=True, slots=True)
class Figures:
    """Where the sender reads what it tells with the replies, each time anew.

    Attributes:
        load: The worker's load, as this link should hear it.
        state: Its whole state.
    """

    load: Callable[[], Load]
    state: Callable[[], WorkerState]


class ReplySender:
    """Sends replies, load and state up one link, and ends a link that nobody reads.

    Args:
        connection: Of the link.
        limits: Bounds.
        clock: The worker's.
        figures: What is told with the replies.
        held: Where many bytes of replies that wait are counted; None for nowhere.
    """

    def __init__(
        self,
        connection: Frames,
        limits: EndLimits,
        clock: Clock,
        figures: Figures,
        held: ByteBudget | None = None,
    ) -> None:
        self._held = None if held is None else held.lease()
        self._connection = connection
        self._limits = limits
        self._clock = clock
        self._figures = figures
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox(min(limits.coalesce_bytes_max, limits.replies_bytes_max))
        self._state_due = True
        self._flush_due = False
        self._clogged_since_s = math.inf
        self._unsent = 0
        self._received = 0
        self._half_periods = 0
        self._timer = self._loop.call_later(limits.state_period_s, self._state_period)
        self.received = 0
        """Calls that came over the link and were taken or refused; told with each load."""
        self.fault: Refusal | None = None
        """Why the link ends, when something is wrong with it."""

    def send(self, reply: bytes) -> None:
        """Sends a reply, encoded as a field of ToRouter, soon."""
        if self._outbox.size_bytes > self._limits.pending_bytes_max:
            self.fail(
                Reason.QUEUE_FULL,
                f"{self._outbox.size_bytes} bytes of replies wait to be read, expected at most "
                f"{self._limits.pending_bytes_max}: the reader is too slow",
            )
            return
        self._outbox.put(reply)
        self._count()
        self.flush_soon()

    @property
    def unread(self) -> int:
        """Replies that wait."""
        return len(self._outbox)

    def _count(self) -> None:
        """Holds the budget for replies that gather because nobody reads them."""
        size = self._outbox.size_bytes
        if self._held is None or (size <= UNCOUNTED_BYTES_MAX and not self._held.own):
            return
        try:
            self._held.hold(size if size > UNCOUNTED_BYTES_MAX else 0)
        except MeshError as error:
            self.fail(error.refusal.reason, error.refusal.message)

    def send_at_once(self, running: bytes) -> None:
        """Sends what runs now, before the batch begins, with the few replies that wait."""
        parts = [running]
        try:
            if self._outbox and self._outbox.size_bytes <= REPLIES_BESIDE_BYTES_MAX:
                # They would leave at the end of this round: so they share a message.
                parts += self._next_message()
                self._flush_due = bool(self._outbox) and self._flush_due
            self._connection.send_at_once(parts)
        except Exception as error:  # noqa: BLE001  (as in _flush)
            self._connection.abort(error)

    def state_changed(self) -> None:
        """Sends the whole state with the next message, soon."""
        self._state_due = True
        self.flush_soon()

    def flush_soon(self) -> None:
        """At the end of the loop's round, so that what ends together travels together."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def writable(self) -> None:
        """The router reads again."""
        self._clogged_since_s = math.inf
        self.flush_soon()

    def finish(self) -> None:
        """Ends the link once what waits has been sent."""
        while self._outbox:
            self._connection.send(self._next_message())
        # What is unanswered now is so because this worker leaves, and not because it died of it.
        self._connection.send([messages.encode_running((), others_wait=True)])
        self._connection.close()

    def fail(self, reason: Reason, message: str) -> None:
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

    def close(self) -> None:
        """The link has ended."""
        self._timer.cancel()
        if self._held is not None:
            self._held.end()

    def _flush(self) -> None:
        if not self._flush_due:
            return
        self._flush_due = False
        if self.fault is not None:
            return
        try:
            while not self._connection.clogged:
                self._connection.send(self._next_message())
                self._count()
                if not self._outbox:
                    return
        except Exception as error:  # noqa: BLE001  (ends this link, or its calls wait for ever)
            self._connection.abort(error)
            return
        self._clogged_since_s = min(self._clogged_since_s, self._clock.now_s())

    def _next_message(self) -> list[bytes]:
        replies = self._outbox.take()
        load = self._figures.load()
        load.received = self.received
        state = None
        if self._state_due:
            self._state_due = False
            state = self._figures.state()
            state.load.received = self.received
        return [*replies, messages.encode_load(load, state)]

    def _state_period(self) -> None:
        unsent = self._connection.bytes_unsent
        if unsent < self._unsent:
            # It reads, if slowly: a large reply may take long over a slow network.
            self._clogged_since_s = math.inf
        self._unsent = unsent
        if self._clock.now_s() - self._clogged_since_s > self._limits.write_stall_s:
            self.fail(
                Reason.QUEUE_FULL,
                f"nothing was read for {self._limits.write_stall_s} s: the reader is too slow",
            )
            return
        if self._stopped_half_way():
            self.fail(
                Reason.INVALID_REQUEST,
                f"a message stopped half way, and nothing of it came for "
                f"{self._limits.read_stall_s:g} s",
            )
            return
        self.state_changed()
        self._timer = self._loop.call_later(self._limits.state_period_s, self._state_period)

    def _stopped_half_way(self) -> bool:
        """Counted in periods, not by the clock: a worker that stood still has heard nothing."""
        came, self._received = self._received, self._connection.bytes_received
        waits = self._connection.half_received and came == self._received
        self._half_periods = self._half_periods + 1 if waits else 0
        return self._half_periods * self._limits.state_period_s > self._limits.read_stall_s
