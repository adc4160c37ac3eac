"""The scheduler's machine: every decision of the scheduler, as events in and effects out."""

from collections.abc import Sequence
from typing import assert_never

from hasten_policy.chance import Chance
from hasten_policy.fleet.changes import close_window, quiesced, ramp, restore, weight_set
from hasten_policy.fleet.events import (
    FleetEvent,
    LoadTold,
    WeightSet,
    WorkerJoined,
    WorkerLost,
    WorkerQuiesced,
    WorkerReported,
)
from hasten_policy.fleet.state import TIMER_RAMP, TIMER_RESTORE, TIMER_SILENCE
from hasten_policy.fleet.views import WorkerView, views_of
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.load import HostLag
from hasten_policy.scheduler.answers import answered, claimed, refused, revoked
from hasten_policy.scheduler.attempts import Attempt
from hasten_policy.scheduler.events import (
    AttemptAnswered,
    AttemptRefused,
    Claimed,
    LaneGrew,
    LanesRead,
    QueuePaused,
    QueueResumed,
    ReservationsTold,
    SchedulerEffect,
    SchedulerEvent,
    ShardGone,
    ShardTaken,
    TaskRevoked,
    TasksLeft,
    WakeAt,
    Woke,
)
from hasten_policy.scheduler.expiry import attempt_due, expire
from hasten_policy.scheduler.explain import Explanation, SchedulerCounts, counts_of, explain
from hasten_policy.scheduler.jobs.periods.reserving import Misfit, Reservation, lay_out
from hasten_policy.scheduler.lanes import LaneWindow, ShardLanes
from hasten_policy.scheduler.losses import (
    rescue,
    worker_joined,
    worker_lost,
    worker_reported,
    worker_told,
)
from hasten_policy.scheduler.picks import dispatch
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.reservations import benches_of, share_max_of
from hasten_policy.scheduler.state import TIMER_EXPIRY, TIMER_PACE, SchedulerState
from hasten_policy.scheduler.tasks import Lane
from hasten_policy.scheduler.windows import (
    flush,
    lane_grew,
    lanes_read,
    poll_due,
    read_due,
    shard_gone,
    shard_taken,
    tasks_left,
    tend,
)


class SchedulerMachine:
    """Order of tasks, fairness, balancing, claims, retries, dead letters, deadlines.

    Every attempt of a Claim that the store grants ends in exactly one Done, Again or Failed, unless
    its shard goes or its task is revoked. The same events at the same times with the same random
    numbers give the same effects.

    Args:
        settings: Parameters.
        rng: Source of tie-breaks and jitter.
    """

    __slots__ = ("_state", "_wake_s")

    def __init__(self, settings: SchedulerPolicy, *, rng: Chance) -> None:
        self._state = SchedulerState(settings, rng)
        self._wake_s: float | None = None

    def on(self, event: SchedulerEvent, *, now_s: float) -> list[SchedulerEffect]:
        """Handles one event; `now_s` never goes back."""
        state = self._state
        out = state.out
        out.clear()
        if isinstance(event, AttemptAnswered):
            answered(state, event, now_s)
        elif isinstance(event, Claimed):
            claimed(state, event, now_s)
        elif isinstance(event, Woke):
            self._wake_s = None
        else:
            self._on_others(event, now_s)
        next_s = state.timers.next_s()
        if next_s is not None and next_s <= now_s:
            self._due(now_s)
        dispatch(state, now_s)
        if state.asks:
            flush(state)
        next_s = state.timers.next_s()
        if next_s is not None and (self._wake_s is None or next_s < self._wake_s):
            self._wake_s = next_s
            out.append(WakeAt(next_s))
        return out.copy()

    # --- looking in -------------------------------------------------------------------

    @property
    def counts(self) -> SchedulerCounts:
        """What metrics tell of it."""
        return counts_of(self._state)

    def explain(self, shard: int, lane: Lane, task_id: str, *, now_s: float) -> Explanation:
        """Where a task of one of its shards is, and what must happen before it runs."""
        return explain(self._state, shard, lane, task_id, now_s)

    def serves(self, model: str, version: str) -> bool:
        """Some open worker has it ready."""
        view = self._state.fleet.registry.find(model, version)
        return view is not None and bool(view.open)

    def knows(self, model: str, version: str) -> bool:
        """Some worker has reported it, ready or not."""
        registry = self._state.fleet.registry
        return registry.find(model, version) is not None or registry.is_loading(model, version)

    def misfits(self, wanted: Reservation, others: Sequence[Reservation]) -> tuple[Misfit, ...]:
        """Which hard schedules would find no place if there were this one beside the others."""
        policy = self._state.policy.reserve
        benches = benches_of(policy, self._state.fleet.registry)
        share_max = share_max_of(policy)
        before = lay_out(others, benches, share_max, self._state.reservations.layout.workers)
        lost = {each.name for each in before.misfits}
        after = lay_out([*others, wanted], benches, share_max, before.workers)
        return tuple(each for each in after.misfits if each.name not in lost)

    def views(self, *, now_s: float) -> list[WorkerView]:
        """All workers, by name."""
        return views_of(self._state.fleet.workers.values(), now_s)

    # --- inner ------------------------------------------------------------------------

    def _on_others(
        self,
        event: ShardTaken
        | ShardGone
        | LanesRead
        | LaneGrew
        | TasksLeft
        | AttemptRefused
        | TaskRevoked
        | QueuePaused
        | QueueResumed
        | ReservationsTold
        | FleetEvent
        | HostLag,
        now_s: float,
    ) -> None:
        state = self._state
        match event:
            case LanesRead():
                lanes_read(state, event, now_s)
            case LaneGrew():
                lane_grew(state, event, now_s)
            case AttemptRefused():
                refused(state, event, now_s)
            case TasksLeft():
                tasks_left(state, event)
            case TaskRevoked():
                revoked(state, event)
            case ShardTaken():
                shard_taken(state, event.shard, now_s)
            case ShardGone():
                shard_gone(state, event.shard)
            case QueuePaused() | QueueResumed():
                self._pause(event)
            case ReservationsTold():
                state.reservations.take(event.reservations)
                state.freed.update(dict.fromkeys(state.fleet.workers.values()))
            case _:
                self._on_fleet(event, now_s)

    def _on_fleet(self, event: FleetEvent | HostLag, now_s: float) -> None:
        state = self._state
        match event:
            case LoadTold():
                worker_told(state, event, now_s)
            case WorkerReported():
                worker_reported(state, event, now_s)
            case WorkerJoined():
                worker_joined(state, event, now_s)
            case WorkerLost():
                worker_lost(state, event, now_s)
            case WeightSet():
                weight_set(state.fleet, event, now_s)
            case WorkerQuiesced():
                quiesced(state.fleet, event.worker_id)
            case HostLag():
                pass  # Tasks have time: what the host takes is in the round trips.
            case _:
                assert_never(event)

    def _pause(self, event: QueuePaused | QueueResumed) -> None:
        state = self._state
        if isinstance(event, QueuePaused):
            state.pauses[event.tenant, event.model] = None
        else:
            state.pauses.pop((event.tenant, event.model), None)
        for shard in state.shards.values():
            for lane in shard.lanes.values():
                lane.paused = state.is_paused(lane.lane)
                lane.desk.settle(lane)

    def _due(self, now_s: float) -> None:
        state = self._state
        while (due := state.timers.pop_due(now_s)) is not None:
            kind, subject = due
            if not state.cares(kind, subject):
                continue
            if isinstance(subject, Attempt):
                attempt_due(state, subject, now_s)
            elif isinstance(subject, LaneWindow):
                if kind == TIMER_EXPIRY:
                    expire(state, subject, now_s)
                    tend(state, subject, now_s)
                else:
                    read_due(state, subject)
            elif isinstance(subject, ShardLanes):
                poll_due(state, subject, now_s)
            elif isinstance(subject, WorkerRecord):
                self._worker_due(kind, subject, now_s)
            else:
                close_window(state.fleet, now_s)
        state.timers.compact(len(state.attempts.open), state.cares)

    def _worker_due(self, kind: int, worker: WorkerRecord, now_s: float) -> None:
        state = self._state
        if kind == TIMER_SILENCE:
            rescue(state, worker, now_s)
        elif kind == TIMER_PACE:
            state.freed[worker] = None
        elif kind == TIMER_RAMP:
            ramp(state.fleet, worker, now_s)
        elif kind == TIMER_RESTORE and restore(state.fleet, worker, now_s):
            state.freed[worker] = None
