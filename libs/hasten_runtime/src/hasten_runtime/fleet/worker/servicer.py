"""hasten.worker.v1.WorkerService."""

from collections.abc import Awaitable, Callable
from typing import Final

import grpc

from hasten.common.v1.load_pb2 import WorkerState
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.fleet.worker.door import LinkDoor
from hasten_runtime.protocol_names import WORKER_SERVICE

CALLER_ID_CHARS_MAX: Final = 256


class WorkerServicer:
    """OpenLink, Drain and GetState.

    Args:
        door: Gives tickets.
        drain: Drains the worker with this patience in seconds; returns how many calls are left.
        state: The worker's state now.
    """

    def __init__(
        self,
        door: LinkDoor,
        drain: Callable[[float], Awaitable[int]],
        state: Callable[[], WorkerState],
    ) -> None:
        self._door = door
        self._drain = drain
        self._state = state

    def handler(self) -> grpc.GenericRpcHandler:
        """The service, for `Server.add_generic_rpc_handlers`."""
        return grpc.method_handlers_generic_handler(
            WORKER_SERVICE,
            {
                "OpenLink": grpc.unary_unary_rpc_method_handler(
                    self.open_link,
                    request_deserializer=pb.OpenLinkRequest.FromString,
                    response_serializer=pb.OpenLinkResponse.SerializeToString,
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

    async def open_link(self, request: pb.OpenLinkRequest, _: object) -> pb.OpenLinkResponse:
        """A ticket for one link, and where to show it."""
        if not 0 < len(request.caller_id) <= CALLER_ID_CHARS_MAX:
            raise MeshError(
                Refusal(
                    Reason.INVALID_REQUEST,
                    f"caller_id must have 1 to {CALLER_ID_CHARS_MAX} characters, "
                    f"not {len(request.caller_id)}",
                    metadata=(("field", "caller_id"),),
                )
            )
        return pb.OpenLinkResponse(
            port=self._door.port,
            ticket=self._door.ticket(request.caller_id, request.frame_bytes_max),
            frame_bytes_max=self._door.frame_bytes_max,
        )

    async def drain(self, request: pb.DrainRequest, _: object) -> pb.DrainResponse:
        """Takes no new calls; answers when the accepted ones have ended."""
        return pb.DrainResponse(abandoned=await self._drain(request.patience_us / 1e6))

    async def get_state(self, _: pb.GetStateRequest, __: object) -> pb.GetStateResponse:
        """The state now."""
        return pb.GetStateResponse(state=self._state())
