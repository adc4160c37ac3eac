"""A worker that speaks the real protocol and computes nothing: over sockets, or in virtual time.

Real workers are too good for some tests: this one answers when the test says so, and shows
everything that the router sent.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import grpc

from hasten.common.v1 import load_pb2, timing_pb2
from hasten.inference.v2 import inference_pb2
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import wire
from hasten_runtime.errors import MeshError
from hasten_runtime.inference_service import inference_handler
from tests.support.framed import frame, read_frame
from tests.support.rpc import Server, served

SERVICE = "hasten.worker.v1.WorkerService"
REPORT_S = 0.2
COMPUTE_US = 2
"""Less than the round trip takes, or nothing of it would be left for the wire."""


def model_load(name: str = "echo", *, best_s: float = 0.001) -> load_pb2.ModelLoad:
    """A model that is ready."""
    return load_pb2.ModelLoad(
        name=name,
        version="1",
        serves_unversioned=True,
        alpha_s=best_s,
        beta_s=0.0,
        best_s=best_s,
        batch_max=8,
        service_s=best_s,
        ready=True,
    )


def request(model: str = "echo", request_id: str = "", data: bytes = b"tensor") -> Any:
    """A request with one tensor."""
    message = inference_pb2.ModelInferRequest(model_name=model, id=request_id)
    message.inputs.add(name="INPUT", datatype="UINT8", shape=[1, len(data)])
    message.raw_input_contents.append(data)
    return message


class FakeWorker:
    """One worker. By default it answers each call at once with `answer`.

    Attributes:
        calls: Every call received, in order.
        cancelled: Every cancelled call id, in order.
        messages: Number of messages with calls.
        holds: While True, calls are kept unanswered in `held`.
        held: Calls waiting for `release`.
        refuses: The refusal that every call gets, if set.
        credits: Calls that a router may have here at once.
        silent: While True, the state is not told again and again.
        admits: While False, no ticket opens a link.
        hellos: Callers that opened a link.
    """

    def __init__(self, worker_id: str = "fake") -> None:
        self.worker_id = worker_id
        self.incarnation = "1"
        self.models = [model_load()]
        self.credits = 64
        self.draining = False
        self.holds = False
        self.unannounced = False
        self.gaps: list[load_pb2.ModelGap] = []
        self.silent = False
        self.admits = True
        self.refuses: Refusal | None = None
        self.calls: list[pb.Call] = []
        self.cancelled: list[int] = []
        self.messages = 0
        self.hellos: list[str] = []
        self.held: list[tuple[pb.Call, asyncio.Queue[pb.ToRouter]]] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.asked: list[tuple[str, Any]] = []
        self.address = ""
        self._seq = 0
        self._streams: set[asyncio.Queue[pb.ToRouter]] = set()
        self._received: dict[asyncio.Queue[pb.ToRouter], int] = {}
        self._server: Server | None = None
        self._links: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.links_port = 0

    # --- life ------------------------------------------------------------------------

    async def start(self, address: str = "127.0.0.1:0") -> str:
        self._links = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.links_port = self._links.sockets[0].getsockname()[1]
        handlers = (self._worker_handler(), self._inference_handler())
        self._server, self.address = await served(handlers, address)
        return self.address

    async def stop(self) -> None:
        """As kill -9 looks from outside: connections end, nothing is answered."""
        if self._links is not None:
            self._links.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    # --- what tests do ---------------------------------------------------------------

    def release(self) -> None:
        """Answers everything held."""
        held, self.held = self.held, []
        for call, outbox in held:
            self._answer(call, outbox)

    @property
    def links_open(self) -> int:
        """Links that have shown their ticket."""
        return len(self._streams)

    def report(self) -> None:
        """Sends the state to every router now."""
        for outbox in self._streams:
            outbox.put_nowait(pb.ToRouter(state=self._state(outbox)))

    def say_fault(self, refusal: Refusal) -> None:
        """Tells every router that something is wrong with its link."""
        for outbox in self._streams:
            outbox.put_nowait(pb.ToRouter(fault=wire.failure_to_wire(refusal)))

    def say_running(self, *call_ids: int) -> None:
        """Tells every router that these calls run, and all others wait."""
        for outbox in self._streams:
            running = pb.Running(call_ids=call_ids, others_wait=True)
            outbox.put_nowait(pb.ToRouter(running=running))

    def write(self, content: bytes) -> None:
        """Sends these bytes to every router."""
        for writer in self._writers:
            writer.write(content)

    def hide_links(self) -> None:
        """Takes no more connections at the port of the links."""
        assert self._links is not None
        self._links.close()

    # --- links -----------------------------------------------------------------------

    async def _open_link(self, request: pb.OpenLinkRequest, _: Any) -> pb.OpenLinkResponse:
        self.hellos.append(request.caller_id)
        return pb.OpenLinkResponse(port=self.links_port, ticket=b"ticket")

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        first = pb.ToWorker.FromString(await read_frame(reader) or b"")
        assert first.ticket == b"ticket"
        if not self.admits:
            self._writers.discard(writer)
            writer.transport.abort()
            return
        outbox: asyncio.Queue[pb.ToRouter] = asyncio.Queue()
        self._streams.add(outbox)
        self._received[outbox] = 0
        reading = asyncio.create_task(self._read(reader, outbox))
        reporter = asyncio.create_task(self._report(outbox))
        try:
            while not reading.done():
                message = await outbox.get()
                writer.write(frame(message.SerializeToString()))
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._streams.discard(outbox)
            reading.cancel()
            reporter.cancel()
            self.held = [(call, box) for call, box in self.held if box is not outbox]

    async def _read(self, reader: asyncio.StreamReader, outbox: asyncio.Queue[pb.ToRouter]) -> None:
        while (content := await read_frame(reader)) is not None:
            message = pb.ToWorker.FromString(content)
            self.messages += bool(message.calls)
            self._received[outbox] += len(message.calls)
            # Cancels first, as real workers do.
            for call_id in message.cancelled_call_ids:
                self.cancelled.append(call_id)
                self.held = [pair for pair in self.held if pair[0].call_id != call_id]
            for call in message.calls:
                self.calls.append(call)
                if self.holds:
                    self.held.append((call, outbox))
                else:
                    self._answer(call, outbox)
        outbox.put_nowait(pb.ToRouter())

    async def _report(self, outbox: asyncio.Queue[pb.ToRouter]) -> None:
        while True:
            if not self.silent:
                outbox.put_nowait(pb.ToRouter(state=self._state(outbox)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_S):
                    await asyncio.Event().wait()

    def _answer(self, call: pb.Call, outbox: asyncio.Queue[pb.ToRouter]) -> None:
        reply = pb.Reply(call_id=call.call_id, service_s=0.001)
        if self.refuses is not None:
            reply.failure.CopyFrom(wire.failure_to_wire(self.refuses))
        else:
            request = inference_pb2.ModelInferRequest.FromString(call.payload)
            response = inference_pb2.ModelInferResponse(
                model_name=request.model_name,
                model_version="1",
                id=request.id,
                raw_output_contents=request.raw_input_contents,
            )
            for given in request.inputs:
                response.outputs.add(name=given.name, datatype=given.datatype, shape=given.shape)
            reply.payload = response.SerializeToString()
            reply.timing.CopyFrom(
                timing_pb2.Timing(
                    worker_queue_us=1, compute_us=COMPUTE_US, worker_id=self.worker_id
                )
            )
        outbox.put_nowait(pb.ToRouter(replies=[reply], load=self._load(outbox)))

    def _load(self, outbox: asyncio.Queue[pb.ToRouter] | None) -> load_pb2.Load:
        self._seq += 1
        return load_pb2.Load(
            seq=self._seq,
            depth=len(self.held),
            backlog_s=0.0,
            received=self._received[outbox] if outbox is not None else 0,
            window=self.credits,
            service_s=0.001,
        )

    def _state(self, outbox: asyncio.Queue[pb.ToRouter] | None) -> load_pb2.WorkerState:
        return load_pb2.WorkerState(
            worker_id=self.worker_id,
            incarnation=self.incarnation,
            draining=self.draining,
            lanes=1,
            load=self._load(outbox),
            models=self.models,
            address=self.address,
            gaps=self.gaps,
            unannounced=self.unannounced,
        )

    # --- the rest --------------------------------------------------------------------

    async def _drain(self, _: pb.DrainRequest, __: Any) -> pb.DrainResponse:
        self.draining = True
        self.report()
        return pb.DrainResponse(abandoned=len(self.held))

    async def _get_state(self, _: pb.GetStateRequest, __: Any) -> pb.GetStateResponse:
        outbox = next(iter(self._streams), None)
        return pb.GetStateResponse(state=self._state(outbox))

    def _worker_handler(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "OpenLink": grpc.unary_unary_rpc_method_handler(
                    self._open_link,
                    request_deserializer=pb.OpenLinkRequest.FromString,
                    response_serializer=pb.OpenLinkResponse.SerializeToString,
                ),
                "Drain": grpc.unary_unary_rpc_method_handler(
                    self._drain,
                    request_deserializer=pb.DrainRequest.FromString,
                    response_serializer=pb.DrainResponse.SerializeToString,
                ),
                "GetState": grpc.unary_unary_rpc_method_handler(
                    self._get_state,
                    request_deserializer=pb.GetStateRequest.FromString,
                    response_serializer=pb.GetStateResponse.SerializeToString,
                ),
            },
        )

    def _inference_handler(self) -> grpc.GenericRpcHandler:
        service = inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
        return inference_handler(
            {
                method.name: self._asked(method.name)
                for method in service.methods
                if not method.server_streaming
            }
        )

    def _asked(self, method: str) -> Callable[..., Any]:
        async def answer(request: Any, _: Any) -> Any:
            self.asked.append((method, request))
            given = self.answers.get(method)
            if given is None:
                raise MeshError(Refusal(Reason.UNIMPLEMENTED, f"{method} has no answer here"))
            response = given(request)
            return await response if asyncio.iscoroutine(response) else response

        return answer
