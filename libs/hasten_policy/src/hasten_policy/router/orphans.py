"""What workers tell and what becomes of them, and of the calls that they leave behind."""

from hasten_policy.fleet.changes import (
    Orphans,
    check_silence,
    gone,
    joined,
    left,
    reported,
    restarted,
    told,
)
from hasten_policy.fleet.events import LoadTold, WorkerJoined, WorkerLost, WorkerReported
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.dispatch import has_elsewhere, redispatch
from hasten_policy.router.state import RouterState
from hasten_policy.router.suspects import blame, spent


def worker_joined(state: RouterState, event: WorkerJoined, now_s: float) -> None:
    """A link opened. A worker of the same name that was there is lost first."""
    if event.worker_id in state.fleet.workers:
        worker_lost(state, WorkerLost(event.worker_id), now_s)
    joined(state.fleet, event, now_s)


def worker_told(state: RouterState, event: LoadTold, now_s: float) -> None:
    """A worker told its load alone."""
    worker = told(state.fleet, event, now_s)
    if worker is not None:
        state.hold.frees(worker)


def worker_reported(state: RouterState, event: WorkerReported, now_s: float) -> None:
    """A full report came."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    if worker.report is None:
        state.suspicions.lives(f"{worker.worker_id}/{event.report.incarnation}")
    orphans = restarted(worker, event.report)
    if orphans:
        _place(state, worker, orphans, WorkerLost(worker.worker_id), now_s)
    changes = reported(state.fleet, worker, event.report, now_s)
    for model in changes.times:
        state.thetas.of(model).restart()
    if changes.who:
        _refuse_stranded(state, now_s)
    state.hold.frees(worker)


def worker_lost(state: RouterState, event: WorkerLost, now_s: float) -> None:
    """The link broke: what it had not answered goes elsewhere, if there is time."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    orphans = left(state.fleet, worker)
    blame(state, worker, event, now_s)
    _place(state, worker, orphans, event, now_s)
    gone(state.fleet, worker)
    _refuse_stranded(state, now_s)


def rescue(state: RouterState, worker: WorkerRecord, now_s: float) -> None:
    """Looks whether a worker is silent, and takes from one that is what others can do."""
    for call_id, entry in check_silence(state.fleet, worker, now_s):
        call = state.calls[call_id]
        may_move = call.idempotent and call.attempts < state.policy.retry.attempts_max_lost
        if call.second is not None or not may_move:
            continue
        # Only taken away when somebody else can have it: the answer may yet come.
        if has_elsewhere(call, now_s):
            state.attempts.revoke(call, entry)
            if not redispatch(state, call, now_s):
                state.refuse(call, _lost(worker.worker_id), now_s, missed=None)


def _place(
    state: RouterState, worker: WorkerRecord, orphans: Orphans, event: WorkerLost, now_s: float
) -> None:
    """The worker's process is gone, and its calls with it: they go elsewhere or are refused."""
    began = {one.call_id for one in event.ran}
    for call_id, entry in orphans:
        call = state.calls[call_id]
        state.attempts.end(call, entry)
        if call.first is not None:
            continue
        refusal = spent(state, call, entry, now_s)
        may_move = call.idempotent and call.attempts < state.policy.retry.attempts_max_lost
        if refusal is None and not (may_move and redispatch(state, call, now_s)):
            refusal = _lost(worker.worker_id, started=call_id in began)
        if refusal is not None:
            state.refuse(call, refusal, now_s, missed=None)


def _refuse_stranded(state: RouterState, now_s: float) -> None:
    """Held calls that nobody is left for are refused, not kept waiting for nothing."""
    for view in list(state.hold.views.values()):
        reporters = {entry.worker.worker_id for entry in view.entries}
        for call in view.held.calls():
            if reporters <= call.been:
                refusal = Refusal(Reason.NO_WORKER, "the last worker with this model left", 1.0)
                state.refuse(call, refusal, now_s, missed=None)
        state.fleet.registry.forget_unreported([view])


def _lost(worker_id: str, *, started: bool = False) -> Refusal:
    return Refusal(
        Reason.WORKER_LOST,
        f"worker {worker_id!r} was lost and no other could take the call in time",
        0.0,
        metadata=(("worker_id", worker_id),),
        started=started,
    )
