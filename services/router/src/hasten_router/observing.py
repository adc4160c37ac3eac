"""What the router counts and logs. Called on the hot path: counts are bound beforehand."""

import math
from collections.abc import Callable
from typing import Final

from opentelemetry import trace

from hasten_policy.priorities import NORMAL
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import InputBanned
from hasten_router.calls import Call
from hasten_router.front.port import Barred
from hasten_router.metrics import RouterMetrics
from hasten_runtime import logs
from hasten_runtime import telemetry_names as names
from hasten_runtime.demand import DemandTally, Ended
from hasten_runtime.metrics import OTHER
from hasten_runtime.telemetry import Telemetry, end_span
from hasten_runtime.telemetry.propagation import text_of

NO_DEMAND: Final = frozenset(
    {
        Reason.MODEL_NOT_FOUND,
        Reason.VERSION_NOT_FOUND,
        Reason.INVALID_REQUEST,
        Reason.MESSAGE_TOO_LARGE,
        Reason.DRAINING,
        Reason.INTERNAL,
    }
)
"""Calls that are refused for one of these ask for no worker, whatever they name."""
LEFT_AT_DEADLINE: Final = 0.95
"""Whoever leaves after so much of his time did not want to leave: the deadline was his reason."""

_log = logs.logger(__name__)


class Meter:
    """Counts calls and standings, records the attempts of sampled calls. Implements Observer.

    Args:
        metrics: Where it counts.
        traces: Where it records.
        demand: Where it counts for whoever scales the workers; None for nowhere.
        knows: Some worker has a model of this name. Names that clients made up must not use up
            the labels of models that exist.
    """

    def __init__(
        self,
        metrics: RouterMetrics,
        traces: Telemetry,
        demand: DemandTally | None = None,
        *,
        knows: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._metrics = metrics
        self._traces = traces
        self._demand = demand
        self._knows = knows

    def sampled_call_admitted(self, call: Call) -> None:
        """A sampled call was taken."""
        del call
        trace.get_current_span().add_event(names.EVENT_ADMITTED)

    def sampled_call_sent(self, call: Call, worker_id: str) -> None:
        """A sampled call is about to go to a worker."""
        hands_on = self._traces.carries_context
        call.traceparent = call.caller_traceparent if hands_on else ""
        span = self._traces.start_call(
            names.SPAN_ROUTER_ATTEMPT,
            call.caller_traceparent,
            kind=trace.SpanKind.CLIENT,
            attributes={
                names.ATTR_MODEL: call.model,
                names.ATTR_VERSION: call.version,
                names.ATTR_WORKER: worker_id,
                names.ATTR_ATTEMPT: call.attempts,
            },
        )
        if span is not None:
            if hands_on:
                call.traceparent = text_of(span.get_span_context())
            call.spans = [*(call.spans or ()), span]

    def sampled_call_ended(self, call: Call) -> None:
        """A sampled call has its outcome: its attempts end before the span that they belong to."""
        refusal = call.outcome if isinstance(call.outcome, Refusal) else None
        for span in call.spans or ():
            end_span(span, refusal)

    def call_ended(self, call: Call) -> None:
        """A call had its outcome."""
        metrics, outcome = self._metrics, call.outcome
        if call.admitted:
            metrics.admitted(call.time_left_s)
        if call.attempts:
            metrics.attempted(call.first_sent_s - call.arrived_s, call.attempts)
        if isinstance(outcome, bytes):
            late_s = None if call.deadline_s == math.inf else call.ended_s - call.deadline_s
            metrics.model(call.model).answered(call.ended_s - call.arrived_s, late_s=late_s)
        elif outcome is not None:
            self.request_refused(call.model, outcome)
        if self._demand is not None:
            self._demanded(call, self._demand)

    @staticmethod
    def _demanded(call: Call, demand: DemandTally) -> None:
        outcome = call.outcome
        refused = outcome.reason if isinstance(outcome, Refusal) else None
        if refused in NO_DEMAND:
            return
        bounded = call.time_left_s < math.inf
        if refused is Reason.CANCELLED and call.ended_s - call.arrived_s >= (
            LEFT_AT_DEADLINE * call.time_left_s
        ):
            refused = Reason.DEADLINE_PASSED
        demand.ended(
            Ended(
                call.model,
                call.priority,
                call.rows,
                call.time_left_s if bounded else None,
                admitted=call.admitted,
                refused=refused,
                late=call.ended_s > call.deadline_s,
                service_s=call.reply.service_s if call.reply is not None else 0.0,
            )
        )

    def request_refused(self, model: str, refusal: Refusal) -> None:
        """A request was refused; its model may not even exist."""
        known = self._metrics.counts(model) or self._knows(model)
        self._metrics.model(model if known else OTHER).refused(refusal)

    def calls_barred(self, barred: Barred) -> None:
        """The front refused calls by itself."""
        self._metrics.model(barred.model).refused(barred.refusal, barred.calls)
        if self._demand is not None:
            reason = barred.refusal.reason
            self._demand.refused(barred.model, barred.priority, reason, barred.calls)

    def unread_refused(self, refusal: Refusal) -> None:
        """A request was refused before it was read: its model is not known."""
        self._metrics.model(OTHER).refused(refusal)
        if self._demand is not None:
            self._demand.ended(Ended("", NORMAL, refused=refusal.reason))

    def standing_changed(self, worker_id: str, standing: str, cause: str) -> None:
        """A worker's standing changed."""
        self._metrics.standing(worker_id, standing)
        _log.info("worker.standing", worker_id=worker_id, standing=standing, cause=cause)

    def link_lost(self, worker_id: str, cause: str) -> None:
        """The link to a worker broke or was closed."""
        _log.warning("worker.lost", worker_id=worker_id, cause=cause)

    def input_banned(self, banned: InputBanned) -> None:
        """An input is run no more."""
        _log.error(
            "input.banned",
            model=banned.model,
            version=banned.version,
            digest=banned.digest,
            processes=banned.processes,
            help="these died while they ran it; it is refused now: mend the input or the model",
        )
