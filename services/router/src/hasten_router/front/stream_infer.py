"""ModelStreamInfer: many requests in flight on one client stream, answers as they come."""

import asyncio
import contextlib
from typing import Final, cast

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Refusal
from hasten_router.calls import Call
from hasten_router.front.infer import RequestReader, Subject, read_metadata, subject_of
from hasten_runtime import errors, fields, protocol_names
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context

_INFER_RESPONSE_KEY: Final = fields.key(pb.ModelStreamInferResponse.INFER_RESPONSE_FIELD_NUMBER)
# Serialised messages that are joined are merged: this adds a parameter to an answer.
_FINAL: Final = pb.ModelInferResponse(
    parameters={protocol_names.FINAL_RESPONSE: pb.InferParameter(bool_param=True)}
).SerializeToString()


class StreamCall(Call):
    """A call of a stream; when it ends it lines up to be written."""

    __slots__ = ("request_id", "session")

    def __init__(
        self, model: str, version: str, payload: bytes, *, arrived_s: float, session: "Session"
    ) -> None:
        super().__init__(model, version, payload, arrived_s=arrived_s)
        self.session = session
        self.request_id = ""

    @property
    def subject(self) -> Subject:
        """Whom its answer concerns."""
        return Subject(self.model, self.request_id)

    def end(self, outcome: bytes | Refusal) -> None:
        """Sets the outcome and queues it for the stream."""
        super().end(outcome)
        self.session.ended(self)


class Session:
    """One client stream.

    What is between being read and being written is bounded by count and bytes, so a client
    that does not read its answers stops its own stream and nothing else.
    """

    def __init__(self, reader: RequestReader, context: Context) -> None:
        self._reader = reader
        self._context = context
        self._limits = reader.limits
        self._room = asyncio.Semaphore(reader.limits.stream_in_flight_max)
        self._unread_bytes = 0
        self._taken = asyncio.Event()
        self._open: set[StreamCall] = set()
        # What to write and whom it concerns; bounded by the semaphore.
        self._outbox: asyncio.Queue[tuple[bytes | Refusal, Subject] | None] = asyncio.Queue()
        self._read_all = False
        self._traceparent = read_metadata(context, hears_traces=reader.hears_traces).traceparent
        self._aborts = protocol_names.ends_on_error(context.invocation_metadata())

    async def run(self) -> None:
        """Serves the stream until the client has its last answer, or is gone."""
        reading = asyncio.create_task(self._read(), name="stream-infer-read")
        try:
            while (item := await self._outbox.get()) is not None:
                await self._write(*item)
                self._room.release()
            await reading
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            for call in list(self._open):
                self._reader.door.abandon(call)

    def ended(self, call: StreamCall) -> None:
        """A call has its outcome."""
        self._open.discard(call)
        assert call.outcome is not None, "ended without an outcome"  # noqa: S101  (set by end)
        if isinstance(call.outcome, bytes):
            self._unread_bytes += len(call.outcome)
        self._outbox.put_nowait((call.outcome, call.subject))
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._read_all and not self._open:
            self._outbox.put_nowait(None)

    async def _read(self) -> None:
        try:
            while True:
                await self._room.acquire()
                while self._unread_bytes > self._limits.stream_unread_bytes_max:
                    self._taken.clear()
                    await self._taken.wait()
                request = await self._context.read()
                if not isinstance(request, bytes):
                    break
                self._take(request)
        finally:
            self._read_all = True
            self._finish_if_done()

    def _take(self, request: bytes) -> None:
        arrived_s = self._reader.clock.now_s()
        try:
            head, wishes = self._reader.read(request)
            call = StreamCall(
                head.model_name, head.model_version, request, arrived_s=arrived_s, session=self
            )
            call.request_id = head.request_id
            call.rows, call.elements = head.rows, head.elements
            left_s = self._context.time_remaining()
            self._reader.fill_in(call, wishes, left_s, self._traceparent)
        except MeshError as error:
            subject = subject_of(request)
            self._reader.door.refused_early(subject.model, error.refusal)
            self._outbox.put_nowait((error.refusal, subject))
            return
        self._open.add(call)
        self._reader.door.begin(call)

    async def _write(self, outcome: bytes | Refusal, subject: Subject) -> None:
        if isinstance(outcome, bytes):
            await self._context.write(answer_message(outcome))
            self._unread_bytes -= len(outcome)
            self._taken.set()
        elif self._aborts:
            await errors.abort(cast("errors.Aborting", self._context), outcome)
        else:
            await self._context.write(error_message(outcome, subject))


def answer_message(answer: bytes) -> bytes:
    """A ModelStreamInferResponse around a serialised answer, marked as the request's last."""
    return b"".join((_INFER_RESPONSE_KEY, fields.varint(len(answer) + len(_FINAL)), answer, _FINAL))


def error_message(refusal: Refusal, subject: Subject) -> bytes:
    """A ModelStreamInferResponse that says what went wrong with which request."""
    return pb.ModelStreamInferResponse(
        error_message=refusal.message,
        infer_response=pb.ModelInferResponse(
            model_name=subject.model,
            id=subject.request_id,
            parameters={protocol_names.REASON: pb.InferParameter(string_param=refusal.reason.name)},
        ),
    ).SerializeToString()


async def stream_infer(reader: RequestReader, context: Context) -> None:
    """Serves one client stream."""
    await Session(reader, context).run()
