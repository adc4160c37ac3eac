"""Counts and traces what the shell does."""

import math

from opentelemetry.trace import Span, StatusCode

from hasten_policy.reasons import Refusal
from hasten_runtime import telemetry_names as names
from hasten_runtime.metrics import OTHER
from hasten_runtime.telemetry import Telemetry, end_span
from hasten_worker.metrics import WorkerMetrics
from hasten_worker.shell.batch import Batch
from hasten_worker.shell.call import Call


class Meter:
    """The shell's observer: Prometheus metrics, and spans for what is sampled."""

    def __init__(self, metrics: WorkerMetrics, telemetry: Telemetry) -> None:
        self._metrics = metrics
        self._telemetry = telemetry

    def start_span(self, call: Call, traceparent: str) -> Span | None:
        """A span for a call that came over a link; None when it is not sampled, or not heard."""
        if not traceparent or not self._telemetry.carries_context:
            return None
        return self._telemetry.start_call(
            names.SPAN_WORKER_CALL,
            traceparent,
            attributes={
                names.ATTR_MODEL: call.served.model.spec.name,
                names.ATTR_VERSION: call.served.model.spec.version,
            },
        )

    def call_taken(self, call: Call) -> None:
        """A call is about to be given to the machine."""
        self._metrics.accepted(call.time_left_s)
        if call.span is not None:
            call.span.set_attribute(names.ATTR_ROWS, call.rows)
            if call.time_left_s < math.inf:
                call.span.set_attribute(names.ATTR_TIME_LEFT_S, call.time_left_s)

    def batch_started(self, batch: Batch) -> None:
        """A batch is about to be given to a lane."""
        members = [call.span for call in batch.calls if call.span is not None]
        if not members:
            return
        batch.span = self._telemetry.start_batch(
            names.SPAN_WORKER_BATCH,
            members,
            attributes={
                names.ATTR_MODEL: batch.served.model.spec.name,
                names.ATTR_VERSION: batch.served.model.spec.version,
                names.ATTR_ROWS: batch.rows,
                names.ATTR_PADDED_ROWS: batch.padded_rows,
            },
        )
        for span in members:
            span.add_event(names.EVENT_BATCHED, {names.ATTR_ROWS: batch.rows})

    def sampled_batch_ended(self, batch: Batch) -> None:
        """A lane has just ended a batch that has a span."""
        assert batch.span is not None  # noqa: S101  (who is told of)
        if not batch.begun:
            batch.span.add_event(names.EVENT_NOT_BEGUN)
        elif batch.fault is not None:
            batch.span.set_status(StatusCode.ERROR, batch.fault)
        batch.span.end()

    def sampled_call_answered(self, call: Call) -> None:
        """The answer of a call that has a span is about to be on its way."""
        self._end_span(call, None)

    def batch_ended(self, batch: Batch) -> None:
        """A lane has run a batch, well or not."""
        took_s = batch.ended_s - batch.began_s
        self._metrics.model(batch.served.model.spec.name).batch(
            rows=batch.rows, took_s=took_s, expected_s=batch.expected_s
        )
        if batch.rows_gone:
            self._metrics.wasted(took_s * batch.rows_gone / batch.rows)
        began_s = batch.began_s
        late = sum([began_s > call.arrived_s + call.time_left_s for call in batch.calls])
        if late:
            self._metrics.late_starts(late)

    def call_answered(self, call: Call) -> None:
        """A call's answer was handed out."""
        late_s = None
        if call.time_left_s < math.inf:
            late_s = call.ended_s - (call.arrived_s + call.time_left_s)
            if late_s > 0.0:
                self._metrics.wasted(call.service_s)
        self._metrics.began(call.began_s - call.arrived_s)
        self._metrics.model(call.served.model.spec.name).answered(
            call.ended_s - call.arrived_s, late_s=late_s
        )

    def call_refused(self, call: Call, refusal: Refusal) -> None:
        """A call ended without an answer."""
        self._metrics.model(call.served.model.spec.name).refused(refusal)
        self._end_span(call, refusal)

    def request_refused(self, model: str, refusal: Refusal) -> None:
        """A request was refused before it became a call; model is "" for one that is not here."""
        self._metrics.model(model or OTHER).refused(refusal)

    def unread_refused(self, refusal: Refusal) -> None:
        """A request was refused before it was read: its model is not known."""
        self._metrics.model(OTHER).refused(refusal)

    def process_ended(self, model: str) -> None:
        """A process that ran the model ended, and nobody had asked it to."""
        self._metrics.model(model).process_ended()

    def _end_span(self, call: Call, refusal: Refusal | None) -> None:
        # The span of a call served directly is that of its RPC and ends with it.
        if call.span is not None and call.link_id:
            end_span(call.span, refusal)
