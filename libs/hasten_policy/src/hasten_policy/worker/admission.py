"""Whether an arriving call is accepted."""

from math import inf, isnan
from typing import Final

from hasten_policy.batching.batcher import Batcher
from hasten_policy.batching.edf_queue import WaitingCall
from hasten_policy.batching.model_state import ModelState
from hasten_policy.ordering.orders import BATCH_ORDERS, due_s
from hasten_policy.priorities import LOWEST
from hasten_policy.reasons import Refusal
from hasten_policy.worker import refusals
from hasten_policy.worker.calls import OpenCalls
from hasten_policy.worker.events import CallArrived
from hasten_policy.worker.lanes import Lanes
from hasten_policy.worker.policy import WorkerPolicy

RESERVED_ORDER_S: Final = -1e9
"""Places of calls with a reservation lie above this one, and before all times."""


class Admission:
    """Checks an arrival against bounds, its own run time and the work due before it.

    Args:
        policy: Parameters.
        batcher: What waits.
        lanes: What runs.
        book: Open calls and models.
    """

    __slots__ = ("_batcher", "_book", "_lanes", "_order", "_policy")

    def __init__(
        self, policy: WorkerPolicy, batcher: Batcher, lanes: Lanes, book: OpenCalls
    ) -> None:
        self._policy = policy
        self._batcher = batcher
        self._lanes = lanes
        self._order = BATCH_ORDERS.get(policy.batching.order)
        self._book = book

    def judge(self, event: CallArrived, now_s: float) -> WaitingCall | Refusal:
        """The call, to be accepted, or why it is refused."""
        if self._book.draining:
            return refusals.draining()
        model = self._book.models.get(event.model_key)
        if model is None:
            return refusals.model_not_found(event.model_key)
        if model.closing:
            return refusals.model_leaving(event.model_key)
        spec = model.spec
        if not 1 <= event.rows <= spec.batch_max:
            return refusals.batch_too_large(spec, event.rows)
        slack_s = event.time_left_s
        if isnan(slack_s):
            return refusals.invalid_deadline()
        if slack_s == inf and spec.default_timeout_s > 0.0:
            slack_s = spec.default_timeout_s
        deadline_s = now_s + slack_s
        if not self._policy.keeps_deadlines:
            slack_s = inf
        priority = max(0, min(event.priority, LOWEST))
        call = WaitingCall(
            call_id=event.call_id,
            link_id=event.link_id,
            model=model,
            rows=event.rows,
            size=max(1.0, event.elements / event.rows),
            shape_key=event.shape_key,
            deadline_s=now_s + slack_s,
            slack_s=slack_s,
            arrived_s=now_s,
            order_s=RESERVED_ORDER_S + event.reserved_s
            if event.reserved_s
            else self._place_s(model, deadline_s, priority, now_s),
            latest_start_s=inf,
            payload_bytes=event.payload_bytes,
            priority=priority,
            reserved=event.reserved_s > 0,
        )
        return (
            self._away(call, now_s)
            or self._infeasible(call, now_s)
            or self._full(call)
            or self._hopeless(call)
            or call
        )

    def _place_s(self, model: ModelState, deadline_s: float, priority: int, now_s: float) -> float:
        """Class 0 goes by its deadline alone; the classes below stand back."""
        policy = self._policy.batching
        if deadline_s == inf:
            deadline_s = now_s + policy.no_deadline_age_s
        share = policy.priority_bias_fraction * priority / LOWEST
        usual_s = model.slack_median_s
        return self._order.place_s(
            now_s, due_s(deadline_s, share, now_s=now_s, usual_slack_s=usual_s)
        )

    @property
    def _idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not (self._book.waiting or len(self._lanes))

    def _away(self, call: WaitingCall, now_s: float) -> Refusal | None:
        """What runs the model is being started, for longer than the call has."""
        model = call.model
        if not model.back_s or model.back_s <= call.deadline_s:
            return None
        return refusals.model_restarting(model.spec.key, model.back_s - now_s)

    def _infeasible(self, call: WaitingCall, now_s: float) -> Refusal | None:
        """Its own run takes too long. An idle worker says so on evidence alone."""
        if self._idle:
            call.trial = True
            predictor = call.model.predictor
            run_s = predictor.evidence.too_long_s(
                call.rows,
                call.rows * call.size,
                call.slack_s,
                now_s,
                expected=predictor.typical_s(call.rows, call.size) > call.slack_s,
            )
            call.latest_start_s = call.deadline_s
            if call.deadline_s > now_s and not run_s:
                return None
        else:
            call.latest_start_s = self._batcher.latest_start_s(call)
            if call.latest_start_s >= now_s:
                return None
            quantile = self._policy.batching.chance_quantile
            run_s = call.model.predictor.predict_s(call.rows, call.size, quantile)
            run_s += self._batcher.margin.seconds
        return refusals.infeasible(call.model.spec, run_s=run_s, slack_s=call.slack_s)

    def _full(self, call: WaitingCall) -> Refusal | None:
        """A bound is reached; a retry may find room when a full batch has gone."""
        policy = self._policy
        model = call.model
        limit = ""
        limit_value = 0
        if self._book.waiting >= policy.waiting_max:
            limit, limit_value = "waiting_max", policy.waiting_max
        elif (
            self._book.waiting_bytes + call.payload_bytes > policy.waiting_bytes_max
            and self._book.waiting
        ):
            limit, limit_value = "waiting_bytes_max", policy.waiting_bytes_max
        elif model.waiting >= model.spec.queue_max > 0:
            limit, limit_value = "queue_max", model.spec.queue_max
        if not limit:
            return None
        target = model.target_rows(call.size)
        clear_s = model.predictor.typical_s(target, call.size) / policy.lanes
        return refusals.queue_full(limit, limit_value, retry_after_s=clear_s)

    def _hopeless(self, call: WaitingCall) -> Refusal | None:
        """Even at typical speed, what is due before the call leaves it no time.

        The plan counts batches as they will be formed. One that a call cannot join any more is
        followed by one that is taken to be of full size: to let in whatever fits now fills the
        queue with calls that leave each other no time for larger batches, and throughput falls.
        """
        if call.deadline_s == inf or not self._policy.refuse_hopeless:
            return None
        if self._lanes.free and not self._book.waiting:
            return None
        model = call.model
        queue = self._batcher.queue_of(call)
        if queue is not None and not queue.calls:
            queue = None
        ahead = queue.rows_due_by(call.order_s) if queue is not None else 0
        margin_s = self._batcher.margin.seconds
        curve = model.predictor.curve(call.size)
        target = max(call.rows, model.target_rows(call.size))
        work_s = self._batcher.clear_due_s(call.order_s, queue)
        together = ahead + call.rows
        own_s = curve.seconds(min(together, target))
        before_s = 0.0
        if together > target:
            own_s = curve.seconds(target)
            before_s = ahead // target * own_s
        elif queue is not None and ahead:
            wait_s = self._lanes.wait_typical_s(work_s, call.arrived_s)
            first_s = min(member.deadline_s for member in queue.calls)
            if call.arrived_s + wait_s + own_s + margin_s > first_s:
                # It would make those late that wait already, so it will not be of their batch.
                own_s = curve.seconds(call.rows)
                before_s = curve.seconds(ahead)
        wait_s = self._lanes.wait_typical_s(work_s + before_s, call.arrived_s)
        finish_s = max(wait_s, before_s / model.spec.instances) + own_s + margin_s
        if finish_s <= call.slack_s:
            return None
        return refusals.hopeless(finish_s=finish_s, slack_s=call.slack_s, own_s=own_s)
