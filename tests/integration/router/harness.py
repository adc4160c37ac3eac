"""A whole router in this process, over real sockets, in front of fake workers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2

from hasten.inference.v2 import inference_pb2 as pb
from hasten_router.life import started
from hasten_router.settings import RouterSettings
from hasten_router.wiring import Router
from tests.support.fake_worker import FakeWorker, request
from tests.support.waiting import eventually

INFERENCE = "/inference.GRPCInferenceService/"
TIMEOUT_S = 60.0
PATIENT: dict[str, dict[str, float]] = {
    "fanout": {"answer_s_max": 60.0, "connect_s_max": 60.0},
    "grpc": {"ping_timeout_s": 60.0},
}
"""Router, workers and client share one process: when it stands still, nobody is to blame."""


@dataclass(frozen=True)
class Client:
    """A client of the router at an address."""

    channel: grpc.aio.Channel
    address: str = ""

    async def infer(self, message: Any = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """One unary call; bytes are sent as they are."""
        return pb.ModelInferResponse.FromString(await self.start(message, timeout_s=timeout_s))

    def start(
        self,
        message: Any = None,
        *,
        timeout_s: float | None = TIMEOUT_S,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> Any:
        """One unary call, begun."""
        message = request() if message is None else message
        data = message if isinstance(message, bytes) else message.SerializeToString()
        return self.channel.unary_unary(INFERENCE + "ModelInfer")(
            data, timeout=timeout_s, metadata=metadata
        )

    async def ask(self, method: str, message: Any, response_type: Any) -> Any:
        """Another RPC of the inference service."""
        path = method if method.startswith("/") else INFERENCE + method
        answer = await self.channel.unary_unary(path)(
            message.SerializeToString(), timeout=TIMEOUT_S
        )
        return response_type.FromString(answer)

    async def refusal(self, call: Any) -> tuple[str, str, str, float | None]:
        """Status, reason, sentence and retry hint of a call that fails."""
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return told(error)
        raise AssertionError("the call was answered")


def told(error: grpc.aio.AioRpcError) -> tuple[str, str, str, float | None]:
    """Status, reason, sentence and retry hint of a failed call."""
    reason = ""
    hint: float | None = None
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                retry = error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    reason = info.reason
                elif detail.Unpack(retry):
                    hint = retry.retry_delay.ToTimedelta().total_seconds()
    return error.code().name, reason, error.details() or "", hint


def patient(settings: Mapping[str, Any]) -> dict[str, Any]:
    """These groups of settings, with patience wherever the test does not say otherwise."""
    return {name: {**values, **settings.get(name, {})} for name, values in PATIENT.items()}


@asynccontextmanager
async def router_over(
    *workers: FakeWorker, **settings: Any
) -> AsyncIterator[tuple[Client, Router]]:
    """A router in front of these workers, and a client of it; all of them know each other."""
    async with AsyncExitStack() as stack:
        for worker in workers:
            if not worker.address:
                await worker.start()
            stack.push_async_callback(worker.stop)
        chosen: dict[str, Any] = {
            "address": "127.0.0.1:0",
            "http_address": "127.0.0.1:0",
            "metrics_address": "127.0.0.1:0",
            "workers": tuple(worker.address for worker in workers),
            "drain": {"notice_s": 0.0, "patience_s": 2.0},
            "link": {"connect_s_max": 60.0, "backoff_s_min": 0.01, "backoff_s_max": 0.1},
            "seed": 1,
            **patient(settings),
            # Whoever joins second would otherwise get almost nothing for half a minute.
            "policy": {"slow_start_s": 0.0},
            **{name: value for name, value in settings.items() if name not in PATIENT},
        }
        router, address = await stack.enter_async_context(started(RouterSettings(**chosen)))
        await eventually(
            lambda: sum(view.report is not None for view in router.mesh.views()) == len(workers),
            what="every worker has reported",
        )
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
        yield Client(channel, address), router
