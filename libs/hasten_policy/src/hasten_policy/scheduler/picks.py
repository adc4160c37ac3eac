"""Which waiting task runs next, and on which worker."""

from typing import Final

from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.scheduler.desks import Desk, Spot
from hasten_policy.scheduler.events import Claim
from hasten_policy.scheduler.expiry import drop, latest_s
from hasten_policy.scheduler.lanes import LaneWindow
from hasten_policy.scheduler.state import TIMER_ATTEMPT, SchedulerState
from hasten_policy.scheduler.tasks import Pick, TaskHead
from hasten_policy.scheduler.windows import tend

CLAIM_MAX: Final = 64
"""Most picks in one claim."""
LOOK_AHEAD: Final = 16
"""Tasks of one lane that are looked at for one that a worker with room may have."""
INFINITY: Final = float("inf")


def dispatch(state: SchedulerState, now_s: float) -> None:
    """Picks tasks while workers have room for them, and has the store claim those."""
    if state.freed and state.look_again(now_s):
        _loosen(state)
    if not state.roomy or not state.desks:
        return
    picks: dict[int, list[Pick]] = {}
    touched: dict[LaneWindow, None] = {}
    desks = _with_room(state)
    while (lane := _next(state, desks)) is not None:
        touched[lane] = None
        found = _first_for(state, lane, now_s)
        if found is None:
            continue
        head, entry = found
        lane.waiting = max(0, lane.waiting - 1)
        attempt = state.attempts.begin(lane, head, entry)
        lane.desk.settle(lane)
        if head.deadline_s != INFINITY:
            state.timers.push(head.deadline_s, TIMER_ATTEMPT, attempt)
        pick = Pick(attempt.number, lane.lane, head.task_id)
        picks.setdefault(lane.shard.number, []).append(pick)
        if not state.slack.has_room(entry.worker, now_s):
            del state.roomy[entry.worker.worker_id]
            desks = _with_room(state) if state.roomy else []
    for number, those in picks.items():
        for at in range(0, len(those), CLAIM_MAX):
            state.out.append(Claim(number, tuple(those[at : at + CLAIM_MAX])))
    for lane in touched:
        tend(state, lane, now_s)


def worker_for(
    state: SchedulerState, view: ModelView, head: TaskHead, free: list[ModelEntry], now_s: float
) -> ModelEntry | None:
    """The worker for a task among those with room; None when none may have it, or is in time."""
    balancer = state.fleet.balancer
    if head.alone:
        free = [entry for entry in free if state.attempts.may_try_alone(entry.worker)]
    entry = balancer.pick(view.key, free, state.rng, now_s)
    if entry is not None and head.rows > 1 and balancer.measures:
        entry = _soonest(free, entry, head, now_s)
    left_s = head.deadline_s - now_s
    if entry is None or left_s == INFINITY or entry.call_s(head.rows, head.elements) <= left_s:
        return entry
    faster = [each for each in free if each.call_s(head.rows, head.elements) <= left_s]
    return balancer.pick(view.key, faster, state.rng, now_s)


def _soonest(free: list[ModelEntry], entry: ModelEntry, head: TaskHead, now_s: float) -> ModelEntry:
    """Where a task of several rows would end first: seconds per call, by which calls are spread,
    say little of one that is larger than others were.
    """
    best_s = entry.finish_of_s(now_s, head.rows, head.elements)
    for other in free:
        other_s = other.finish_of_s(now_s, head.rows, head.elements)
        if other_s < best_s:
            best_s, entry = other_s, other
    return entry


def with_room(state: SchedulerState, view: ModelView) -> list[ModelEntry]:
    """The open workers that may get one more attempt."""
    roomy = state.roomy
    if len(roomy) < len(view.by_worker):
        by_worker = view.by_worker
        return [by_worker[worker_id] for worker_id in roomy if worker_id in by_worker]
    return [entry for entry in view.open if entry.worker.worker_id in roomy]


def _loosen(state: SchedulerState) -> None:
    """What could go to no worker with room may go to one now."""
    for desk in state.stuck:
        desk.loosen()
    state.stuck.clear()


def _with_room(state: SchedulerState) -> list[Desk]:
    """The desks in which tasks wait that some worker has room for."""
    found: list[Desk] = []
    views = state.fleet.registry.views
    roomy = state.roomy
    for desk in state.desks.values():
        desk.room = False
        if desk.line:
            view = views.get(desk.model)
            if view is not None and not roomy.keys().isdisjoint(view.by_worker):
                desk.room = True
                found.append(desk)
    return found


def _next(state: SchedulerState, desks: list[Desk]) -> LaneWindow | None:
    """The lane of these desks that is next: of the tenants that are not ahead of the others, the
    one whose first task has the least place.
    """
    limit_s = state.tenants.limit_s() if desks else None
    if limit_s is None:
        return None
    best: Spot | None = None
    for desk in desks:
        for spot in desk.line:
            if best is not None and spot > best:
                break
            tenant = spot[2].tenant
            if tenant.served_s <= limit_s and tenant.may_run:
                best = spot
                break
    return best[2] if best is not None else None


def _first_for(
    state: SchedulerState, lane: LaneWindow, now_s: float
) -> tuple[TaskHead, ModelEntry] | None:
    """The first task of the lane that a worker with room may have, taken out of it, and the worker.

    When there is none the lane leaves the line.
    """
    view = state.fleet.registry.views[lane.desk.model]
    free = with_room(state, view)
    heads = lane.heads
    shard = lane.shard
    at = 0
    while at < len(heads) and at < LOOK_AHEAD:
        head = heads[at]
        if head.task_id in shard.running or head.task_id in shard.left:
            shard.left.pop(head.task_id, None)
            del heads[at]
        elif head.key and state.keys.busy(lane, head):
            lane.park(at)
            state.keys.waits(lane, head.key)
        elif now_s >= latest_s(view, head):
            drop(state, lane, head, now_s)
            del heads[at]
        elif (entry := worker_for(state, view, head, free, now_s)) is not None:
            del heads[at]
            return head, entry
        else:
            at += 1
    if heads:
        state.stuck[lane.desk] = None
        lane.desk.stick(lane)
    else:
        lane.desk.settle(lane)
    return None
