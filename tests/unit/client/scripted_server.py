"""A real gRPC server in this process that answers as a script says."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from hasten.common.v1.timing_pb2 import Timing
from hasten.inference.v2 import inference_pb2 as pb

SERVICE = "inference.GRPCInferenceService"
TIMING = Timing(
    admission_us=10,
    router_queue_us=20,
    worker_queue_us=30,
    batch_wait_us=40,
    preprocess_us=50,
    compute_us=60,
    postprocess_us=70,
    wire_us=80,
    batch_rows=4,
    worker_id="worker-1",
)

Answer = Callable[[pb.ModelInferRequest], pb.ModelInferResponse]


@dataclass(frozen=True)
class Fail:
    """End the call with this status."""

    code: grpc.StatusCode
    message: str = "no"
    reason: str = ""
    retry_after_s: float | None = None
    pushback: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    raw_details: bytes | None = None

    def trailers(self) -> tuple[tuple[str, str | bytes], ...]:
        found: list[tuple[str, str | bytes]] = []
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        for detail in self._details():
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        if self.raw_details is not None:
            found.append(("grpc-status-details-bin", self.raw_details))
        elif status.details:
            found.append(("grpc-status-details-bin", status.SerializeToString()))
        if self.pushback is not None:
            found.append(("grpc-retry-pushback-ms", self.pushback))
        return tuple(found)

    def _details(self) -> Iterator[Any]:
        # An unknown detail must not disturb the known ones.
        yield error_details_pb2.Help()
        if self.reason:
            yield error_details_pb2.ErrorInfo(
                reason=self.reason, domain="hasten.dev", metadata=self.metadata
            )
        if self.retry_after_s is not None:
            delay = Duration()
            delay.FromNanoseconds(round(self.retry_after_s * 1e9))
            yield error_details_pb2.RetryInfo(retry_delay=delay)


def echo(request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    """Every input comes back as an output of the same name."""
    response = pb.ModelInferResponse(
        model_name=request.model_name, model_version=request.model_version or "1", id=request.id
    )
    for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
        response.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        response.raw_output_contents.append(raw)
    return response


@dataclass
class Seen:
    """A call as it reached the server."""

    request: pb.ModelInferRequest
    metadata: dict[str, str | bytes]
    time_left_s: float | None


class ScriptedServer:
    """`with ScriptedServer() as server`: each call takes the next step of `script`, or echoes."""

    def __init__(self, *options: tuple[str, int]) -> None:
        self.script: deque[Fail | Answer] = deque()
        self.seen: list[Seen] = []
        self.send_timing = True
        self.answers: dict[str, Any] = {}
        self.requests: dict[str, Any] = {}
        self._server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop(None).wait()

    def infer(
        self, request: pb.ModelInferRequest, context: grpc.ServicerContext
    ) -> pb.ModelInferResponse:
        metadata = dict(context.invocation_metadata())
        left_s = context.time_remaining()
        self.seen.append(Seen(request, metadata, None if left_s is None else left_s))
        step = self.script.popleft() if self.script else echo
        if isinstance(step, Fail):
            context.set_trailing_metadata(step.trailers())
            context.abort(step.code, step.message)
        if self.send_timing and "hasten_timing" in request.parameters:
            context.set_trailing_metadata((("hasten-timing-bin", TIMING.SerializeToString()),))
        return step(request)

    def stream(
        self, requests: Iterator[pb.ModelInferRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.ModelStreamInferResponse]:
        for request in requests:
            step = self.script.popleft() if self.script else echo
            if isinstance(step, Fail):
                metadata = dict(context.invocation_metadata())
                if metadata.get("triton_grpc_error") == "true" and step.reason:
                    context.set_trailing_metadata(step.trailers())
                    context.abort(step.code, step.message)
                yield pb.ModelStreamInferResponse(error_message=step.message)
            else:
                yield pb.ModelStreamInferResponse(infer_response=step(request))

    def unary(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.requests[method] = request
        step = self.answers.get(method)
        if step is None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not offered")
        if isinstance(step, Fail):
            context.set_trailing_metadata(step.trailers())
            context.abort(step.code, step.message)
        return bytes(step.SerializeToString())


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        _, service, method = call.method.split("/")
        if service == SERVICE and method == "ModelInfer":
            return grpc.unary_unary_rpc_method_handler(
                self._server.infer,
                request_deserializer=pb.ModelInferRequest.FromString,
                response_serializer=pb.ModelInferResponse.SerializeToString,
            )
        if service == SERVICE and method == "ModelStreamInfer":
            return grpc.stream_stream_rpc_method_handler(
                self._server.stream,
                request_deserializer=pb.ModelInferRequest.FromString,
                response_serializer=pb.ModelStreamInferResponse.SerializeToString,
            )
        if service in {SERVICE, "hasten.router.v1.RouterService"}:
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: self._server.unary(method, request, context)
            )
        return None
