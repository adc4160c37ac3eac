"""A call arrives: it is sent, held or refused."""

from hasten_policy.admission.plan import infeasible
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.dispatch import begin, choose, wait
from hasten_policy.router.events import CallArrived, CallsBarred, Refuse
from hasten_policy.router.hold import INFINITY
from hasten_policy.router.state import TIMER_CALL, RouterState
from hasten_policy.router.suspects import deaths
from hasten_policy.short import short


def arrive(state: RouterState, event: CallArrived, now_s: float) -> None:
    """Sends, holds or refuses a new call."""
    fleet = state.fleet
    view = fleet.registry.find(event.model, event.version)
    if view is None or not view.open:
        state.out.append(Refuse(event.call_id, _nobody(state, event, view)))
        return
    left_s = event.time_left_s
    if 0 < view.default_timeout_s < left_s:
        left_s = view.default_timeout_s
    keeps = state.policy.keeps_deadlines
    known_s = left_s if keeps or left_s != left_s else INFINITY  # noqa: PLR0124  (not NaN)
    least_s = 0.0 if view.idle() is not None else view.best_s + state.way.seconds(now_s)
    # As times, not as durations: what is less than the clock can tell is nothing.
    if not now_s + known_s > now_s + least_s:
        state.out.append(Refuse(event.call_id, infeasible(left_s, view.best_s)))
        return
    state.retries.earn(now_s)
    quota_s = state.tenants.wait_s(event.tenant, now_s)
    if quota_s > 0:
        state.out.append(Refuse(event.call_id, _over_quota(event.tenant, quota_s)))
        return
    view.arrivals += 1
    if now_s >= fleet.balancer.due_s:
        fleet.balancer.renew(fleet.registry.views.values(), now_s)
    call = CallRecord(event, view, now_s, now_s + known_s)
    call.order_s = state.hold.order_s(call.priority, left_s, now_s)
    call.alone = bool(deaths(state, view, call.content, now_s))
    entry = choose(state, call, known_s, now_s)
    verdict = state.gate.judge(call, entry, known_s, state.hold.count, now_s)
    if isinstance(verdict, Refusal):
        state.refused_at_s = now_s
        state.out.append(Refuse(call.call_id, verdict))
        state.bars.refused(event, view, state.gate.crowded(), now_s)
        return
    _take_in(state, call, verdict, now_s)


def barred(state: RouterState, event: CallsBarred, now_s: float) -> None:
    """The front refused calls as it was allowed to."""
    state.refused_at_s = now_s
    view = state.fleet.registry.find(event.model, event.version)
    if view is not None:
        view.arrivals += event.calls


def _take_in(state: RouterState, call: CallRecord, entry: ModelEntry | None, now_s: float) -> None:
    """Sends an admitted call, or holds it within the bounds."""
    call.cost_s = (entry or call.view.open[0]).cost_s
    if entry is None:
        full = state.hold.bound_reached(call)
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


# --- refusals -------------------------------------------------------------------------


def _nobody(state: RouterState, event: CallArrived, view: ModelView | None) -> Refusal:
    registry = state.fleet.registry
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


def _over_quota(tenant: str, wait_s: float) -> Refusal:
    return Refusal(
        Reason.TENANT_QUOTA,
        f"tenant {tenant!r} has used up its share",
        None if wait_s == INFINITY else wait_s,
        metadata=(("tenant", tenant),),
    )
