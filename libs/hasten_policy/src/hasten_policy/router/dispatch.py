"""Late binding: calls wait here, not in a worker's queue, until a worker grants a credit."""

from hasten_policy.admission.gate import RETRY_S
from hasten_policy.admission.views import AskedView
from hasten_policy.fleet.subset import pick_affine
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.hold import INFINITY
from hasten_policy.router.state import TIMER_CALL, TIMER_HEDGE, RouterState
from hasten_policy.router.suspects import deaths
from hasten_policy.router.suspicion import DEATHS_MAX

LOOK_AHEAD = 16
"""Held calls of one model that are looked at for a worker that frees a credit."""


def choose(state: RouterState, call: CallRecord, left_s: float, now_s: float) -> ModelEntry | None:
    """The worker for a new call with `left_s` of slack; None when every open one is full."""
    view = call.view
    if call.alone:
        return choose_other(state, call, now_s)
    if call.affinity:
        found = pick_affine(view.open, call.affinity)
        return found if found and len(found.worker.calls) < found.worker.window else None
    return state.fleet.balancer.choose(view, left_s, state.rng, now_s)


def choose_other(state: RouterState, call: CallRecord, now_s: float) -> ModelEntry | None:
    """The worker for one more attempt; None when every open one that has not had it is full."""
    view = call.view
    avoid = call.been
    if call.alone:
        may_have = state.attempts.trials.may_have
        avoid |= {e.worker.worker_id for e in view.open if not may_have(call, e.worker)}
    rest = [entry for entry in view.open if entry.worker.worker_id not in avoid]
    return state.fleet.balancer.pick(view.key, rest, state.rng, now_s)


def begin(state: RouterState, call: CallRecord, entry: ModelEntry, now_s: float) -> None:
    """Sends a call for the first time and sets its timers."""
    state.attempts.begin(call, entry, now_s)
    if state.policy.retry.hedge_share > 0 and call.idempotent and not call.alone:
        state.hedges.earn(now_s)
        delay_s = max(call.view.latency.value, state.policy.retry.hedge_delay_min_s)
        if call.deadline_s - now_s > 2 * entry.batch_s(1):
            state.timers.push(now_s + delay_s, TIMER_HEDGE, call)


def wait(state: RouterState, call: CallRecord) -> None:
    """Holds a call and sets the timer of its latest start."""
    state.hold.push(call)
    if call.deadline_s != INFINITY:
        state.timers.push(call.deadline_s - call.view.best_s, TIMER_CALL, call)


def use_freed_credits(state: RouterState, now_s: float) -> None:
    """Gives the credits that the present event has freed to held calls."""
    freed = state.hold.freed
    while freed:
        use_credits(state, freed.pop(), now_s)


def use_credits(state: RouterState, worker: WorkerRecord, now_s: float) -> None:
    """Sends held calls to a worker that has credits: first of the models that are at home there,
    earliest deadline first; when it would stand idle, of any.

    A call that could no longer finish in time there is shed instead.
    """
    hold = state.hold
    while hold.views and len(worker.calls) < worker.window and worker.open:
        best = _earliest(
            state, [hold.views[key] for _, key in worker.homes if key in hold.views], worker, now_s
        )
        if best is None:
            if worker.homes and worker.queue:
                return
            best = _earliest(state, list(hold.views.values()), worker, now_s)
        if best is None:
            return
        if state.gate.drops(now_s - best.arrived_s, now_s):
            _drop(state, best, now_s)
            continue
        hold.remove(best)
        view = best.view
        view.outflow.sent(best.cost_s, now_s, more=bool(view.held))
        begin(state, best, view.by_worker[worker.worker_id], now_s)


def _earliest(
    state: RouterState, views: list[AskedView[CallRecord]], worker: WorkerRecord, now_s: float
) -> CallRecord | None:
    """The held call of these views with the earliest deadline that the worker may have."""
    best: CallRecord | None = None
    for view in views:
        if view.held:
            entry = view.by_worker.get(worker.worker_id)
            if entry is not None:
                call = _first_for(state, view, entry, now_s)
                if call is not None and (best is None or call.precedes(best)):
                    best = call
    return best


def _first_for(
    state: RouterState, view: AskedView[CallRecord], entry: ModelEntry, now_s: float
) -> CallRecord | None:
    """The first held call that this worker may have, among the first few.

    One that waits for another worker (a sequence's own, or a faster one), or has been here, is
    passed over.
    """
    for call in view.held.first(LOOK_AHEAD):
        if now_s + view.best_s > call.deadline_s:
            shed(state, call, now_s)
            continue
        if now_s + entry.best_s > call.deadline_s or entry.worker.worker_id in call.been:
            continue
        if not state.attempts.trials.may_have(call, entry.worker):
            continue
        own = pick_affine(view.open, call.affinity) if call.affinity and not call.been else entry
        if own is entry:
            return call
    return None


def has_elsewhere(call: CallRecord, now_s: float) -> bool:
    """Some open worker has not had the call yet, and there is time."""
    if now_s + call.view.best_s > call.deadline_s:
        return False
    return any(entry.worker.worker_id not in call.been for entry in call.view.open)


def redispatch(state: RouterState, call: CallRecord, now_s: float) -> bool:
    """Tries a call whose attempt came to nothing on another worker; False if none may have it."""
    died = deaths(state, call.view, call.content, now_s)
    if len(died) >= DEATHS_MAX or not has_elsewhere(call, now_s):
        return False
    call.alone = call.alone or bool(died)
    entry = choose_other(state, call, now_s)
    if entry is not None:
        state.attempts.begin(call, entry, now_s)
    elif not state.hold.full:
        wait(state, call)
    else:
        return False
    return True


def shed(state: RouterState, call: CallRecord, now_s: float) -> None:
    """Refuses a held call that can no longer make it. No worker has touched it."""
    waited_ms = (now_s - call.arrived_s) * 1e3
    refusal = Refusal(
        Reason.SHED_BEFORE_START,
        f"after {waited_ms:.1f} ms in the queue too little time was left to run the model",
        metadata=(("queued_ms", f"{waited_ms:.3f}"),),
    )
    state.refuse(call, refusal, now_s, missed=True)


def _drop(state: RouterState, call: CallRecord, now_s: float) -> None:
    """Refuses a held call that the gate drops when its turn has come."""
    waited_ms = (now_s - call.arrived_s) * 1e3
    why = f"dropped after {waited_ms:.1f} ms in a queue that does not empty"
    state.refuse(call, Refusal(Reason.OVERLOADED, why, RETRY_S), now_s, missed=None)
