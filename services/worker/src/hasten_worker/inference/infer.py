"""ModelInfer: one request, one answer."""

import asyncio
from typing import Any, Final, Protocol

from opentelemetry import trace

from hasten.common.v1.timing_pb2 import Timing
from hasten.inference.v2.inference_pb2 import ModelInferResponse
from hasten_policy.reasons import Refusal
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.inference_head import read_head
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.protocol_names import TIMING_TRAILER
from hasten_runtime.request_head import parse_parameters, time_left_s
from hasten_worker.decoding import RequestDecoder, parse
from hasten_worker.shell.call import Call, timing_of
from hasten_worker.shell.shell import Shell
from hasten_worker.tensors.encode import response_too_large

STREAM_ENVELOPE_BYTES: Final = 1024
"""Room in a stream's message around a response."""


class Context(Protocol):
    """The part of a servicer context that is used here."""

    def time_remaining(self) -> float | None:
        """Seconds until the RPC's deadline; None when it has none."""
        ...

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:  # noqa: ANN401  (gRPC's own)
        """Sent when the call ends."""
        ...


class Waiter:
    """A sink that one coroutine waits at."""

    __slots__ = ("_future", "refusal", "response")

    def __init__(self) -> None:
        self.response: ModelInferResponse | None = None
        self.refusal: Refusal | None = None
        self._future: asyncio.Future[None] | None = None

    def answered(self, call: Call, response: ModelInferResponse, service_s: float) -> None:
        """Wakes the coroutine."""
        del call, service_s
        self.response = response
        self._wake()

    def refused(self, call: Call, refusal: Refusal) -> None:
        """Wakes the coroutine."""
        del call
        self.refusal = refusal
        self._wake()

    async def outcome(self) -> ModelInferResponse:
        """The answer. Raises MeshError for a refusal."""
        if self.response is None and self.refusal is None:
            self._future = asyncio.get_running_loop().create_future()
            await self._future
        if self.response is None:
            assert self.refusal is not None  # noqa: S101  (woken by one of the two)
            raise MeshError(self.refusal)
        return self.response

    def _wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class Inference:
    """Runs requests of the public protocol."""

    def __init__(
        self,
        shell: Shell,
        decoder: RequestDecoder,
        *,
        clock: Clock,
        worker_id: str,
        limit: MessageLimit,
    ) -> None:
        self._shell = shell
        self._decoder = decoder
        self._clock = clock
        self._worker_id = worker_id
        self._limit = limit
        self._response_bytes_max = limit.bytes_max - STREAM_ENVELOPE_BYTES

    async def model_infer(self, payload: bytes, context: Context) -> bytes:
        """Answers one request. Takes and gives serialised messages."""
        response, timing = await self.run(payload, context.time_remaining())
        if timing is not None:
            context.set_trailing_metadata(((TIMING_TRAILER, timing.SerializeToString()),))
        return response.SerializeToString()

    async def run(
        self, payload: bytes, rpc_left_s: float | None
    ) -> tuple[ModelInferResponse, Timing | None]:
        """The answer, and where its time went if the request asks.

        Raises:
            MeshError: There is no answer.
        """
        arrived_s = self._clock.now_s()
        waiter = Waiter()
        request = None
        try:
            self._limit.check(payload)
            # Before anything is made of it: many small parts take many times their size.
            read_head(payload, self._decoder.bounds)
            request = parse(payload)
            head = parse_parameters(request.parameters)
            call = self._decoder.call_for(request, waiter, link_id=0, arrived_s=arrived_s)
            call.payload_bytes = len(payload)
            call.time_left_s = time_left_s(head.timeout_s, rpc_left_s)
            call.priority = head.priority_class
            call.tenant = head.tenant
            span = trace.get_current_span()
            call.span = span if span.is_recording() else None
            if self._decoder.is_heavy(request, len(payload)):
                await self._decoder.fill_aside(call, request)
            else:
                self._decoder.fill(call, request)
        except MeshError as error:
            self._shell.refused_early(error.refusal, self._decoder.known_model(request))
            raise
        self._shell.take((call,))
        try:
            response = await waiter.outcome()
        except asyncio.CancelledError:
            self._shell.cancel(call)
            raise
        if response.ByteSize() > self._response_bytes_max:
            raise MeshError(response_too_large(response.ByteSize(), self._limit.bytes_max))
        if not head.want_timing:
            return response, None
        return response, timing_of(call, worker_id=self._worker_id, now_s=self._clock.now_s())
