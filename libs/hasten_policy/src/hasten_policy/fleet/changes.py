"""Workers come, report, fall silent, fail and go."""

from hasten_policy.fleet.outliers import (
    eject_s,
    ejectable,
    failing,
    new_window,
    slow,
    unsuccessful,
)
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.load import LoadSample
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.dispatch import has_elsewhere, redispatch
from hasten_policy.router.events import (
    LoadTold,
    StandingChanged,
    WorkerJoined,
    WorkerLost,
    WorkerReported,
)
from hasten_policy.router.state import (
    TIMER_RAMP,
    TIMER_RESTORE,
    TIMER_SILENCE,
    TIMER_WINDOW,
    RouterState,
)
from hasten_policy.router.suspects import blame, spent

RAMP_STEPS = 20
RAMP_STEP_S_MIN = 0.001
"""A shorter step may be none at all by a clock of large numbers, and the ramp would never end."""
SILENCE_CHECK_S = 0.25


def joined(state: RouterState, event: WorkerJoined, now_s: float) -> None:
    """A link opened. A worker of the same name that was there is lost first."""
    if event.worker_id in state.registry.workers:
        lost(state, WorkerLost(event.worker_id), now_s)
    if not state.window_open:
        state.window_open = True
        state.timers.push(now_s + state.policy.fleet.eject_window_s, TIMER_WINDOW, None)
    weight = event.weight if event.weight > 0 else 1.0
    worker = state.registry.join(event.worker_id, weight, now_s)
    state.timers.push(now_s + state.policy.fleet.report_age_max_s, TIMER_SILENCE, worker)
    state.say_standing(worker, "link opened")


def reported(state: RouterState, event: WorkerReported, now_s: float) -> None:
    """A full report came."""
    worker = state.registry.workers.get(event.worker_id)
    if worker is None:
        return
    before = worker.standing
    known = worker.report
    if known is not None and known.incarnation != event.report.incarnation:
        _forget_calls(state, worker, WorkerLost(worker.worker_id), now_s)
        worker.forget_incarnation()
    worker.suspect = False
    if known is None:
        state.suspicions.lives(f"{worker.worker_id}/{event.report.incarnation}")
        worker.ready_since_s = now_s
        # The share of a newcomer ramps up, but only where others carry the load meanwhile; in a
        # pool that starts together nobody is a newcomer.
        established_s = now_s - state.policy.fleet.slow_start_s
        if any(
            w.open and w.ready_since_s <= established_s for w in state.registry.workers.values()
        ):
            _begin_ramp(state, worker, now_s)
    changed = state.registry.report(worker, event.report)
    worker.take_load(event.report.load, now_s)
    if before == "suspect":
        state.registry.refresh_open_of(worker)
    if worker.standing != before:
        state.say_standing(worker, "reported")
    if changed:
        _refuse_orphans(state, now_s)
    if state.held_views:
        state.freed.append(worker)


def told(state: RouterState, event: LoadTold, now_s: float) -> None:
    """A worker told its load alone."""
    worker = state.registry.workers.get(event.worker_id)
    if worker is None:
        return
    heard(state, worker, event.load, now_s)
    if state.held_views:
        state.freed.append(worker)


def lost(state: RouterState, event: WorkerLost, now_s: float) -> None:
    """The link broke: what it had not answered goes elsewhere, if there is time."""
    worker = state.registry.workers.get(event.worker_id)
    if worker is None:
        return
    state.registry.leave(worker)
    worker.quiesced = True
    _forget_calls(state, worker, event, now_s)
    state.out.append(_gone(event.worker_id))
    _refuse_orphans(state, now_s)


def quiesced(state: RouterState, worker_id: str) -> None:
    """No new calls for this worker; what it has may end."""
    worker = state.registry.workers.get(worker_id)
    if worker is not None and not worker.quiesced:
        worker.quiesced = True
        state.registry.refresh_open_of(worker)
        state.say_standing(worker, "asked to drain")


# --- silence --------------------------------------------------------------------------


def check_silence(state: RouterState, worker: WorkerRecord, now_s: float) -> None:
    """Suspects a worker that has said nothing for too long and rescues its calls.

    If more than half of the workers seem silent, the likelier cause is this router itself (it
    was paused, or cut off): then nobody is suspected, and the balancer goes by own knowledge.
    """
    limit_s = state.policy.fleet.report_age_max_s
    silent_s = now_s - worker.heard_s
    state.timers.push(
        max(worker.heard_s + limit_s, now_s + SILENCE_CHECK_S / 2)
        if silent_s <= limit_s
        else now_s + SILENCE_CHECK_S,
        TIMER_SILENCE,
        worker,
    )
    if silent_s <= limit_s and not state.blind:
        return
    known = [other for other in state.registry.workers.values() if other.report is not None]
    silent = sum(now_s - other.heard_s > limit_s for other in known)
    state.blind = silent * 2 > len(known)
    if silent_s <= limit_s or worker.suspect or worker.report is None or state.blind:
        return
    worker.suspect = True
    state.registry.refresh_open_of(worker)
    state.say_standing(worker, f"silent for {silent_s:.1f} s")
    for call in list(worker.calls.values()):
        entry = call.entry_on(worker.worker_id)
        may_move = call.idempotent and call.attempts < state.policy.retry.attempts_max_lost
        if entry is None or call.second is not None or not may_move:
            continue
        # Only taken away when somebody else can have it: the answer may yet come.
        if has_elsewhere(call, now_s):
            state.revoke(call, entry)
            if not redispatch(state, call, now_s):
                state.refuse(call, _lost(worker.worker_id), now_s, missed=None)


def heard(state: RouterState, worker: WorkerRecord, load: LoadSample, now_s: float) -> None:
    """A worker told its load; a suspect that speaks is none."""
    worker.take_load(load, now_s)
    if worker.suspect:
        worker.suspect = False
        state.registry.refresh_open_of(worker)
        state.say_standing(worker, "answers again")


# --- slow start -----------------------------------------------------------------------


def _begin_ramp(state: RouterState, worker: WorkerRecord, now_s: float) -> None:
    if state.policy.fleet.slow_start_s > 0:
        worker.ready_since_s = now_s
        if not worker.ramping:
            worker.ramping = True
            ramp(state, worker, now_s)


def ramp(state: RouterState, worker: WorkerRecord, now_s: float) -> None:
    """Sets the worker's share on its way up."""
    policy = state.policy.fleet
    was = worker.standing
    grown = (now_s - worker.ready_since_s) / policy.slow_start_s
    share = min(1.0, max(policy.slow_start_min, grown))
    worker.inverse_share = 1.0 / (worker.weight * share)
    if share < 1.0:
        step_s = max(policy.slow_start_s / RAMP_STEPS, RAMP_STEP_S_MIN)
        state.timers.push(now_s + step_s, TIMER_RAMP, worker)
        return
    worker.ramping = False
    if worker.standing != was:
        state.say_standing(worker, "slow start ended")


# --- ejection -------------------------------------------------------------------------


def note_failure(state: RouterState, worker: WorkerRecord, now_s: float) -> None:
    """Counts an infrastructure failure; too many in a row eject."""
    worker.failures_in_a_row += 1
    if failing(worker, state.policy.fleet):
        _eject(state, worker, now_s, f"{worker.failures_in_a_row} failures in a row")


def close_window(state: RouterState, now_s: float) -> None:
    """Compares the workers at the end of an observation window."""
    known = [worker for worker in state.registry.workers.values() if worker.report is not None]
    for worker in unsuccessful(known, state.policy.fleet):
        _eject(state, worker, now_s, "far fewer successes than the others")
    for worker in slow(known, state.policy.fleet):
        _eject(state, worker, now_s, "far slower than the others")
    for worker in known:
        if worker.open and worker.window_ok > 0 and worker.ejections > 0:
            worker.ejections -= 1
    new_window(known)
    state.window_open = bool(state.registry.workers)
    if state.window_open:
        state.timers.push(now_s + state.policy.fleet.eject_window_s, TIMER_WINDOW, None)


def restore(state: RouterState, worker: WorkerRecord, now_s: float) -> None:
    """Ends an ejection; the worker's share ramps up again."""
    if worker.ejected_until_s == 0 or now_s < worker.ejected_until_s:
        return
    worker.ejected_until_s = 0.0
    worker.failures_in_a_row = 0
    worker.slow_windows = 0
    _begin_ramp(state, worker, now_s)
    state.registry.refresh_open_of(worker)
    state.say_standing(worker, "ejection ended")
    if state.held_views:
        state.freed.append(worker)


def _eject(state: RouterState, worker: WorkerRecord, now_s: float, cause: str) -> None:
    known = [other for other in state.registry.workers.values() if other.report is not None]
    if not worker.open or ejectable(known, state.policy.fleet) < 1:
        return
    if state.registry.needs(worker):
        return
    length_s = eject_s(worker, state.policy.fleet)
    worker.ejections += 1
    worker.ejected_until_s = now_s + length_s
    state.timers.push(worker.ejected_until_s, TIMER_RESTORE, worker)
    state.registry.refresh_open_of(worker)
    state.say_standing(worker, cause)


# --- orphans --------------------------------------------------------------------------


def _forget_calls(
    state: RouterState, worker: WorkerRecord, event: WorkerLost, now_s: float
) -> None:
    """The worker's process is gone, and its calls with it: they go elsewhere or are refused."""
    blame(state, worker, event, now_s)
    began = {one.call_id for one in event.ran}
    for call in list(worker.calls.values()):
        entry = call.entry_on(worker.worker_id)
        if entry is None:
            continue
        state.detach(call, entry)
        if call.first is not None:
            continue
        started = call.call_id in began
        refusal = spent(state, call, entry, now_s)
        may_move = call.idempotent and call.attempts < state.policy.retry.attempts_max_lost
        if refusal is None and not (may_move and redispatch(state, call, now_s)):
            refusal = _lost(worker.worker_id, started=started)
        if refusal is not None:
            state.refuse(call, refusal, now_s, missed=None)


def _refuse_orphans(state: RouterState, now_s: float) -> None:
    """Held calls that nobody is left for are refused, not kept waiting for nothing."""
    for view in list(state.held_views.values()):
        reporters = {entry.worker.worker_id for entry in view.entries}
        for call in view.held.calls():
            if reporters <= call.been:
                refusal = Refusal(Reason.NO_WORKER, "the last worker with this model left", 1.0)
                state.refuse(call, refusal, now_s, missed=None)
        state.registry.forget_unreported([view])


def _lost(worker_id: str, *, started: bool = False) -> Refusal:
    return Refusal(
        Reason.WORKER_LOST,
        f"worker {worker_id!r} was lost and no other could take the call in time",
        0.0,
        metadata=(("worker_id", worker_id),),
        started=started,
    )


def _gone(worker_id: str) -> StandingChanged:
    return StandingChanged(worker_id, "gone", "link closed")
