"""What workers tell and what becomes of them, and of the attempts that they leave behind."""

from typing import Final

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
from hasten_policy.scheduler.answers import again
from hasten_policy.scheduler.attempts import Attempt
from hasten_policy.scheduler.events import Failed
from hasten_policy.scheduler.state import SchedulerState

DEATHS_TOLD: Final = 4
"""Processes that are named in a refusal."""


def worker_joined(state: SchedulerState, event: WorkerJoined, now_s: float) -> None:
    """A link opened. A worker of the same name that was there is lost first."""
    if event.worker_id in state.fleet.workers:
        worker_lost(state, WorkerLost(event.worker_id), now_s)
    joined(state.fleet, event, now_s)


def worker_told(state: SchedulerState, event: LoadTold, now_s: float) -> None:
    """A worker told its load alone."""
    worker = told(state.fleet, event, now_s)
    if worker is not None:
        state.freed[worker] = None


def worker_reported(state: SchedulerState, event: WorkerReported, now_s: float) -> None:
    """A full report came."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    _orphaned(state, worker, restarted(worker, event.report), frozenset(), now_s)
    reported(state.fleet, worker, event.report, now_s)
    state.freed[worker] = None


def worker_lost(state: SchedulerState, event: WorkerLost, now_s: float) -> None:
    """The link broke: what it had not answered waits again, and what ran there is suspect."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    orphans = left(state.fleet, worker)
    _orphaned(state, worker, orphans, frozenset(one.call_id for one in event.ran), now_s)
    state.slack.forget(worker)
    state.freed.pop(worker, None)
    state.roomy.pop(worker.worker_id, None)
    gone(state.fleet, worker)


def rescue(state: SchedulerState, worker: WorkerRecord, now_s: float) -> None:
    """Looks whether a worker is silent, and takes from one that is what others can do."""
    for number, _ in check_silence(state.fleet, worker, now_s):
        attempt = state.attempts.open[number]
        view = state.view(attempt.lane.desk)
        # Only taken away when somebody else can have it: the answer may yet come.
        if view is not None and view.open:
            was_sent = attempt.sent
            state.attempts.revoke(attempt)
            if was_sent:
                again(state, attempt, _silent(worker.process), 0.0, now_s)


def _orphaned(
    state: SchedulerState,
    worker: WorkerRecord,
    orphans: Orphans,
    ran: frozenset[int],
    now_s: float,
) -> None:
    """The worker's process is gone, and its attempts with it."""
    for number, _ in orphans:
        attempt = state.attempts.open[number]
        was_sent = attempt.sent
        state.attempts.leave(attempt)
        if not was_sent:
            continue  # It gets another worker once the store has claimed it.
        if number in ran:
            _died(state, attempt, worker.process, now_s)
        else:
            attempt.lane.tenant.charge(-attempt.cost_s)
            again(state, attempt, _lost(worker.process), 0.0, now_s)


def _died(state: SchedulerState, attempt: Attempt, process: str, now_s: float) -> None:
    """A worker's process died while it ran the task."""
    head = attempt.head
    deaths = tuple(dict.fromkeys((*head.deaths, process)))
    policy = state.policy.again
    if len(deaths) >= policy.deaths_max:
        evidence = tuple(
            (f"process_{at}", name) for at, name in enumerate(deaths[-DEATHS_TOLD:], 1)
        )
        cause = Refusal(
            Reason.POISONOUS,
            f"{len(deaths)} worker processes died while they ran this task",
            metadata=evidence,
            started=True,
        )
    elif head.attempts + 1 >= head.attempts_max:
        cause = _lost(process, started=True)
    else:
        cause = _lost(process, started=True)
        again(state, attempt, cause, 0.0, now_s, counts=True, death=process)
        return
    state.end(attempt)
    state.out.append(Failed(attempt.number, cause, dead=True, death=process))


def _lost(process: str, *, started: bool = False) -> Refusal:
    what = "died while it ran the task" if started else "was lost before it ran the task"
    return Refusal(
        Reason.WORKER_LOST,
        f"worker process {process!r} {what}",
        0.0,
        metadata=(("process", process),),
        started=started,
    )


def _silent(process: str) -> Refusal:
    return Refusal(
        Reason.WORKER_LOST,
        f"worker process {process!r} fell silent, and whether it ran the task is not known",
        0.0,
        metadata=(("process", process),),
    )
