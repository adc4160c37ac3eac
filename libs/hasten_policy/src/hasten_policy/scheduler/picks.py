"""Which waiting task runs next, and on which worker."""

from typing import Final

from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.scheduler.desks import Desk, Spot
from hasten_policy.scheduler.events import Claim
from hasten_policy.scheduler.expiry import drop, latest_s, store_s
from hasten_policy.scheduler.lanes import LaneWindow
from hasten_policy.scheduler.state import TIMER_ATTEMPT, SchedulerState
from hasten_policy.scheduler.tasks import RESERVED_BELOW, Pick, TaskHead
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
    if not state.desks:
        return
    picks: dict[int, list[Pick]] = {}
    touched: dict[LaneWindow, None] = {}
    if state.reservations.told:
        _pick_reserved(state, picks, touched, now_s)
    desks = _with_room(state) if state.roomy else []
    while (lane := _next(state, desks)) is not None:
        touched[lane] = None
        found = _first_for(state, lane, now_s)
        if found is None:
            continue
        head, entry = found
        picks.setdefault(lane.shard.number, []).append(_begin(state, lane, head, entry, now_s))
        if not state.has_room(entry.worker, now_s):
            del state.roomy[entry.worker.worker_id]
            desks = _with_room(state) if state.roomy else []
    _claim(state, picks)
    for lane in touched:
        tend(state, lane, now_s)


def _claim(state: SchedulerState, picks: dict[int, list[Pick]]) -> None:
    for number, those in picks.items():
        for at in range(0, len(those), CLAIM_MAX):
            state.out.append(Claim(number, tuple(those[at : at + CLAIM_MAX])))


def _begin(
    state: SchedulerState, lane: LaneWindow, head: TaskHead, entry: ModelEntry, now_s: float
) -> Pick:
    """A task that was taken out of its lane is to run there."""
    lane.waiting = max(0, lane.waiting - 1)
    attempt = state.attempts.begin(lane, head, entry, now_s)
    attempt.picked_s = now_s
    lane.desk.settle(lane)
    if head.deadline_s != INFINITY:
        state.timers.push(head.deadline_s, TIMER_ATTEMPT, attempt)
    return Pick(attempt.number, lane.lane, head.task_id)


def _pick_reserved(
    state: SchedulerState,
    picks: dict[int, list[Pick]],
    touched: dict[LaneWindow, None],
    now_s: float,
) -> None:
    """Turns of hard schedules go to their workers, whatever there is beside them."""
    if state.reservations.tend(state.fleet.registry, now_s):
        _loosen(state)
    for desk in state.desks.values():
        while desk.line and desk.line[0][0] < RESERVED_BELOW:
            lane = desk.line[0][2]
            touched[lane] = None
            head = lane.heads[0]
            shard = lane.shard
            if head.task_id in shard.running or head.task_id in shard.left:
                shard.left.pop(head.task_id, None)
                del lane.heads[0]
                lane.desk.settle(lane)
                continue
            entry = reserved_worker(state, desk, head, now_s)
            if entry is None:
                break
            del lane.heads[0]
            picks.setdefault(shard.number, []).append(_begin(state, lane, head, entry, now_s))


def reserved_worker(
    state: SchedulerState, desk: Desk, head: TaskHead, now_s: float
) -> ModelEntry | None:
    """The worker of a turn's schedule; of one that has none now, the one that is free the soonest.
    None when no worker can take it.
    """
    view = state.view(desk)
    if view is None:
        return None
    entry = view.by_worker.get(state.reservations.worker_id(head.task_id))
    if entry is not None and len(entry.worker.calls) < entry.worker.window:
        return entry
    free = [each for each in view.open if len(each.worker.calls) < each.worker.window]
    return min(
        free,
        key=lambda each: (
            each.finish_of_s(now_s, head.rows, head.elements),
            each.worker.worker_id,
        ),
        default=None,
    )


def worker_for(
    state: SchedulerState, view: ModelView, head: TaskHead, free: list[ModelEntry], now_s: float
) -> ModelEntry | None:
    """The worker for a task among those with room; None when none may have it, or is in time."""
    balancer = state.fleet.balancer
    if state.reservations.told:
        bars = state.reservations.bars
        free = [entry for entry in free if not bars(entry, head.rows, head.elements)]
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


def another_worker(
    state: SchedulerState, desk: Desk, head: TaskHead, now_s: float
) -> ModelEntry | None:
    """The worker for a task that had one, which is not there any more, or too slow by now."""
    if head.reserved:
        return reserved_worker(state, desk, head, now_s)
    view = state.view(desk)
    return (
        None
        if view is None
        else worker_for(state, view, head, with_room(state, view, now_s), now_s)
    )


def with_room(state: SchedulerState, view: ModelView, now_s: float) -> list[ModelEntry]:
    """The open workers that may get one more attempt."""
    roomy = state.roomy
    if len(roomy) < len(view.by_worker):
        by_worker = view.by_worker
        free = [by_worker[worker_id] for worker_id in roomy if worker_id in by_worker]
    else:
        free = [entry for entry in view.open if entry.worker.worker_id in roomy]
    return [entry for entry in free if not state.is_quiet(entry.worker, now_s)]


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
    free = with_room(state, view, now_s)
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
        elif now_s >= latest_s(view, head) - store_s(state, head):
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
