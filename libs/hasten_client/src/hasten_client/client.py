# Generated from aio.py by `make client`: change that file.
"""The synchronous client."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import grpc

from hasten.inference.v2 import inference_pb2 as pb
from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_client import channel, operations, streams, timing, views
from hasten_client.caller import Caller
from hasten_client.request import (
    InferRequest,
    Metadata,
    ParameterValue,
    call_metadata,
    check_deadline,
    message,
)
from hasten_client.result import Result, result
from hasten_client.retry import RetryPolicy
from hasten_client.transport import Requests

if TYPE_CHECKING:
    from hasten_client.codec import TensorLike


class Client(Caller):
    """Calls a router, a worker, or any server of the Open Inference Protocol v2.

    It connects at the first call. Use it in `with`, or `close()` it. One client serves any
    number of threads at once; its calls share one retry budget.

    Args:
        address: "host:port", or any gRPC target.
        credentials: TLS credentials; None for plaintext.
        retry: When to retry; `RetryPolicy(attempts_max=1)` never does.
        metadata: gRPC metadata of every call.
        options: gRPC channel options that are added to the client's own.
    """

    def __init__(
        self,
        address: str = "localhost:8001",
        *,
        credentials: grpc.ChannelCredentials | None = None,
        retry: RetryPolicy | None = None,
        metadata: Metadata | None = None,
        options: channel.Options = (),
    ) -> None:
        super().__init__(
            address, credentials=credentials, retry=retry, metadata=metadata, options=options
        )

    def infer(  # noqa: PLR0913  (each option is a keyword of the one main call)
        self,
        model: str,
        inputs: "Mapping[str, TensorLike]",
        *,
        version: str = "",
        outputs: Sequence[str] | None = None,
        deadline_s: float | None = None,
        priority: str | int = "normal",
        tenant: str = "",
        request_id: str | None = None,
        timing: bool = False,
        parameters: Mapping[str, ParameterValue] | None = None,
        traceparent: str | None = None,
        metadata: Metadata | None = None,
    ) -> Result:
        """Runs one inference and waits for its answer.

        Args:
            model: Model name.
            inputs: Value of each input by name: arrays keep their dtype, lists become BYTES,
                BOOL, INT64 or FP32.
            version: Model version; "" for the server's choice.
            outputs: Names of the outputs wanted; None for all.
            deadline_s: Seconds within which the answer is of use; None for the model's
                default. Retries and their waits stay inside it.
            priority: "high", "normal", "low" or "batch", or a level: 1 is the highest.
            tenant: Who pays; "" for the default tenant.
            request_id: Comes back in the result; None for a fresh one.
            timing: Ask where the time went.
            parameters: Further request parameters.
            traceparent: W3C trace context to continue.
            metadata: Extra gRPC metadata.

        Raises:
            HastenError: A subclass that says why there is no answer.
        """
        request = InferRequest(
            model=model,
            inputs=inputs,
            version=version,
            outputs=outputs,
            priority=priority,
            tenant=tenant,
            request_id=request_id,
            timing=timing,
            parameters=parameters,
        )
        return self.infer_request(
            request, deadline_s=deadline_s, traceparent=traceparent, metadata=metadata
        )

    def infer_request(
        self,
        request: InferRequest,
        *,
        deadline_s: float | None = None,
        traceparent: str | None = None,
        metadata: Metadata | None = None,
    ) -> Result:
        """As `infer`, for a request that is a value."""
        begin_s = time.monotonic()
        operation = operations.infer(message(request))
        wire, trailers = self._call(
            operation, check_deadline(deadline_s), call_metadata(metadata, traceparent)
        )
        total_s = time.monotonic() - begin_s
        return result(wire, timing.breakdown(trailers.get(timing.TRAILER), total_s=total_s))

    def stream_infer(
        self,
        requests: Requests,
        *,
        deadline_s: float | None = None,
        traceparent: str | None = None,
        metadata: Metadata | None = None,
    ) -> Iterator[Result]:
        """Sends requests over one stream and yields answers as they come.

        Nothing is retried. The first request that fails ends the stream; when `requests`
        raises, answers that are under way still come, then its exception.

        Args:
            requests: What to send; read as fast as the server takes it.
            deadline_s: Seconds for the whole stream; None for no limit.
            traceparent: W3C trace context to continue.
            metadata: Extra gRPC metadata.

        Raises:
            HastenError: Why a request has no answer.
        """
        wires = self._transport.stream(
            streams.INFER,
            requests,
            timeout=check_deadline(deadline_s),
            metadata=streams.metadata(self._metadata, call_metadata(metadata, traceparent)),
        )
        with closing(wires):
            for wire in wires:
                yield streams.answer(wire)

    def live(self, *, deadline_s: float | None = None) -> bool:
        """Is the server's process alive?"""
        return self._ask(operations.live(), deadline_s)

    def ready(self, model: str = "", version: str = "", *, deadline_s: float | None = None) -> bool:
        """Can the server, or the model where one is named, take inference requests?"""
        if model:
            return self._ask(operations.model_ready(model, version), deadline_s)
        return self._ask(operations.ready(), deadline_s)

    def server_metadata(self, *, deadline_s: float | None = None) -> views.ServerMetadata:
        """Who answers."""
        return self._ask(operations.server_metadata(), deadline_s)

    def metadata(
        self, model: str, version: str = "", *, deadline_s: float | None = None
    ) -> views.ModelMetadata:
        """What a model takes and gives."""
        return self._ask(operations.model_metadata(model, version), deadline_s)

    def config(
        self, model: str, version: str = "", *, deadline_s: float | None = None
    ) -> ModelConfig:
        """A model's configuration in Triton's form."""
        return self._ask(operations.model_config(model, version), deadline_s)

    def statistics(
        self, model: str = "", version: str = "", *, deadline_s: float | None = None
    ) -> list[pb.ModelStatistics]:
        """What models did so far; all models for an empty name."""
        return self._ask(operations.statistics(model, version), deadline_s)

    def index(
        self, *, ready_only: bool = False, deadline_s: float | None = None
    ) -> list[views.ModelState]:
        """The models of the repository and their states, by name and version."""
        return self._ask(operations.index(ready_only=ready_only), deadline_s)

    def load(
        self,
        model: str,
        *,
        config_json: str | None = None,
        files: Mapping[str, bytes] | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """Loads a model, or loads it again; returns when it serves.

        Args:
            model: Model name.
            config_json: Configuration that replaces the one in the repository.
            files: Files that replace those of the repository, by path below the model's
                folder, for example "1/model.onnx".
            deadline_s: Longest wait.
        """
        self._ask(operations.load(model, config_json, files), deadline_s)

    def unload(
        self, model: str, *, unload_dependents: bool = False, deadline_s: float | None = None
    ) -> None:
        """Unloads a model."""
        self._ask(operations.unload(model, unload_dependents=unload_dependents), deadline_s)

    def workers(self, *, deadline_s: float | None = None) -> list[views.Worker]:
        """The workers as the router sees them, by name."""
        return self._ask(operations.workers(), deadline_s)

    def drain_worker(
        self, worker_id: str, *, patience_s: float = 0.0, deadline_s: float | None = None
    ) -> int:
        """Takes a worker out of rotation; returns when it is idle.

        Args:
            worker_id: The worker.
            patience_s: Longest wait for its accepted calls; 0 for the worker's own setting.
            deadline_s: Longest wait for the answer.

        Returns:
            Calls that were still open when patience ended.
        """
        return self._ask(operations.drain_worker(worker_id, patience_s), deadline_s)
