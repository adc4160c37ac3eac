"""hasten.router.v1.RouterService: what operators see and may change."""

from collections.abc import Sequence
from typing import Final, Protocol

import grpc
import grpc.aio

from hasten.common.v1 import load_pb2
from hasten.router.v1 import router_service_pb2 as pb
from hasten.router.v1.router_service_pb2_grpc import RouterServiceServicer
from hasten.worker.v1 import worker_service_pb2 as worker_pb
from hasten_policy.fleet.views import WorkerView
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_runtime import wire
from hasten_runtime.errors import MeshError, refusal_from_rpc_error
from hasten_runtime.fleet.link import FrameLink
from hasten_runtime.fleet.port import LinkListener
from hasten_runtime.fleet.roster import Roster
from hasten_runtime.handlers import Context
from hasten_runtime.protocol_names import DRAIN

CONNECTING: Final = "connecting"
UNKNOWN_AGE_S: Final = 1e9
"""Age of what never was, as a float field can hold it."""
ANSWER_MARGIN_S: Final = 2.0
"""A drain's answer may come this much after its patience."""
DRAIN_S_MAX: Final = 3600.0


class Views(Protocol):
    """The machine's picture of the workers."""

    def views(self) -> Sequence[WorkerView]:
        """One for each worker that has joined."""
        ...


class RouterOperator(RouterServiceServicer):
    """Lists and drains workers."""

    def __init__(self, roster: Roster, views: Views, listener: LinkListener) -> None:
        self._roster = roster
        self._views = views
        self._listener = listener

    async def ListWorkers(  # noqa: N802  (the protocol's name)
        self, _: pb.ListWorkersRequest, __: Context
    ) -> pb.ListWorkersResponse:
        """The workers as this router sees them, by name."""
        views = {view.worker_id: view for view in self._views.views()}
        return pb.ListWorkersResponse(
            workers=[_row(link, views.get(link.worker_id)) for link in self._roster.links()],
            discovery_age_s=min(self._roster.age_s(), UNKNOWN_AGE_S),
        )

    async def DrainWorker(  # noqa: N802  (the protocol's name)
        self, request: pb.DrainWorkerRequest, context: Context
    ) -> pb.DrainWorkerResponse:
        """Takes the worker out of rotation, then tells it to finish; answers when it is idle."""
        link = self._roster.link(request.worker_id)
        if link is None or not link.connected:
            known = ", ".join(link.worker_id for link in self._roster.links()) or "none"
            raise MeshError(
                Refusal(
                    Reason.INVALID_REQUEST,
                    f"worker_id must name a connected worker, not {short(request.worker_id)!r}; "
                    f"known: {known}",
                    metadata=(("field", "worker_id"),),
                )
            )
        self._listener.quiesced(link.worker_id)
        drain = link.channel.unary_unary(
            DRAIN,
            request_serializer=worker_pb.DrainRequest.SerializeToString,
            response_deserializer=worker_pb.DrainResponse.FromString,
        )
        try:
            done: worker_pb.DrainResponse = await drain(
                worker_pb.DrainRequest(patience_us=request.patience_us),
                timeout=_timeout_s(request.patience_us / 1e6, context.time_remaining()),
            )
        except grpc.aio.AioRpcError as error:
            raise MeshError(refusal_from_rpc_error(error)) from None
        return pb.DrainWorkerResponse(abandoned=done.abandoned)


def _timeout_s(patience_s: float, left_s: float | None) -> float:
    longest_s = patience_s + ANSWER_MARGIN_S if patience_s else DRAIN_S_MAX
    return longest_s if left_s is None else min(longest_s, left_s)


def _row(link: FrameLink, view: WorkerView | None) -> pb.WorkerView:
    state = load_pb2.WorkerState()
    if link.state is not None:
        state.CopyFrom(link.state)
    elif view is not None and view.report is not None:
        state.CopyFrom(wire.report_to_wire(link.worker_id, link.address, view.report))
    # A worker is called by the name under which the router knows it.
    state.worker_id = link.worker_id
    state.address = link.address
    if view is None:
        return pb.WorkerView(state=state, standing=CONNECTING)
    return pb.WorkerView(
        state=state,
        standing=view.standing,
        in_flight=view.in_flight,
        report_age_s=min(view.report_age_s, UNKNOWN_AGE_S),
        service_s=view.service_s,
        answered=view.answered,
        failed=view.failed,
    )
