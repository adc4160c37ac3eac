"""One call while it is inside the worker, and who hears of its end."""

import math
from typing import TYPE_CHECKING, Protocol

from hasten.common.v1.timing_pb2 import Timing
from hasten.inference.v2.inference_pb2 import ModelInferResponse
from hasten_policy.reasons import Refusal
from hasten_worker.shell.served import Served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span

    from hasten_worker.model import Array
    from hasten_worker.tensors import WantedOutput

US_MAX = 2**32 - 1


class Sink(Protocol):
    """Where a call's end is told, once, on the event loop."""

    def answered(self, call: "Call", response: ModelInferResponse, service_s: float) -> None:
        """The model answered; service_s are the busy seconds charged to the call."""
        ...

    def refused(self, call: "Call", refusal: Refusal) -> None:
        """There will be no answer."""
        ...


class Call:
    """A decoded request from its arrival until its end is told.

    Times are on the worker's clock; NaN until they have come.

    Attributes:
        call_id: Given by the shell; grows, never re-used.
        wire_id: The caller's own id on its link; 0 elsewhere.
        link_id: Stream it came over; 0 when served directly.
        sink: Who hears of the end.
        served: The model version it is for, as it was when the call came.
        request_id: To be echoed.
        inputs: Arrays by name.
        rows: Rows it brings.
        shape_key: Calls batch together only if equal.
        elements: Of all its inputs together.
        wanted: Outputs to send.
        time_left_s: Until the deadline, when it was taken; math.inf for none.
        priority: Class 0 (most urgent) to 3.
        tenant: Who pays.
        alone: It shares no batch.
        reserved_s: Its rank among calls with a reservation; 0 for a call without one.
        refused_before: Calls of its model refused for want of time since the one before.
        payload_bytes: Size of the request.
        span: Recorded for it; None when it is not sampled.
        arrived_s: Its bytes were there.
        taken_s: It was decoded and given to the machine.
        formed_s: Its batch was formed.
        began_s: A lane began the batch.
        computed_s: The model had ended.
        ended_s: Its answer was handed out.
        service_s: Busy seconds charged to it; 0 before it is answered.
        batch_rows: Rows of that batch.
        result: What the lane made of it; None before.
        gone: Its end was told or nobody waits for it any more.
    """

    __slots__ = (
        "alone",
        "arrived_s",
        "batch_rows",
        "began_s",
        "call_id",
        "computed_s",
        "elements",
        "ended_s",
        "formed_s",
        "gone",
        "inputs",
        "link_id",
        "payload_bytes",
        "priority",
        "refused_before",
        "request_id",
        "reserved_s",
        "result",
        "rows",
        "served",
        "service_s",
        "shape_key",
        "sink",
        "span",
        "taken_s",
        "tenant",
        "time_left_s",
        "wanted",
        "wire_id",
    )

    def __init__(self, served: Served, sink: Sink, *, link_id: int, arrived_s: float) -> None:
        self.call_id = 0
        self.wire_id = 0
        self.link_id = link_id
        self.sink = sink
        self.served = served
        self.request_id = ""
        self.inputs: Mapping[str, Array] = {}
        self.rows = 1
        self.shape_key = 0
        self.elements = 0
        self.wanted: tuple[WantedOutput, ...] = ()
        self.time_left_s = math.inf
        self.priority = 1
        self.tenant = ""
        self.alone = False
        self.reserved_s = 0.0
        self.refused_before = 0
        self.payload_bytes = 0
        self.span: Span | None = None
        self.arrived_s = arrived_s
        self.taken_s = math.nan
        self.formed_s = math.nan
        self.began_s = math.nan
        self.computed_s = math.nan
        self.ended_s = math.nan
        self.service_s = 0.0
        self.batch_rows = 0
        self.result: ModelInferResponse | Refusal | None = None
        self.gone = False


def timing_of(call: Call, *, worker_id: str, now_s: float) -> Timing:
    """The worker's part of the call's timing; the parts add up to its stay until now."""
    if call.batch_rows == 0:  # Refused before a batch was formed.
        return Timing(worker_queue_us=_us(now_s - call.arrived_s), worker_id=worker_id)
    # Who is refused while its batch is with a lane has not heard of the run's beginning or end.
    began_s = call.formed_s if math.isnan(call.began_s) else call.began_s
    computed_s = now_s if math.isnan(call.computed_s) else call.computed_s
    return Timing(
        worker_queue_us=_us(call.formed_s - call.taken_s),
        batch_wait_us=_us(began_s - call.formed_s),
        preprocess_us=_us(call.taken_s - call.arrived_s),
        compute_us=_us(computed_s - began_s),
        postprocess_us=_us(now_s - computed_s),
        batch_rows=call.batch_rows,
        worker_id=worker_id,
    )


def _us(seconds: float) -> int:
    microseconds = int(seconds * 1e6)
    return microseconds if 0 <= microseconds <= US_MAX else US_MAX
