"""The queue of durable tasks in memory, for tests of services."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.memory_task import MemoryTask, Told, front_of, is_over
from hasten_runtime.tasks.port import (
    AHEAD_MAX,
    DEAD_KEEP_S,
    ENQUEUE_MAX,
    MOVE_MAX,
    Change,
    Claiming,
    Fenced,
    LaneFront,
    Limits,
    NewTask,
    Outcome,
    Place,
    Placing,
    QueueStats,
    Settlement,
    State,
    TaskRecord,
)
from hasten_runtime.tasks.wake import Wake

_MOVABLE = (State.WAITING, State.LATER)


class MemoryTaskQueue:
    """The `TaskQueue` port in memory.

    Args:
        newest: The newest term of the shard's election, None when nobody has it.
        shard: Number of the shard.
        clock: Plays the server's clock.

    Attributes:
        available: Set to False to play a dead store.
    """

    def __init__(
        self, newest: Callable[[], Term | None], *, shard: int = 0, clock: Clock | None = None
    ) -> None:
        self.available = True
        self._newest = newest
        self._shard = shard
        self._clock = clock or SystemClock()
        self._tasks: dict[str, MemoryTask] = {}
        self._pauses: set[tuple[str | None, str | None]] = set()
        self._order = ""
        self._changes: list[Change] = []
        self._changed = asyncio.Event()
        self._listeners: set[asyncio.Queue[Wake]] = set()

    # --- for every scheduler ------------------------------------------------------------

    async def enqueue(self, tasks: Sequence[NewTask], limits: Limits) -> list[Outcome]:
        """Accepts tasks; see the port."""
        if len(tasks) > ENQUEUE_MAX:
            raise ValueError(f"at most {ENQUEUE_MAX} tasks a call")
        now_s = self._look()
        told = Told({}, [], [])
        outcomes = [
            self._accept(task, limits, now_s + number * 1e-6, told)
            for number, task in enumerate(tasks)
        ]
        self._tell(told)
        return outcomes

    async def records(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """Tasks by id; see the port."""
        now_s = self._look()
        found = [self._tasks.get(task_id) for task_id in task_ids]
        return [task.record(now_s) if task else None for task in found]

    async def page(
        self, cursor: str, most: int, *, dead: bool = False
    ) -> tuple[list[TaskRecord], str]:
        """Some tasks; see the port."""
        now_s = self._look()
        ids = sorted(
            task_id
            for task_id, task in self._tasks.items()
            if task_id > cursor and (not dead or task.state is State.DEAD)
        )
        some = [self._tasks[task_id].record(now_s, whole=False) for task_id in ids[:most]]
        return some, ids[most - 1] if len(ids) > most else ""

    async def ahead(self, most: int) -> list[TaskRecord]:
        """The tasks that are LATER; see the port."""
        now_s = self._look()
        later = [task for task in self._tasks.values() if task.state is State.LATER]
        later.sort(key=lambda task: (task.start_s, task.task_id.encode()))
        return [task.record(now_s, whole=False) for task in later[: min(most, AHEAD_MAX)]]

    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """Ends tasks that have not ended; see the port."""
        now_s = self._look()
        told = Told({}, [], [])
        before: list[State | None] = []
        for task_id in task_ids:
            task = self._tasks.get(task_id)
            before.append(task.state if task else None)
            if task and not task.state.ended:
                (told.revoked if task.state is State.RUNNING else told.left).append(task_id)
                self._end(task, State.CANCELLED, b"", now_s)
        self._tell(told)
        return before

    async def move(
        self, task_id: str, lane: Lane, place: Place, left_s: float | None
    ) -> State | None:
        """Gives a waiting task another lane, place and deadline; see the port."""
        now_s = self._look()
        task = self._tasks.get(task_id)
        if task is None or task.state not in _MOVABLE:
            return task.state if task else None
        task.lane = lane
        task.now_factor = place.now_factor
        task.place = place.now_factor * now_s + place.offset
        if left_s is not None:
            task.deadline_s = now_s + left_s
        self._change(task, task.state)
        if task.state is State.WAITING:
            self._tell(Told({lane: task.place}, [], [task_id]))
        return task.state

    async def requeue(self, task_ids: Sequence[str]) -> list[bool]:
        """Dead letters wait again; see the port."""
        now_s = self._look()
        told = Told({}, [], [])
        waits: list[bool] = []
        for task_id in task_ids:
            task = self._tasks.get(task_id)
            waits.append(task is not None and task.state is State.DEAD)
            if task and waits[-1]:
                task.begin_anew(now_s)
                self._change(task, State.WAITING)
                told.grew[task.lane] = min(told.grew.get(task.lane, math.inf), task.place)
        self._tell(told)
        return waits

    async def discard(self, task_ids: Sequence[str]) -> list[bool]:
        """Forgets tasks that have ended; see the port."""
        self._look()
        forgotten: list[bool] = []
        for task_id in task_ids:
            task = self._tasks.get(task_id)
            forgotten.append(task is not None and task.state.ended)
            if forgotten[-1]:
                del self._tasks[task_id]
        return forgotten

    async def pause(self, tenant: str | None, model: str | None, *, paused: bool) -> None:
        """Sets or takes back a pause; see the port."""
        self._look()
        if paused:
            self._pauses.add((tenant, model))
        else:
            self._pauses.discard((tenant, model))
        self._tell(Told({}, [], [], paused=True))

    async def pauses(self) -> set[tuple[str | None, str | None]]:
        """All pauses; see the port."""
        self._look()
        return set(self._pauses)

    async def changes(self, after: str, most: int, wait_s: float) -> list[Change]:
        """Changes after a position; see the port."""
        self._look()
        seen = int(after) if after else 0
        if wait_s > 0 and len(self._changes) <= seen:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)
        return self._changes[seen : seen + most]

    async def newest(self) -> str:
        """Position of the newest change; see the port."""
        self._look()
        return self._changes[-1].position if self._changes else ""

    async def stats(self) -> QueueStats:
        """Counts; see the port."""
        now_s = self._look()
        stats = QueueStats()
        for task in self._tasks.values():
            stats.states[task.state] = stats.states.get(task.state, 0) + 1
            if task.state is State.WAITING:
                stats.lanes[task.lane] = stats.lanes.get(task.lane, 0) + 1
            if not task.state.ended:
                tasks, held = stats.tenants.get(task.lane.tenant, (0, 0))
                size = len(task.payload)
                stats.tenants[task.lane.tenant] = (tasks + 1, held + size)
                stats.bytes_held += size
        fronts = [self._waiting(lane)[0] for lane in stats.lanes]
        stats.oldest_s = max((now_s - task.submitted_s for task in fronts), default=0.0)
        return stats

    async def wakes(self) -> AsyncIterator[Wake]:
        """What happens from now on; see the port."""
        said: asyncio.Queue[Wake] = asyncio.Queue()
        self._listeners.add(said)
        try:
            yield Wake(self._shard)
            while True:
                yield await said.get()
        finally:
            self._listeners.discard(said)

    # --- for the owner --------------------------------------------------------------------

    async def adopt(self, own: Term) -> int:
        """Tasks that ran under earlier owners wait again; see the port."""
        self._look_as(own)
        mine = f"{own.epoch}.{own.owner}."
        lost = [
            task
            for task in self._tasks.values()
            if task.state is State.RUNNING and not task.attempt_id.startswith(mine)
        ]
        for task in lost:
            self._change(task, State.WAITING)
        return len(lost)

    async def fronts(self, own: Term, lanes: Sequence[Lane], most: int) -> list[LaneFront]:
        """The fronts of lanes; see the port."""
        now_s = self._look_as(own)
        all_lanes = {task.lane for task in self._tasks.values() if task.state is State.WAITING}
        return [front_of(lane, self._waiting(lane), most, now_s) for lane in lanes or all_lanes]

    async def claim(self, own: Term, claims: Sequence[Claiming]) -> list[TaskRecord | None]:
        """Waiting tasks run from now on; see the port."""
        if len(claims) > MOVE_MAX:
            raise ValueError(f"at most {MOVE_MAX} tasks a call")
        now_s = self._look_as(own)
        claimed: list[TaskRecord | None] = []
        for claim in claims:
            task = self._tasks.get(claim.task_id)
            if task and task.lane == claim.lane and task.state is State.WAITING:
                task.attempt_id = claim.attempt_id
                task.runs += 1
                self._change(task, State.RUNNING)
            runs = (
                task is not None
                and task.state is State.RUNNING
                and (task.lane, task.attempt_id) == (claim.lane, claim.attempt_id)
            )
            claimed.append(task.record(now_s) if task and runs else None)
        return claimed

    async def settle(self, own: Term, settlements: Sequence[Settlement]) -> list[bool]:
        """Ends attempts; see the port."""
        if len(settlements) > MOVE_MAX:
            raise ValueError(f"at most {MOVE_MAX} tasks a call")
        now_s = self._look_as(own)
        return [self._settle(item, now_s) for item in settlements]

    async def drop(self, own: Term, lane: Lane, task_id: str, result: bytes) -> bool:
        """A waiting task fails with this refusal; see the port."""
        now_s = self._look_as(own)
        task = self._tasks.get(task_id)
        if task and task.state is State.WAITING and task.lane == lane:
            self._end(task, State.FAILED, result, now_s)
            return True
        return task is not None and task.state is State.FAILED and task.result == result

    async def promote(self, own: Term, most: int) -> tuple[list[tuple[Lane, float]], float]:
        """Tasks whose time has come wait in their lanes; see the port."""
        now_s = self._look_as(own)
        later = sorted(
            (task for task in self._tasks.values() if task.state is State.LATER),
            key=lambda task: task.start_s,
        )
        due = [task for task in later if task.start_s <= now_s][: min(most, MOVE_MAX)]
        grew: dict[Lane, float] = {}
        for task in due:
            self._change(task, State.WAITING)
            grew[task.lane] = min(grew.get(task.lane, math.inf), task.place)
        rest = later[len(due) :]
        return list(grew.items()), max(0.0, rest[0].start_s - now_s) if rest else math.inf

    async def reorder(self, own: Term, placings: Sequence[Placing], *, order: str = "") -> str:
        """Gives tasks other places; see the port."""
        self._look_as(own)
        for each in placings:
            task = self._tasks.get(each.task_id)
            if task and not task.state.ended and task.lane == each.lane:
                task.stand(each.place)
        self._order = order or self._order
        return self._order

    async def sweep(self, own: Term, most: int) -> int:
        """Forgets ended tasks whose time is over; see the port."""
        now_s = self._look_as(own)
        over = [
            task_id
            for task_id, task in self._tasks.items()
            if task.state.ended and task.kept_until_s <= now_s
        ][: min(most, ENQUEUE_MAX)]
        for task_id in over:
            del self._tasks[task_id]
        return len(over)

    async def close(self) -> None:
        """Nothing to release."""

    # --- inside ---------------------------------------------------------------------------

    def _look(self) -> float:
        if not self.available:
            raise StoreUnavailable("the memory store is not available")
        return self._clock.now_s()

    def _look_as(self, own: Term) -> float:
        now_s = self._look()
        newest = self._newest()
        if newest is None or (newest.owner, newest.epoch) != (own.owner, own.epoch):
            raise Fenced(f"shard {self._shard} is not {own.owner}'s in epoch {own.epoch} any more")
        return now_s

    def _accept(self, task: NewTask, limits: Limits, now_s: float, told: Told) -> Outcome:
        known = self._tasks.get(task.task_id)
        if known is not None:
            return Outcome.SAME if known.digest == task.digest else Outcome.OTHER_CONTENT
        live = [kept for kept in self._tasks.values() if not kept.state.ended]
        of_tenant = [kept for kept in live if kept.lane.tenant == task.lane.tenant]
        if is_over(live, task, limits.tasks_max, limits.bytes_max):
            return Outcome.QUEUE_FULL
        if is_over(of_tenant, task, limits.tenant_tasks_max, limits.tenant_bytes_max):
            return Outcome.TENANT_FULL
        kept = MemoryTask.accepted(task, now_s)
        self._tasks[task.task_id] = kept
        self._change(kept, kept.state)
        if kept.state is State.WAITING:
            told.grew[kept.lane] = min(told.grew.get(kept.lane, math.inf), kept.place)
        told.later = told.later or kept.state is State.LATER
        return Outcome.ACCEPTED

    def _settle(self, item: Settlement, now_s: float) -> bool:
        task = self._tasks.get(item.task_id)
        if task is None or task.attempt_id != item.attempt_id:
            return False
        if task.state is not State.RUNNING:
            promoted = item.state is State.LATER and task.state is State.WAITING
            return task.state is item.state or promoted
        task.attempts += item.counts
        task.alone = task.alone or item.alone
        task.deaths += (item.death,) if item.death else ()
        if item.state.ended:
            self._end(task, item.state, item.result, now_s)
        else:
            task.start_s = now_s + item.start_in_s
            self._change(task, item.state)
        return True

    def _end(self, task: MemoryTask, state: State, result: bytes, now_s: float) -> None:
        dead = state is State.DEAD
        task.result = result
        task.payload = task.payload if dead else b""
        task.ended_s = now_s
        task.kept_until_s = now_s + (max(task.keep_s, DEAD_KEEP_S) if dead else task.keep_s)
        self._change(task, state)

    def _change(self, task: MemoryTask, state: State) -> None:
        task.state = state
        position = str(len(self._changes) + 1)
        self._changes.append(Change(position, task.task_id, state, task.lane))
        self._changed.set()

    def wake(self, wake: Wake) -> None:
        """Tells the shard's owner."""
        for listener in self._listeners:
            listener.put_nowait(wake)

    def _tell(self, told: Told) -> None:
        if told.grew or told.revoked or told.left or told.paused or told.later:
            ids = tuple(told.revoked), tuple(told.left)
            grew = tuple(told.grew.items())
            self.wake(Wake(self._shard, grew, *ids, told.paused, later=told.later))

    def _waiting(self, lane: Lane) -> list[MemoryTask]:
        waiting = (
            task
            for task in self._tasks.values()
            if task.state is State.WAITING and task.lane == lane
        )
        return sorted(waiting, key=lambda task: (task.place, task.task_id.encode()))
