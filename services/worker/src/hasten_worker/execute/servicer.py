"""hasten.worker.v1.WorkerService."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc

from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_runtime import logs
from hasten_runtime.errors import MeshError
from hasten_worker.execute.link import Link, LinkSetup
from hasten_worker.tensors.refusals import refuse

SERVICE_NAME: Final = "hasten.worker.v1.WorkerService"
LINKS_MAX: Final = 256
"""Streams open at once; a mesh has a few routers."""
CALLER_ID_CHARS_MAX: Final = 256

_log = logs.logger(__name__)


class WorkerServicer:
    """Execute, Drain and GetState."""

    def __init__(self, setup: LinkSetup, drain: Callable[[float], Awaitable[int]]) -> None:
        self._setup = setup
        self._drain = drain
        self._links: set[Link] = set()

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, for `Server.add_generic_rpc_handlers`. Execute sends bytes."""
        return grpc.method_handlers_generic_handler(
            SERVICE_NAME,
            {
                "Execute": grpc.stream_stream_rpc_method_handler(
                    self.execute, request_deserializer=pb.ExecuteRequest.FromString
                ),
                "Drain": grpc.unary_unary_rpc_method_handler(
                    self.drain,
                    request_deserializer=pb.DrainRequest.FromString,
                    response_serializer=pb.DrainResponse.SerializeToString,
                ),
                "GetState": grpc.unary_unary_rpc_method_handler(
                    self.get_state,
                    request_deserializer=pb.GetStateRequest.FromString,
                    response_serializer=pb.GetStateResponse.SerializeToString,
                ),
            },
        )

    def finish_links(self) -> None:
        """Ends every stream once its replies have been sent."""
        for link in self._links:
            link.finish()

    async def execute(
        self,
        messages: AsyncIterator[pb.ExecuteRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        """Carries one router's calls until either side ends the stream."""
        caller_id = await self._hello(messages)
        link = Link(self._setup)
        self._links.add(link)
        _log.info("link.opened", caller=caller_id)
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(link.read(messages, group.create_task))
                writing = group.create_task(link.write(context))
                await link.over.wait()
                reading.cancel()
                writing.cancel()
                link.abandon()
        finally:
            self._links.discard(link)
            link.close()
            _log.info(
                "link.closed", caller=caller_id, fault=link.fault.message if link.fault else None
            )
        if link.fault is not None:
            raise MeshError(link.fault)

    async def _hello(self, messages: AsyncIterator[pb.ExecuteRequest]) -> str:
        if len(self._links) >= LINKS_MAX:
            refuse(Reason.QUEUE_FULL, f"{LINKS_MAX} Execute streams are open, which is the most")
        first = await anext(messages, None)
        if (
            first is None
            or not first.HasField("hello")
            or first.calls
            or len(first.hello.caller_id) > CALLER_ID_CHARS_MAX
        ):
            refuse(
                Reason.INVALID_REQUEST,
                "the first message of an Execute stream must be a hello without calls, with a "
                f"caller_id of at most {CALLER_ID_CHARS_MAX} characters",
            )
        return first.hello.caller_id

    async def drain(self, request: pb.DrainRequest, _: object) -> pb.DrainResponse:
        """Takes no new calls; answers when the accepted ones have ended."""
        return pb.DrainResponse(abandoned=await self._drain(request.patience_us / 1e6))

    async def get_state(self, _: pb.GetStateRequest, __: object) -> pb.GetStateResponse:
        """The state now."""
        return pb.GetStateResponse(state=self._setup.state(0))
