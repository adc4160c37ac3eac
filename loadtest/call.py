"""One raw inference call: serialised once, sent many times."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import numpy as np
from google.rpc import error_details_pb2, status_pb2

from hasten_client.request import InferRequest, message
from hasten_runtime.protocol_names import MODEL_INFER, STATUS_DETAILS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hasten_client.codec import TensorLike

OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
]

Infer = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended.

    Attributes:
        due_s: When it was to be sent, on this process's monotonic clock.
        sent_late_s: How long after that it was sent: what this process's own lateness adds.
        took_s: From due to end: a late sender does not flatter the server.
        status: gRPC status name.
        reason: ErrorInfo.reason; "" for an answer or an error without details.
    """

    due_s: float
    sent_late_s: float
    took_s: float
    status: str
    reason: str

    @property
    def answered(self) -> bool:
        """The call brought an output, in time."""
        return self.status == "OK"

    @property
    def why(self) -> str:
        """The reason, or the status where there is none."""
        return self.reason or self.status


def serialised_inputs(model: str, inputs: "Mapping[str, TensorLike]") -> bytes:
    """A ModelInferRequest with these inputs, ready to send; arrays keep their dtype."""
    return message(InferRequest(model, inputs, request_id="")).SerializeToString()


def serialised(
    model: str,
    name: str,
    value: np.ndarray,
    *,
    timing: bool = False,
    priority: int | None = None,
    tenant: str = "",
) -> bytes:
    """A ModelInferRequest with one input, ready to send.

    Args:
        model: Its name.
        name: Of the input.
        value: Of the input.
        timing: Ask where the time went.
        priority: Class 0 (most urgent) to 3; None says nothing of it.
        tenant: Who pays; "" says nothing of it.
    """
    # On the wire 1 is the most urgent, and 0 means "normal".
    level = 0 if priority is None else priority + 1
    request = InferRequest(
        model, {name: value}, priority=level, tenant=tenant, request_id="", timing=timing
    )
    return message(request).SerializeToString()


def open_infer(channel: grpc.aio.Channel) -> Infer:
    """The call, bytes in and bytes out."""
    call: Infer = channel.unary_unary(MODEL_INFER)
    return call


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """ErrorInfo.reason from the details in the trailers; "" without.

    A CANCELLED that comes without, as an error, is no doing of this side's: the server had too
    many calls waiting and cut this one.
    """
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS:
            info = error_details_pb2.ErrorInfo()
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(info):
                    return str(info.reason)
    return "OVERLOADED" if error.code() is grpc.StatusCode.CANCELLED else ""


async def timed_call(
    infer: Infer, payload: bytes, *, due_s: float, deadline_s: float | None
) -> Outcome:
    """Sends at `due_s` (or at once when late) and reports how it ended."""
    wait_s = due_s - time.monotonic()
    if wait_s > 0:
        await asyncio.sleep(wait_s)
    late_s = time.monotonic() - due_s
    try:
        await infer(payload, timeout=deadline_s)
    except grpc.aio.AioRpcError as error:
        took_s = time.monotonic() - due_s
        return Outcome(due_s, late_s, took_s, error.code().name, reason_of(error))
    return Outcome(due_s, late_s, time.monotonic() - due_s, "OK", "")
