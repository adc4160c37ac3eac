"""What comes back from the store and from workers, and what becomes of the task."""

from typing import Final

from hasten_policy.fleet.changes import heard, note_failure, succeeded
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.attempts import Attempt
from hasten_policy.scheduler.events import (
    Again,
    AttemptAnswered,
    AttemptRefused,
    Claimed,
    Done,
    Failed,
    TaskRevoked,
)
from hasten_policy.scheduler.expiry import fail_late, latest_s
from hasten_policy.scheduler.picks import another_worker
from hasten_policy.scheduler.state import SchedulerState
from hasten_policy.scheduler.windows import tend

NOT_BEGUN: Final = frozenset(
    {
        Reason.DEADLINE_INFEASIBLE,
        Reason.DRAINING,
        Reason.MODEL_LOADING,
        Reason.MODEL_NOT_FOUND,
        Reason.NO_WORKER,
        Reason.OVERLOADED,
        Reason.QUEUE_FULL,
        Reason.SHED_BEFORE_START,
        Reason.TENANT_QUOTA,
        Reason.VERSION_NOT_FOUND,
    }
)
"""A worker that says one of these has not begun the task: the attempt does not count."""

INFRASTRUCTURE: Final = frozenset({Reason.INTERNAL, Reason.WORKER_LOST})
"""These speak against the worker, not against the task: another attempt may help, and counts."""

MENDABLE: Final = frozenset({Reason.MODEL_FAILED, Reason.POISONOUS, Reason.RUN_OVERSTAYED})
"""No other attempt helps, but people may look at what the model did with these inputs, mend it and
let the task run again. All other failures lie in the request.
"""


def claimed(state: SchedulerState, event: Claimed, now_s: float) -> None:
    """What the store has claimed is sent at once."""
    for number in event.attempts:
        attempt = _answered_claim(state, number, now_s)
        if attempt is not None:
            _send(state, attempt, now_s)
    for number in event.gone:
        attempt = _answered_claim(state, number, now_s)
        if attempt is not None:
            attempt.lane.tenant.charge(-attempt.cost_s)
            state.end(attempt)


def answered(state: SchedulerState, event: AttemptAnswered, now_s: float) -> None:
    """An output ends the task, unless somebody else decides about it by now."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    if event.load is not None:
        heard(state.fleet, worker, event.load, now_s)
    attempt = state.attempts.at(event.attempt, worker)
    if attempt is not None and attempt.entry is not None:
        trip_s = now_s - attempt.sent_s
        succeeded(state.fleet, attempt.entry, event.service_s, trip_s, now_s)
        if event.service_s > 0:
            attempt.lane.tenant.charge(event.service_s - attempt.cost_s)
        state.retries.earn(now_s)
        state.end(attempt)
        state.slack.served(worker)
        state.out.append(Done(attempt.number))
    state.freed[worker] = None


def refused(state: SchedulerState, event: AttemptRefused, now_s: float) -> None:
    """A refusal or failure: the task waits again where that can help, else it has failed."""
    worker = state.fleet.workers.get(event.worker_id)
    if worker is None:
        return
    if event.load is not None:
        heard(state.fleet, worker, event.load, now_s)
    attempt = state.attempts.at(event.attempt, worker)
    state.freed[worker] = None
    if attempt is None:
        return
    refusal = event.refusal
    reason = refusal.reason
    worker.failed += 1
    if reason in INFRASTRUCTURE:
        worker.window_failed += 1
        note_failure(state.fleet, worker, now_s)
    if not refusal.started:
        attempt.lane.tenant.charge(-attempt.cost_s)
    if reason is Reason.DEADLINE_PASSED:
        state.end(attempt)
        state.out.append(Failed(attempt.number, refusal, dead=False))
    elif reason in NOT_BEGUN:
        state.slack.refused(worker)
        again(state, attempt, refusal, state.policy.again.refused_backoff_s, now_s)
    elif reason in INFRASTRUCTURE or reason.value.retryable or reason is Reason.CANCELLED:
        count(state, attempt, refusal, now_s)
    else:
        state.end(attempt)
        state.out.append(Failed(attempt.number, refusal, dead=reason in MENDABLE))


def revoked(state: SchedulerState, event: TaskRevoked) -> None:
    """The store has ended a task that runs."""
    shard = state.shards.get(event.shard)
    attempt = shard.running.get(event.task_id) if shard is not None else None
    if attempt is not None:
        state.attempts.revoke(attempt)
        state.end(attempt)


def count(state: SchedulerState, attempt: Attempt, cause: Refusal, now_s: float) -> None:
    """A failed attempt that counts: after some time again, unless it was the last."""
    policy = state.policy.again
    head = attempt.head
    if head.attempts + 1 >= head.attempts_max:
        state.end(attempt)
        state.out.append(Failed(attempt.number, cause, dead=True))
        return
    most_s = policy.failed_backoff_s_max
    if state.retries.try_spend(now_s):
        # A float has no power of two beyond this.
        most_s = min(most_s, policy.failed_backoff_s * 2.0 ** min(head.attempts, 60))
    again(state, attempt, cause, most_s, now_s, counts=True)


def again(  # noqa: PLR0913  (all that is said of it)
    state: SchedulerState,
    attempt: Attempt,
    cause: Refusal,
    most_s: float,
    now_s: float,
    *,
    counts: bool = False,
    death: str = "",
) -> None:
    """The task waits again, after at most so many seconds, while there is time for an attempt.

    The wait is drawn evenly from nothing to the most (full jitter: Brooker, "Exponential backoff
    and jitter", 2015), so that what failed together does not come back together.
    """
    head = attempt.head
    spare_s = latest_s(state.view(attempt.lane.desk), head) - now_s
    if spare_s <= 0:
        fail_late(state, attempt, f"after an attempt that ended with {cause.reason.name}", now_s)
        return
    in_s = state.rng.uniform(0.0, min(most_s, spare_s)) if most_s > 0 else 0.0
    alone = head.alone or bool(death)
    state.end(attempt)
    state.out.append(Again(attempt.number, in_s, counts, death, alone, cause))


def _answered_claim(state: SchedulerState, number: int, now_s: float) -> Attempt | None:
    """The attempt that the store has answered; None for one that is not there, or was answered."""
    attempt = state.attempts.open.get(number)
    if attempt is None or attempt.claimed:
        return None
    attempt.claimed = True
    state.claim_s.add(now_s - attempt.picked_s)
    lane = attempt.lane
    lane.claiming -= 1
    if state.knows(lane):
        tend(state, lane, now_s)
    return attempt


def _send(state: SchedulerState, attempt: Attempt, now_s: float) -> None:
    head = attempt.head
    entry = attempt.entry
    if entry is None or now_s + entry.call_s(head.rows, head.elements) > head.deadline_s:
        state.attempts.leave(attempt)
        entry = another_worker(state, attempt.lane.desk, head, now_s)
        if entry is None:
            attempt.lane.tenant.charge(-attempt.cost_s)
            cause = Refusal(Reason.NO_WORKER, "the worker that was chosen is gone, others are full")
            again(state, attempt, cause, 0.0, now_s)
            return
        state.attempts.reserve(attempt, entry, now_s)
    state.attempts.send(attempt, now_s)
