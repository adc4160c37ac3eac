"""May this call come in? Predicted finish against theta times its slack."""

from hasten_policy.fleet.models import ModelEntry, ModelView
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.dispatch import INFINITY, begin, choose, choose_other, wait
from hasten_policy.router.events import CallArrived, Refuse
from hasten_policy.router.gating import turned_away
from hasten_policy.router.state import TIMER_CALL, RouterState
from hasten_policy.router.suspects import deaths
from hasten_policy.short import short

PROTECTED_MAX = 64
"""Most held calls that are looked at before one is let in ahead of them."""


def arrive(state: RouterState, event: CallArrived, now_s: float) -> None:
    """Sends, holds or refuses a new call."""
    view = state.registry.find(event.model, event.version)
    if view is None or not view.open:
        state.out.append(Refuse(event.call_id, _nobody(state, event, view)))
        return
    left_s = event.time_left_s
    if 0 < view.default_timeout_s < left_s:
        left_s = view.default_timeout_s
    policy = state.policy
    known_s = left_s if policy.keeps_deadlines or left_s != left_s else INFINITY  # noqa: PLR0124  (not NaN)
    least_s = 0.0 if view.idle() is not None else view.best_s + state.way_s(now_s)
    # As times, not as durations: what is less than the clock can tell is nothing.
    if not now_s + known_s > now_s + least_s:
        state.out.append(Refuse(event.call_id, _infeasible(left_s, view.best_s)))
        return
    state.retries.earn(now_s)
    quota_s = state.tenants.wait_s(event.tenant, now_s)
    if quota_s > 0:
        state.out.append(Refuse(event.call_id, _over_quota(event.tenant, quota_s)))
        return
    view.arrivals += 1
    if now_s >= state.homes.due_s and state.balancer is None:
        state.homes.renew(state.registry.views, now_s)
    call = CallRecord(event, view, now_s, now_s + known_s)
    ordered_s = left_s if left_s != INFINITY else policy.hold.no_deadline_order_s
    call.order_s = state.place_s(now_s, now_s + state.due_share[call.priority] * ordered_s)
    entry = _first_choice(state, call, known_s, now_s)
    if state.gate is not None:
        if turned_away(state, call, now_s, waits=entry is None):
            return
    elif known_s != INFINITY:
        entry = _admit(state, call, entry, known_s, now_s)
        if call.ended:
            return
    _take_in(state, call, entry, now_s)


def _first_choice(
    state: RouterState, call: CallRecord, left_s: float, now_s: float
) -> ModelEntry | None:
    call.alone = bool(deaths(state, call.view, call.content, now_s))
    if call.alone:
        return choose_other(state, call, now_s)
    return choose(state, call.view, call.affinity, left_s, now_s)


def _admit(
    state: RouterState, call: CallRecord, entry: ModelEntry | None, left_s: float, now_s: float
) -> ModelEntry | None:
    """The worker to send to, None to hold; sets call.ended when it refused."""
    view = call.view
    allowed_s = view.theta.of(call.priority) * left_s - state.way_s(now_s)
    if entry is not None:
        need_s = _finish_on_s(call, entry, now_s)
        free = not (call.affinity or call.alone)
        if need_s > allowed_s and free and state.balancer is None:
            # The balancer's choice is too slow for this one: is any other fast enough?
            for other in view.homes or view.open:
                if len(other.worker.calls) < other.worker.window:
                    other_s = _finish_on_s(call, other, now_s)
                    if other_s < need_s:
                        need_s, entry = other_s, other
    else:
        need_s = _finish_from_hold_s(call, now_s)
    if need_s > allowed_s or (entry is None and _breaks_a_promise(state, call, need_s, now_s)):
        idle = _idle(call, entry)
        if idle is not None:
            rows = call.rows_for(idle)
            expected = idle.batch_s(rows, call.size_for(idle)) > left_s
            shown_s = idle.evidence.too_long_s(
                rows, call.elements, left_s, now_s, expected=expected
            )
            if not shown_s:
                call.probe = True
                return idle
            refusal = _infeasible(left_s, shown_s)
        else:
            refusal = _overloaded(state, call, need_s, left_s)
        state.refused_at_s = now_s
        state.out.append(Refuse(call.call_id, refusal))
        call.ended = True
    return entry


def _idle(call: CallRecord, entry: ModelEntry | None) -> ModelEntry | None:
    """A worker that has nothing to do and may get the call: it refuses on evidence alone, as what
    is predicted is never put right where it lets nothing run.
    """
    if call.affinity or call.alone:
        return entry if entry is not None and not entry.worker.queue else None
    return call.view.idle()


def _finish_on_s(call: CallRecord, entry: ModelEntry, now_s: float) -> float:
    return entry.finish_in_s(now_s, call.rows_for(entry), call.size_for(entry))


def _finish_from_hold_s(call: CallRecord, now_s: float) -> float:
    """Predicted seconds until a held call would be done: the work on the workers it is at home on,
    the held work that goes first, and the batch that the call will be part of.

    Other routers hold work for the same workers. As every router gets a fair sample of the calls,
    theirs is taken to stand to ours as their calls on the workers to our calls there.
    """
    view = call.view
    entries = view.homes or view.open
    lanes = sum(entry.home for entry in entries) or view.lanes
    busy_s = 0.0
    own_s = 0.0
    crowd = 0.0
    for entry in entries:
        worker = entry.worker
        backlog_s = worker.backlog_s - (now_s - worker.load_at_s)
        unseen = worker.sent - worker.received
        if backlog_s > 0:
            busy_s += backlog_s
        if unseen > 0:
            busy_s += unseen * entry.cost_s / worker.lanes
        rows = max(call.rows_for(entry), min(entry.target_rows, (worker.window + 1) // 2))
        own_s += entry.batch_s(rows, call.size_for(entry))
        calls = len(worker.calls)
        # Without others, what is there beside our calls are those that we have just taken back.
        crowded = calls and worker.others_per_s > 0.0
        crowd += max(calls, worker.queue) / calls if crowded else 1.0
    count = len(entries)
    ahead_s = crowd / count * view.held.ahead_s(call.order_s) / lanes
    return ahead_s + (busy_s + own_s) / count


def _breaks_a_promise(state: RouterState, call: CallRecord, need_s: float, now_s: float) -> bool:
    """Whether the call would push a held one behind it past its deadline.

    Only equally or more urgent ones are protected: otherwise raising the priority of a request
    could turn its admission into a refusal.
    """
    view = call.view
    shift_s = view.open[0].cost_s / view.lanes
    finish_s = now_s + need_s + state.way_s(now_s) + shift_s
    for held in view.held.following(call.order_s, PROTECTED_MAX):
        late = finish_s > held.deadline_s
        if late and finish_s - shift_s <= held.deadline_s and held.priority <= call.priority:
            return True
        finish_s += held.cost_s / view.lanes
    return False


def _take_in(state: RouterState, call: CallRecord, entry: ModelEntry | None, now_s: float) -> None:
    """Sends an admitted call, or holds it within the bounds."""
    call.cost_s = (entry or call.view.open[0]).cost_s
    if entry is None:
        full = _bound_reached(state, call)
        if full:
            refusal = Refusal(Reason.QUEUE_FULL, f"the router's queue is full: {full}", 0.1)
            state.out.append(Refuse(call.call_id, refusal))
            return
    state.calls[call.call_id] = call
    state.tenants.charge(call.tenant, call.cost_s)
    if entry is None:
        wait(state, call)
        return
    if call.deadline_s != INFINITY:
        state.timers.push(call.deadline_s, TIMER_CALL, call)
    begin(state, call, entry, now_s)


def _bound_reached(state: RouterState, call: CallRecord) -> str:
    policy = state.policy.hold
    if state.held_count >= policy.hold_calls_max:
        return f"{state.held_count} calls"
    # One alone is held whatever its size.
    if state.held_bytes and state.held_bytes + call.bytes > policy.hold_bytes_max:
        return f"{state.held_bytes} bytes"
    if call.view.held.cost_s / call.view.lanes > policy.hold_s_max:
        return f"{call.view.held.cost_s / call.view.lanes:.0f} s of work"
    return ""


# --- refusals -------------------------------------------------------------------------


def _nobody(state: RouterState, event: CallArrived, view: ModelView | None) -> Refusal:
    registry = state.registry
    named = f"model {short(event.model)!r}"
    if event.version:
        named += f" version {short(event.version)!r}"
    if registry.is_loading(event.model, event.version):
        return Refusal(Reason.MODEL_LOADING, f"{named} is loading", 1.0)
    if view is not None:
        return Refusal(Reason.NO_WORKER, f"no worker that serves {named} takes calls now", 1.0)
    if not any(worker.report is not None for worker in registry.workers.values()):
        return Refusal(Reason.NO_WORKER, "no worker has reported to this router yet", 1.0)
    if event.version and registry.knows_name(event.model):
        return Refusal(Reason.VERSION_NOT_FOUND, f"{named} is not served by any worker")
    return Refusal(Reason.MODEL_NOT_FOUND, f"{named} is not served by any worker")


def _infeasible(left_s: float, least_s: float) -> Refusal:
    if left_s != left_s:  # noqa: PLR0124  (only NaN differs from itself; math is not needed)
        return Refusal(Reason.INVALID_DEADLINE, "the deadline is not a number")
    least_ms = least_s * 1e3
    return Refusal(
        Reason.DEADLINE_INFEASIBLE,
        f"{left_s * 1e3:.1f} ms are left, and even an idle worker needs {least_ms:.1f} ms",
        metadata=(("min_ms", f"{least_ms:.3f}"),),
    )


def _over_quota(tenant: str, wait_s: float) -> Refusal:
    return Refusal(
        Reason.TENANT_QUOTA,
        f"tenant {tenant!r} has used up its share",
        None if wait_s == INFINITY else wait_s,
        metadata=(("tenant", tenant),),
    )


def _overloaded(state: RouterState, call: CallRecord, need_s: float, left_s: float) -> Refusal:
    theta = call.view.theta.of(call.priority)
    net_s = state.way_s(call.arrived_s)
    wait_s = max(0.0, need_s + net_s - theta * left_s) * state.rng.uniform(1.0, 1.5)
    fits = wait_s + call.view.best_s + net_s <= left_s
    return Refusal(
        Reason.OVERLOADED,
        f"would be done in {(need_s + net_s) * 1e3:.1f} ms, {left_s * 1e3:.1f} ms are left",
        wait_s if fits else None,
        metadata=(("predicted_ms", f"{(need_s + net_s) * 1e3:.3f}"), ("theta", f"{theta:.3f}")),
    )
