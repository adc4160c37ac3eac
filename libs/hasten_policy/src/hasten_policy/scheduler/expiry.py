"""Tasks whose deadline cannot be kept: they end as soon as that is known, with the reason."""

from math import inf

from hasten_policy.fleet.changes import unanswered
from hasten_policy.fleet.models import ModelView
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.attempts import Attempt
from hasten_policy.scheduler.events import Drop, Failed
from hasten_policy.scheduler.lanes import LaneWindow
from hasten_policy.scheduler.state import TIMER_ATTEMPT, TIMER_EXPIRY, SchedulerState
from hasten_policy.scheduler.tasks import TaskHead

STORE_TRIPS = 2
"""A task is claimed before it runs, and settled afterwards."""
STORE_SHARE_MAX = 0.25
"""At most this share of all the time that a task had is kept for the store."""


def need_s(view: ModelView | None, head: TaskHead) -> float:
    """Least predicted seconds of the task on any open worker; 0 when there is none."""
    if view is None:
        return 0.0
    return min((entry.call_s(head.rows, head.elements) for entry in view.open), default=0.0)


def latest_s(view: ModelView | None, head: TaskHead) -> float:
    """When the task must have begun."""
    if head.deadline_s == inf:
        return inf
    return head.deadline_s - need_s(view, head)


def store_s(state: SchedulerState, head: TaskHead) -> float:
    """Seconds that the store is expected to need for the task, by what claims took lately.

    Under overload the earliest deadlines are always nearly over: without this every claim of a slow
    store would come back too late. It is a share of the task's time at most: if all tasks were
    given up, nobody would claim any, and see that the store is quick again.
    """
    expected_s = STORE_TRIPS * state.claim_s.value
    return min(expected_s, STORE_SHARE_MAX * (head.deadline_s - head.submitted_s))


def watch(state: SchedulerState, lane: LaneWindow, now_s: float) -> None:
    """Sets a timer for the first of the lane's known tasks that becomes hopeless."""
    due_s = min((head.deadline_s for head in lane.heads), default=inf)
    for those in lane.parked.values():
        due_s = min(due_s, min((head.deadline_s for head in those), default=inf))
    view = state.view(lane.desk)
    due_s -= view.best_s if view is not None else 0.0
    if due_s < lane.expires_s:
        lane.expires_s = max(due_s, now_s)
        state.timers.push(lane.expires_s, TIMER_EXPIRY, lane)


def expire(state: SchedulerState, lane: LaneWindow, now_s: float) -> None:
    """Drops those of the lane's known tasks that are hopeless."""
    if now_s < lane.expires_s:
        return
    lane.expires_s = inf
    view = state.view(lane.desk)
    best_s = view.best_s if view is not None else 0.0
    for those in (lane.heads, *lane.parked.values()):
        hopeless = [head for head in those if now_s >= head.deadline_s - best_s]
        if hopeless:
            for head in hopeless:
                drop(state, lane, head, now_s)
            those[:] = [head for head in those if now_s < head.deadline_s - best_s]
    lane.parked_count = sum(len(those) for those in lane.parked.values())
    lane.desk.settle(lane)
    watch(state, lane, now_s)


def drop(state: SchedulerState, lane: LaneWindow, head: TaskHead, now_s: float) -> None:
    """A waiting task ends, as it cannot be done in time."""
    waited_ms = (now_s - head.submitted_s) * 1e3
    cause = _too_late(state, lane, head, now_s, f"after {waited_ms:.0f} ms in the queue")
    lane.waiting = max(0, lane.waiting - 1)
    state.out.append(Drop(lane.shard.number, lane.lane, head.task_id, cause))


def fail_late(state: SchedulerState, attempt: Attempt, after: str, now_s: float) -> None:
    """The task of an attempt ends, as no time is left for another."""
    cause = _too_late(state, attempt.lane, attempt.head, now_s, after)
    state.end(attempt)
    state.out.append(Failed(attempt.number, cause, dead=False))


def attempt_due(state: SchedulerState, attempt: Attempt, now_s: float) -> None:
    """The deadline of a claimed task has come; one that the store has not claimed yet waits for
    the store's word.
    """
    if not attempt.sent:
        return
    if now_s < attempt.head.deadline_s:
        state.timers.push(attempt.head.deadline_s, TIMER_ATTEMPT, attempt)
        return
    if attempt.entry is not None:
        call_s = attempt.entry.call_s(attempt.head.rows, attempt.head.elements)
        unanswered(state.fleet, attempt.entry, call_s, attempt.sent_s, now_s)
    state.attempts.revoke(attempt)
    fail_late(state, attempt, "while a worker had the task", now_s)


def _too_late(
    state: SchedulerState, lane: LaneWindow, head: TaskHead, now_s: float, after: str
) -> Refusal:
    if now_s >= head.deadline_s:
        return Refusal(Reason.DEADLINE_PASSED, f"the deadline passed {after}")
    least_s = need_s(state.view(lane.desk), head)
    left_s = head.deadline_s - now_s
    return Refusal(
        Reason.DEADLINE_INFEASIBLE,
        f"{after} {left_s * 1e3:.1f} ms were left, and the fastest worker needs "
        f"{least_s * 1e3:.1f} ms, the store {store_s(state, head) * 1e3:.1f} ms",
    )
