"""What the scheduler counts, logs and traces. On the hot path: counts are bound beforehand."""

import math

from opentelemetry import trace

from hasten_policy.reasons import Refusal
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime import logs
from hasten_runtime import telemetry_names as names
from hasten_runtime.clock import Clock
from hasten_runtime.demand import DemandTally, Ended
from hasten_runtime.telemetry import Telemetry, end_span
from hasten_runtime.telemetry.propagation import text_of
from hasten_scheduler.attempts import Attempt
from hasten_scheduler.metrics import SchedulerMetrics

_log = logs.logger(__name__)


class Meter:
    """Counts tasks and attempts, records the attempts of sampled tasks. Implements Observer.

    Args:
        metrics: Where it counts.
        traces: Where it records.
        clock: The scheduler's.
        demand: Where it counts for whoever scales the workers; None for nowhere.
    """

    def __init__(
        self,
        metrics: SchedulerMetrics,
        traces: Telemetry,
        clock: Clock,
        demand: DemandTally | None = None,
    ) -> None:
        self._metrics = metrics
        self._traces = traces
        self._clock = clock
        self._demand = demand

    def attempt_sent(self, attempt: Attempt, worker_id: str) -> None:
        """An attempt is about to go to a worker."""
        self._metrics.sent(attempt.age_s, first=attempt.number <= 1)
        if not attempt.submitted_traceparent:
            return
        hands_on = self._traces.carries_context
        attempt.traceparent = attempt.submitted_traceparent if hands_on else ""
        span = self._traces.start_call(
            names.SPAN_SCHEDULER_ATTEMPT,
            attempt.submitted_traceparent,
            kind=trace.SpanKind.CLIENT,
            attributes={
                names.ATTR_MODEL: attempt.lane.model,
                names.ATTR_WORKER: worker_id,
                names.ATTR_TASK: attempt.task_id,
                names.ATTR_ATTEMPT: attempt.number,
            },
        )
        if span is not None:
            attempt.span = span
            if hands_on:
                attempt.traceparent = text_of(span.get_span_context())

    def attempt_ended(self, attempt: Attempt, refusal: Refusal | None, *, ends_task: bool) -> None:
        """An attempt ended, and its task too or not."""
        if attempt.span is not None:
            end_span(attempt.span, refusal)
        if not ends_task:
            if refusal is not None:
                _log.debug(
                    "attempt.again",
                    reason=refusal.reason.name,
                    started=refusal.started,
                    cause=refusal.message,
                )
            return
        name = attempt.lane.model.partition("/")[0]
        model = self._metrics.model(name)
        now_s = self._clock.now_s()
        late_s = None if attempt.due_s == math.inf else now_s - attempt.due_s
        if self._demand is not None:
            self._demand.ended(
                Ended(
                    name,
                    attempt.lane.priority,
                    attempt.rows,
                    admitted=True,
                    refused=refusal.reason if refusal is not None else None,
                    late=late_s is not None and late_s > 0.0,
                )
            )
        if refusal is not None:
            model.refused(refusal)
            return
        model.answered(attempt.age_s + now_s - attempt.claimed_s, late_s=late_s)

    def attempt_dropped(self, attempt: Attempt) -> None:
        """An attempt counts no more: its task was cancelled, or its shard is another's."""
        if attempt.span is not None:
            attempt.span.end()

    def task_dropped(self, lane: Lane, refusal: Refusal) -> None:
        """A waiting task is given up."""
        self._metrics.model(lane.model.partition("/")[0]).refused(refusal)

    def standing_changed(self, worker_id: str, standing: str, cause: str) -> None:
        """A worker's standing changed."""
        _log.info("worker.standing", worker_id=worker_id, standing=standing, cause=cause)

    def link_lost(self, worker_id: str, cause: str) -> None:
        """The link to a worker broke or was closed."""
        _log.warning("worker.lost", worker_id=worker_id, cause=cause)
