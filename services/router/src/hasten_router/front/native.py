"""ModelInfer on the native transport: no task, no future, no message object for each call."""

from collections.abc import Callable
from functools import lru_cache
from math import ceil, inf
from typing import TYPE_CHECKING, cast

from hasten_plane import Asked, Status
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import BarLifted, BarSet
from hasten_router.calls import Call
from hasten_router.front.infer import MESSAGE_VARIABLE, RequestReader, subject_of
from hasten_router.front.port import Barred
from hasten_router.front.timing import breakdown
from hasten_runtime import compressing, logs
from hasten_runtime.errors import REMEMBERED_MAX, MeshError
from hasten_runtime.front_door import FrontDoor
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.plane.faults import refusal_of
from hasten_runtime.plane.server import PlaneServer, status_of
from hasten_runtime.protocol_names import (
    COMPRESSION_WISH,
    MODEL_INFER,
    TIMING_TRAILER,
    TIMING_WISH,
    TRACEPARENT,
)
from hasten_runtime.request_head import time_left_s
from hasten_runtime.telemetry import SampledCall, is_sampled

if TYPE_CHECKING:
    import grpc

FAULT = Refusal(Reason.INTERNAL, f"{MODEL_INFER} failed unexpectedly; the log says how")

CROWDED = Refusal(Reason.OVERLOADED, "too much to do")
"""Counts those that a bar keeps out, whatever each hears."""

_log = logs.logger(__name__)


@lru_cache(REMEMBERED_MAX)
def crowded(need_ms: int, retry_s: float | None) -> Refusal:
    """What those hear whom a bar keeps out, in whole milliseconds, so that many are the same."""
    return Refusal(
        Reason.OVERLOADED,
        f"too much to do: less is left than the {need_ms} ms that a call like this needs now",
        retry_s,
        metadata=(("needed_ms", str(need_ms)),),
    )


class QuickCall(Call):
    """A call that answers its client itself when it ends."""

    __slots__ = ("left_s", "plane_id", "quick", "takes_gzip", "wants_timing")

    def __init__(self, model: str, version: str, payload: bytes, *, arrived_s: float) -> None:
        super().__init__(model, version, payload, arrived_s=arrived_s)
        self.plane_id = 0
        self.left_s: float | None = None
        self.takes_gzip = False
        self.wants_timing = False
        self.quick: QuickInfer | None = None

    def end(self, outcome: bytes | Refusal) -> None:
        """Sets the outcome and sends it."""
        super().end(outcome)
        quick, self.quick = self.quick, None
        if quick is not None:
            quick.ended(self, outcome)


class QuickInfer:
    """Turns calls of the plane into calls of the router, and their outcomes into answers.

    Args:
        reader: Of requests that are not plain.
        door: In front of them.
        wants_span: Decides by the traceparent whether a call is recorded; such a call is answered
            by its handler, as everywhere else.
    """

    path = MODEL_INFER

    def __init__(
        self, reader: RequestReader, door: FrontDoor, wants_span: Callable[[str], bool]
    ) -> None:
        self._reader = reader
        self._calls = reader.door
        self._door = door
        self._now_s = reader.clock.now_s
        self._wants_span = wants_span
        self._open: dict[int, QuickCall] = {}
        self._server: PlaneServer | None = None
        self._barred = False
        """In this turn a bar was set."""
        self._told: Refusal | None = None
        """What those hear whom the door does not let in."""

    def serve(self, server: PlaneServer) -> None:
        """From now on it answers by this server."""
        self._server = server
        self._calls.tell_bars(self)

    def sift(self) -> None:
        """Has the plane refuse what the door would not let in, and counts what it refused."""
        plane = self._served().plane
        bar = self._door.bar(self._now_s())
        need_s, status = (0.0, None) if bar is None else (bar[0], status_of(bar[1]))
        refused = plane.set_bar(need_s, status)
        if refused and self._told is not None:
            self._door.kept_out(self._told, refused)
        self._told = None if bar is None else bar[1]
        self._barred = False
        for model, version, priority, calls in plane.take_kept():
            self._calls.barred(Barred(model, version, priority, CROWDED, calls))

    def set_bar(self, bar: BarSet) -> None:
        """As `BarKeeper.set_bar`."""
        self._barred = True
        need_ms = ceil(bar.left_s * 1e3)
        never = crowded(need_ms, None)
        again_ms = ceil(bar.retry_s * 1e3)
        again = status_of(crowded(need_ms, again_ms / 1e3), inf)
        self._served().plane.add_bar(
            bar.model,
            bar.version,
            priority=bar.priority,
            rows=bar.rows,
            elements=bar.elements,
            left_s=bar.left_s,
            life_s=bar.life_s,
            again_left_s=max(bar.retry_left_s, (again_ms + 1) / 1e3),
            again=again,
            never=status_of(never),
        )

    def lift_bar(self, lifted: BarLifted) -> None:
        """As `BarKeeper.lift_bar`."""
        self._served().plane.lift_bars(lifted.model, lifted.version)

    def asked(self, call: Asked) -> None:
        """A call has come: has it decided on."""
        server = self._served()
        # Others of this turn have just been refused: this one may be like them.
        if self._barred and server.plane.keeps_out(call):
            return
        now_s = self._now_s()
        traceparent = call.header(TRACEPARENT)
        if self._wants_span(traceparent) and not call.fault:
            details = SampledCall(MODEL_INFER, call.metadata())
            server.handle(call, cast("grpc.HandlerCallDetails", details))
            return
        try:
            begun = self._begun(call, traceparent, now_s)
        except MeshError as error:
            self._calls.refused_early(subject_of(call.payload()).model, error.refusal)
            server.plane.finish(call.call_id, status_of(error.refusal, call.left_s))
            return
        self._open[call.call_id] = begun
        try:
            self._calls.begin(begun)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not end the service)
            _log.error("rpc.crashed", method=MODEL_INFER, exc_info=error)
            if begun.outcome is None:
                begun.end(FAULT)

    def gone(self, call_id: int) -> None:
        """Nobody waits for this call any more."""
        call = self._open.pop(call_id, None)
        if call is not None:
            call.quick = None
            self._calls.abandon(call)

    def ended(self, call: QuickCall, outcome: bytes | Refusal) -> None:
        """A call has its outcome."""
        server = self._served()
        self._open.pop(call.plane_id, None)
        if isinstance(outcome, Refusal):
            server.plane.finish(call.plane_id, status_of(outcome, self._left_s(call)))
        else:
            status = None
            if call.wants_timing:
                trailer = (TIMING_TRAILER, breakdown(call).SerializeToString())
                status = Status(0, "", (trailer,))
            packed = call.takes_gzip and compressing.pays(outcome)
            if packed:
                outcome = compressing.packed(outcome)
            server.plane.answer(call.plane_id, outcome, status, packed=packed)
            self._door.answered(call.arrived_s, self._now_s())
        server.flush_soon()

    def _begun(self, call: Asked, traceparent: str, now_s: float) -> QuickCall:
        """The router's call. Raises MeshError."""
        payload = call.payload()
        if call.fault:
            limit = MessageLimit(self._reader.limits.request_bytes_max, MESSAGE_VARIABLE)
            raise MeshError(refusal_of(call.fault, "a request", call.size_bytes, limit))
        trace = traceparent if self._reader.hears_traces and is_sampled(traceparent) else ""
        facts = call.head()
        left_s = call.left_s
        if facts is None or len(payload) > self._reader.limits.request_bytes_max:
            head, wishes = self._reader.read(payload)
            begun = QuickCall(head.model_name, head.model_version, payload, arrived_s=now_s)
            begun.rows, begun.elements = head.rows, head.elements
            begun.wants_timing = wishes.want_timing
            self._reader.fill_in(begun, wishes, left_s, trace)
        else:
            model, version, _, rows, elements, *_ = facts
            begun = QuickCall(model, version, payload, arrived_s=now_s)
            begun.rows, begun.elements = rows, elements
            priority, timeout_us, begun.tenant, begun.affinity, timing = facts[5:]
            begun.priority, begun.wants_timing = priority, timing
            timeout_s = None if timeout_us is None else timeout_us / 1e6
            begun.time_left_s = time_left_s(timeout_s, left_s)
            begun.caller_traceparent = trace
        begun.plane_id = call.call_id
        begun.left_s = left_s
        begun.wants_timing = begun.wants_timing or call.header(TIMING_WISH) == "1"
        begun.takes_gzip = call.header(COMPRESSION_WISH) == "gzip"
        begun.quick = self
        return begun

    def _left_s(self, call: QuickCall) -> float | None:
        if call.left_s is None:
            return None
        return call.left_s - (self._now_s() - call.arrived_s)

    def _served(self) -> PlaneServer:
        assert self._server is not None, "not served yet"  # noqa: S101  (the server calls serve first)
        return self._server
