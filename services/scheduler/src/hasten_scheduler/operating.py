"""What operators ask of the queue: lists, pauses, dead letters, counts, reasons."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Election
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.port import ENQUEUE_MAX, State, TaskQueue, TaskRecord
from hasten_scheduler import views
from hasten_scheduler.finding import Finder, Found
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.naming import Name, check_tenant, name_from_wire, name_of, refuse_field

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1000
SCANNED_MAX: Final = 10_000
"""Tasks looked at for one page; a page that found few is followed by another."""
ROWS_MAX: Final = 1000
"""Lanes, and tenants, that are told at most."""

T = TypeVar("T")
Scope = tuple[str | None, str | None]
"""Tenant and model of a pause; None for all."""


class Serving(Protocol):
    """What the scheduler knows of the workers without asking."""

    def serves(self, model: str, version: str) -> bool:
        """A worker would run it now."""
        ...

    def hurdles(self, shard: int, lane: Lane, task_id: str) -> list[str]:
        """What must happen before a waiting task runs, as far as its owner alone knows it."""
        ...


class Operator:
    """Asks all shards.

    Args:
        finder: Knows the shards.
        election: Says whose they are.
        serving: Knows the workers.
    """

    def __init__(self, finder: Finder, election: Election, serving: Serving) -> None:
        self._finder = finder
        self._doors = finder.doors
        self._election = election
        self._serving = serving

    # --- lists ----------------------------------------------------------------------------

    async def page(
        self, wanted: pb.ListTasksRequest, *, dead: bool = False
    ) -> tuple[list[TaskRecord], str]:
        """A page of tasks, without inputs and outcomes, and the token of the next."""
        for state in wanted.states:
            views.state_from_wire(state)
        most = page_size(wanted.page_size)
        shard, cursor = self._place(wanted.page_token)
        found: list[TaskRecord] = []
        scanned = 0
        while shard < len(self._doors) and len(found) < most and scanned < SCANNED_MAX:
            some = most - len(found)
            page, cursor = await _page(self._doors[shard], cursor, some, dead=dead)
            scanned += max(len(page), 1)
            found += [record for record in page if views.wants(record, wanted)]
            if not cursor:
                shard += 1
        return found, f"{shard}:{cursor}" if shard < len(self._doors) else ""

    async def dead_page(self, wanted: pb.ListDeadTasksRequest) -> tuple[list[TaskRecord], str]:
        """A page of dead tasks with their failures, and the token of the next."""
        like = pb.ListTasksRequest(
            model=wanted.model, page_size=wanted.page_size, page_token=wanted.page_token
        )
        if wanted.HasField("tenant"):
            like.tenant = wanted.tenant
        records, token = await self.page(like, dead=True)
        names = [name_of(record.task_id, record.key) for record in records]
        full = await asyncio.gather(*(self._full(name) for name in names))
        return [record for record in full if record is not None], token

    async def _full(self, name: Name) -> TaskRecord | None:
        door = self._doors[name.shard(len(self._doors))]
        (record,) = await door.records([name.task_id])
        return record

    def _place(self, token: str) -> tuple[int, str]:
        if not token:
            return 0, ""
        shard, colon, cursor = token.partition(":")
        if not (colon and shard.isdigit() and int(shard) < len(self._doors)):
            refuse_field("page_token", "must be one that a list gave")
        return int(shard), cursor

    # --- pauses ---------------------------------------------------------------------------

    async def pause(self, scope: pb.QueueScope, *, paused: bool) -> None:
        """Sets or takes back a pause in every shard."""
        tenant = scope.tenant if scope.HasField("tenant") else None
        if tenant is not None:
            check_tenant(tenant)
        model = scope.model or None
        await self._everywhere(lambda queue: queue.pause(tenant, model, paused=paused))

    # --- dead letters -----------------------------------------------------------------------

    async def requeue(self, names: Sequence[pb.TaskName]) -> tuple[list[Name], list[Name]]:
        """Dead tasks wait again; those that do, and those that are not dead."""
        return await self._each(names, lambda queue, ids: queue.requeue(ids))

    async def drop(self, names: Sequence[pb.TaskName]) -> tuple[list[Name], list[Name]]:
        """Dead tasks are forgotten; those that are, and those that are not dead."""

        async def discard(queue: TaskQueue, ids: Sequence[str]) -> list[bool]:
            records = await queue.records(ids)
            dead = [
                task_id
                for task_id, record in zip(ids, records, strict=True)
                if record is not None and record.state is State.DEAD
            ]
            gone = dict(zip(dead, await queue.discard(dead), strict=True)) if dead else {}
            return [gone.get(task_id, False) for task_id in ids]

        return await self._each(names, discard)

    async def _each(
        self,
        said: Sequence[pb.TaskName],
        act: Callable[[TaskQueue, Sequence[str]], Awaitable[list[bool]]],
    ) -> tuple[list[Name], list[Name]]:
        if len(said) > ENQUEUE_MAX:
            refuse_field("names", f"must be at most {ENQUEUE_MAX}, not {len(said)}")
        done: list[Name] = []
        others: list[Name] = []
        by_shard: dict[int, list[Name]] = {}
        for each in said:
            name = name_from_wire(each)
            by_shard.setdefault(name.shard(len(self._doors)), []).append(name)
        for shard, names in by_shard.items():
            ids = [name.task_id for name in names]
            acted = await _act(self._doors[shard], act, ids)
            for name, was in zip(names, acted, strict=True):
                (done if was else others).append(name)
        return done, others

    async def purge(self, tenant: str) -> tuple[int, int]:
        """Forgets all tasks of a tenant; how many, and how many of them had not ended."""
        check_tenant(tenant)
        purged = cancelled = 0
        for door in self._doors:
            cursor = ""
            while True:
                page, cursor = await _page(door, cursor, PAGE_MAX)
                ids = [record.task_id for record in page if record.lane.tenant == tenant]
                if ids:
                    before = await _act(door, lambda queue, some: queue.cancel(some), ids)
                    cancelled += sum(state is not None and not state.ended for state in before)
                    purged += sum(await _act(door, lambda queue, some: queue.discard(some), ids))
                if not cursor:
                    break
        return purged, cancelled

    # --- counts -----------------------------------------------------------------------------

    async def stats(self) -> pb.StatsResponse:
        """Counts over all shards."""
        every = await self._everywhere(lambda queue: queue.stats())
        states: Counter[State] = Counter()
        lanes: Counter[Lane] = Counter()
        tasks: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for stats in every:
            states.update(stats.states)
            lanes.update(stats.lanes)
            tasks.update({tenant: count for tenant, (count, _) in stats.tenants.items()})
            sizes.update({tenant: size for tenant, (_, size) in stats.tenants.items()})
        return pb.StatsResponse(
            states=[
                pb.StateCount(state=pb.TaskState.ValueType(state.value), tasks=states[state])
                for state in State
                if states[state]
            ],
            lanes=[
                pb.LaneCount(
                    tenant=lane.tenant, model=lane.model, priority=lane.priority, waiting=waiting
                )
                for lane, waiting in lanes.most_common(ROWS_MAX)
            ],
            tenants=[
                pb.TenantCount(tenant=tenant, tasks=count, bytes=sizes[tenant])
                for tenant, count in tasks.most_common(ROWS_MAX)
            ],
            bytes_held=sum(stats.bytes_held for stats in every),
            oldest_us=views.to_us(max(stats.oldest_s for stats in every)),
            paused=[_scope(*pause) for pause in sorted(await self._pauses(), key=str)],
            owners=await asyncio.gather(*(self._owner(door.shard) for door in self._doors)),
        )

    async def _pauses(self) -> set[Scope]:
        return set[Scope]().union(*await self._everywhere(lambda queue: queue.pauses()))

    async def _owner(self, shard: int) -> pb.ShardOwner:
        try:
            term = await self._election.holder(f"q:{shard}")
        except StoreUnavailable:
            term = None
        if term is None:
            return pb.ShardOwner(shard=shard)
        return pb.ShardOwner(shard=shard, owner=term.owner, epoch=term.epoch)

    # --- reasons ----------------------------------------------------------------------------

    async def explain(self, name: Name) -> pb.ExplainResponse:
        """Why a task is where it is."""
        found = await self._finder.find(name)
        record = found.record
        owner = await self._owner(found.door.shard)
        stats = await found.door.ask(lambda queue: queue.stats())
        waiting = stats.lanes.get(record.lane, 0)
        return pb.ExplainResponse(
            task=views.task_to_wire(record),
            owner=owner,
            lane_waiting=waiting,
            reasons=await self._reasons(found, owner, waiting),
        )

    async def _reasons(self, found: Found, owner: pb.ShardOwner, waiting: int) -> list[str]:
        record = found.record
        lane = record.lane
        if record.state.ended:
            return [f"it ended {record.ended_s:.3g} s ago: {record.state.name.lower()}"]
        if record.state is State.RUNNING:
            return [f"a worker has it, for the {_nth(record.runs)} time"]
        reasons: list[str] = []
        if record.state is State.LATER:
            why = f"after attempt {record.attempts}" if record.attempts else "as it was submitted"
            reasons.append(f"it may start in {record.start_in_s:.3g} s, {why}")
        if not owner.owner:
            reasons.append(f"no scheduler owns shard {owner.shard}")
        for tenant, model in await self._pauses():
            base = lane.model.partition("/")[0]
            if tenant in {None, lane.tenant} and model in {None, lane.model, base}:
                reasons.append(f"paused: tenant {tenant or 'any'}, model {model or 'any'}")
        if not self._serving.serves(*_model(lane)):
            reasons.append(f"no worker serves {lane.model} now")
        if record.state is State.WAITING:
            reasons += self._serving.hurdles(found.door.shard, lane, record.task_id)
        if waiting > 1:
            reasons.append(f"{waiting} tasks wait in its lane, which goes by its order")
        return reasons or ["it waits for a worker with room"]

    # --- shards -----------------------------------------------------------------------------

    async def _everywhere(self, act: Callable[[TaskQueue], Awaitable[T]]) -> list[T]:
        answers = await asyncio.gather(
            *(door.ask(act) for door in self._doors), return_exceptions=True
        )
        given: list[T] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            given.append(answer)
        return given


async def _act(
    door: ShardDoor, act: Callable[[TaskQueue, Sequence[str]], Awaitable[T]], ids: Sequence[str]
) -> T:
    return await door.ask(lambda queue: act(queue, ids))


async def _page(
    door: ShardDoor, cursor: str, most: int, *, dead: bool = False
) -> tuple[Sequence[TaskRecord], str]:
    return await door.ask(lambda queue: queue.page(cursor, most, dead=dead))


def _scope(tenant: str | None, model: str | None) -> pb.QueueScope:
    scope = pb.QueueScope(model=model or "")
    if tenant is not None:
        scope.tenant = tenant
    return scope


def page_size(asked: int) -> int:
    """Most of a page. Raises MeshError for too many."""
    if asked > PAGE_MAX:
        refuse_field("page_size", f"must be at most {PAGE_MAX}, not {asked}")
    return asked or PAGE_DEFAULT


def _model(lane: Lane) -> tuple[str, str]:
    model, _, version = lane.model.partition("/")
    return model, version


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
