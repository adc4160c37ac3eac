"""What comes back from workers, and what becomes of the call."""

from hasten_policy.fleet.changes import heard, note_failure, succeeded
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.reasons import Reason
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.dispatch import redispatch
from hasten_policy.router.events import AttemptAnswered, AttemptRefused, Deliver
from hasten_policy.router.state import RouterState
from hasten_policy.router.suspects import ended, survived

TRY_ELSEWHERE = frozenset(
    {
        Reason.OVERLOADED,
        Reason.QUEUE_FULL,
        Reason.DRAINING,
        Reason.MODEL_LOADING,
        Reason.MODEL_NOT_FOUND,
        Reason.VERSION_NOT_FOUND,
        Reason.NO_WORKER,
        Reason.WORKER_LOST,
    }
)
"""A worker that says one of these has not begun the call, and another may do it."""

INFRASTRUCTURE = frozenset({Reason.INTERNAL, Reason.WORKER_LOST})
"""These speak against the worker, not against the call."""

TOO_LATE = frozenset(
    {
        Reason.DEADLINE_INFEASIBLE,
        Reason.OVERLOADED,
        Reason.SHED_BEFORE_START,
        Reason.DEADLINE_PASSED,
    }
)
"""An admitted call that ends so was admitted wrongly, ..."""

OVERRAN = ("overran", "1")
"""... unless the worker says that a run before it took longer than predicted: the predictor learns
from that, and theta need not."""


def answered(state: RouterState, event: AttemptAnswered, now_s: float) -> None:
    """An output: deliver it, unless nobody waits for it any more."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    if event.load is not None:
        heard(state.fleet, worker, event.load, now_s)
    call = state.calls.get(event.call_id)
    entry = worker.calls.get(event.call_id)
    if call is not None and entry is not None:
        survived(state, call, entry)
        _learn(state, event, call, entry, now_s)
        state.attempts.end(call, entry)
        state.tenants.charge(call.tenant, event.service_s - call.cost_s)
        state.out.append(Deliver(call.call_id, event.worker_id))
        state.end(call, now_s, missed=now_s > call.deadline_s)
    if state.hold.views:
        state.hold.freed.append(worker)


def _learn(
    state: RouterState, event: AttemptAnswered, call: CallRecord, entry: ModelEntry, now_s: float
) -> None:
    """What an answer says of its worker, the model and the wire."""
    trip_s = now_s - call.sent_s
    succeeded(state.fleet, entry, event.service_s, trip_s, now_s)
    if call.probe and now_s <= call.deadline_s:
        # What was learned in worse times is worth little.
        call.view.theta.disproved()
        state.way.disproved(now_s)
    if call.attempts == 1:
        state.way.took(trip_s - event.server_s, call.sent_s, now_s)
    if call.attempts == 1 and call.met_idle:
        entry.evidence.add(entry.rows_there(call.rows), call.elements, trip_s, now_s)
    call.view.latency.add(trip_s)
    state.gate.answered(now_s - call.arrived_s)


def refused(state: RouterState, event: AttemptRefused, now_s: float) -> None:
    """A refusal or failure: try elsewhere if that can help, else hand it on unchanged."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    if event.load is not None:
        heard(state.fleet, worker, event.load, now_s)
    call = state.calls.get(event.call_id)
    entry = worker.calls.get(event.call_id)
    reason = event.refusal.reason
    if call is not None and entry is not None:
        if event.content is not None:
            ended(state, entry, event.content, event.refusal.ended, now_s)
        elif reason is Reason.MODEL_FAILED:
            survived(state, call, entry)
        worker.failed += 1
        state.attempts.end(call, entry)
        if reason in INFRASTRUCTURE:
            worker.window_failed += 1
            note_failure(state.fleet, worker, now_s)
        hedge_runs = call.first is not None
        may_retry = (
            reason in TRY_ELSEWHERE
            and (call.idempotent or not event.refusal.started)
            and call.attempts < state.policy.retry.attempts_max
            and state.retries.try_spend(now_s)
        )
        if not hedge_runs and not (may_retry and redispatch(state, call, now_s)):
            state.out.append(Deliver(call.call_id, event.worker_id))
            if not event.refusal.started:
                state.tenants.charge(call.tenant, -call.cost_s)
            late = reason in TOO_LATE and OVERRAN not in event.refusal.metadata
            state.end(call, now_s, missed=True if late else None)
    if state.hold.views:
        state.hold.freed.append(worker)
