"""What the store is asked of the lanes, and what becomes of its answers."""

from math import inf

from hasten_policy.scheduler.events import LaneGrew, LanesRead, ReadLanes, TasksLeft
from hasten_policy.scheduler.expiry import watch
from hasten_policy.scheduler.lanes import LaneWindow, ShardLanes
from hasten_policy.scheduler.state import TIMER_POLL, TIMER_READ, SchedulerState

LEFT_MAX = 4096
"""Tasks that have left, and are remembered until they are met among the heads."""


def shard_taken(state: SchedulerState, number: int, now_s: float) -> None:
    """Everything about the shard is asked for."""
    if number in state.shards:
        shard_gone(state, number)
    shard = state.shards[number] = ShardLanes(number)
    state.out.append(ReadLanes(number, (), state.policy.lanes.lane_heads_max))
    _poll_later(state, shard, now_s)


def shard_gone(state: SchedulerState, number: int) -> None:
    """Its tasks are forgotten, and its attempts revoked."""
    shard = state.shards.pop(number, None)
    if shard is None:
        return
    state.asks.pop(number, None)
    for lane in list(shard.lanes.values()):
        state.forget(lane)
    for attempt in list(shard.running.values()):
        state.attempts.revoke(attempt)
        state.end(attempt)


def lanes_read(state: SchedulerState, event: LanesRead, now_s: float) -> None:
    """The store said how lanes look."""
    shard = state.shards.get(event.shard)
    if shard is None:
        return
    most = state.policy.lanes.lane_heads_max
    if event.every:
        named = {read.lane for read in event.lanes}
        for lane in [lane for name, lane in shard.lanes.items() if name not in named]:
            if not lane.asked:
                _emptied(state, lane)
    for read in event.lanes:
        if not read.waiting and read.lane not in shard.lanes:
            continue
        lane = state.lane(shard, read.lane)
        lane.take(read, most)
        lane.asked = False
        lane.read_s = now_s
        lane.desk.stuck.pop(lane, None)
        lane.desk.settle(lane)
        watch(state, lane, now_s)
        grew, lane.grew = lane.grew, False
        if grew:
            wants(state, lane, now_s)
        tend(state, lane, now_s)


def lane_grew(state: SchedulerState, event: LaneGrew, now_s: float) -> None:
    """Tasks came into a lane: it is read again if they may go before what is known."""
    shard = state.shards.get(event.shard)
    if shard is None:
        return
    lane = state.lane(shard, event.lane)
    lane.waiting += 1
    most = state.policy.lanes.lane_heads_max
    before = not lane.heads or event.place < lane.heads[-1].place
    if before or (lane.whole and len(lane.heads) < most):
        wants(state, lane, now_s)
    lane.whole = False


def tasks_left(state: SchedulerState, event: TasksLeft) -> None:
    """They are passed over when they are met."""
    shard = state.shards.get(event.shard)
    if shard is None:
        return
    for task_id in event.task_ids:
        if task_id not in shard.running:
            shard.left[task_id] = None
    if len(shard.left) > LEFT_MAX:
        known = {head.task_id for lane in shard.lanes.values() for head in lane.heads}
        for lane in shard.lanes.values():
            known.update(head.task_id for those in lane.parked.values() for head in those)
        shard.left = {task_id: None for task_id in shard.left if task_id in known}


def tend(state: SchedulerState, lane: LaneWindow, now_s: float) -> None:
    """Asks for more of a lane of which little is known, and forgets one that is empty."""
    if lane.forgettable:
        state.forget(lane)
        return
    policy = state.policy.lanes
    if not lane.whole and len(lane.heads) <= policy.lane_heads_low * policy.lane_heads_max:
        # A lane that has just been read, and of which little came, has no more to show.
        if lane.heads:
            wants(state, lane, now_s)
        elif now_s > lane.read_s:
            _ask(state, lane)
        else:
            _ask_at(state, lane, now_s + policy.lane_read_gap_s)


def wants(state: SchedulerState, lane: LaneWindow, now_s: float) -> None:
    """The lane is to be read, but not all the time: a reading costs by the tasks that are known."""
    if lane.asked:
        lane.grew = True
        return
    if lane.timed:
        return
    policy = state.policy.lanes
    share = min(1.0, len(lane.heads) / policy.lane_heads_max)
    due_s = lane.read_s + policy.lane_read_gap_s * share
    if now_s >= due_s:
        _ask(state, lane)
    else:
        _ask_at(state, lane, due_s)


def read_due(state: SchedulerState, lane: LaneWindow) -> None:
    """The time to read a lane has come."""
    lane.timed = False
    if not lane.asked:
        _ask(state, lane)


def poll_due(state: SchedulerState, shard: ShardLanes, now_s: float) -> None:
    """Asks what is at the very front of all lanes, as news may be lost."""
    state.out.append(ReadLanes(shard.number, (), 1))
    _poll_later(state, shard, now_s)


def flush(state: SchedulerState) -> None:
    """Asks for all lanes that are wanted after an event."""
    most = state.policy.lanes.lane_heads_max
    for number, lanes in state.asks.items():
        known = state.shards[number].lanes
        parked = max(known[name].parked_count for name in lanes)
        state.out.append(ReadLanes(number, tuple(lanes), most + parked))
    state.asks.clear()


# --- inner ----------------------------------------------------------------------------


def _emptied(state: SchedulerState, lane: LaneWindow) -> None:
    lane.heads.clear()
    lane.unpark_all()
    lane.waiting = 0
    lane.whole = True
    lane.desk.settle(lane)
    if lane.forgettable:
        state.forget(lane)


def _ask(state: SchedulerState, lane: LaneWindow) -> None:
    if not lane.asked:
        lane.asked = True
        state.asks.setdefault(lane.shard.number, {})[lane.lane] = None


def _ask_at(state: SchedulerState, lane: LaneWindow, at_s: float) -> None:
    if not lane.timed:
        lane.timed = True
        state.timers.push(at_s, TIMER_READ, lane)


def _poll_later(state: SchedulerState, shard: ShardLanes, now_s: float) -> None:
    period_s = state.policy.lanes.lane_poll_s
    if 0 < period_s < inf:
        state.timers.push(now_s + period_s, TIMER_POLL, shard)
