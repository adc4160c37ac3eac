"""hasten.scheduler.v1.CallbackService: messages in, messages out."""

# ruff: noqa: N802 (the methods have the protocol's names)

from typing import Final

from hasten.scheduler.v1 import callback_service_pb2 as pb
from hasten.scheduler.v1.callback_service_pb2_grpc import CallbackServiceServicer
from hasten_runtime.handlers import Context
from hasten_scheduler.callbacks.desk import CallbackDesk
from hasten_scheduler.naming import refuse_field
from hasten_scheduler.operating import page_size

RETRIED_MAX: Final = 256


class CallbackServicer(CallbackServiceServicer):
    """Answers operators about callbacks."""

    def __init__(self, desk: CallbackDesk) -> None:
        self._desk = desk

    async def ListCallbacks(
        self, request: pb.ListCallbacksRequest, _: Context
    ) -> pb.ListCallbacksResponse:
        """Callbacks, page by page."""
        tenant = request.tenant if request.HasField("tenant") else None
        callbacks, token = await self._desk.page(
            tenant, request.states, page_size(request.page_size), request.page_token
        )
        return pb.ListCallbacksResponse(callbacks=callbacks, next_page_token=token)

    async def RetryCallbacks(
        self, request: pb.RetryCallbacksRequest, _: Context
    ) -> pb.RetryCallbacksResponse:
        """Tells dead callbacks again."""
        if len(request.event_ids) > RETRIED_MAX:
            refuse_field(
                "event_ids", f"must be at most {RETRIED_MAX}, not {len(request.event_ids)}"
            )
        answer = pb.RetryCallbacksResponse()
        for event_id in request.event_ids:
            retried = await self._desk.retry(request.tenant, event_id)
            (answer.retried if retried else answer.not_dead).append(event_id)
        return answer
