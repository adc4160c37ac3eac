"""One shard of the durable tasks, in Redis."""

import json
import math
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime import logs
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import bounded, open_redis
from hasten_runtime.redis_store.durability import Durability, Syncs
from hasten_runtime.redis_store.memory import MemoryWatch
from hasten_runtime.redis_store.queue.changes import ChangeFeed
from hasten_runtime.redis_store.queue.gathering import Gathering
from hasten_runtime.redis_store.queue.lanes import lane_from_bytes, numbered
from hasten_runtime.redis_store.queue.record import MS, new_task_to_args, record_from_bytes
from hasten_runtime.redis_store.queue.scripts import Arg, Reply, ShardScripts
from hasten_runtime.redis_store.queue.wakes import WakeListener
from hasten_runtime.tasks.port import (
    AHEAD_MAX,
    DEAD_KEEP_S,
    ENQUEUE_MAX,
    MOVE_MAX,
    Change,
    Claiming,
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

_log = logs.logger(__name__)

PAUSES_MAX: Final = 1024
"""Most scopes paused at once."""
FEEDS_MAX: Final = 4
"""Most callers that wait for changes at once, with a connection each."""
PAGE_MAX: Final = 1000
"""Most tasks of one page, more or less."""
LANES_AT_ONCE: Final = 64
"""Lanes looked at in one call."""
FRONTS_AT_ONCE: Final = 1024
"""Tasks of their fronts looked at in one call, more or less."""
_SETTLEMENT: Final = struct.Struct("<BBBd")


class RedisTaskQueue:
    """The `TaskQueue` port over Redis; does no IO before its first call.

    Keys: all begin with `{<namespace>:q:<shard>}:`; common.lua describes them. The owner's lease is
    the hash `{<namespace>:q:<shard>}:owner`, which the election keeps.

    Args:
        url: As `open_redis` takes it.
        namespace: Meshes with different ones do not see each other.
        shard: Number of the shard.
        durability: What `enqueue`, and all else that a caller is told is done, waits for. What the
            owner does waits for nothing: repeated after a power cut, it comes to the same.
        replicas: With DURABLE, on so many replicas too.
        clock: For how often the server's memory is looked at.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "hasten",
        shard: int = 0,
        durability: Durability = Durability.FAST,
        replicas: int = 0,
        clock: Clock | None = None,
    ) -> None:
        tag = f"{namespace}:q:{shard}"
        self._redis = open_redis(url, tag)
        self._waiting = open_redis(url, tag, connections_max=FEEDS_MAX)
        self._scripts = ShardScripts(self._redis, tag)
        self._syncs = Syncs(replicas) if durability is Durability.DURABLE else None
        self._memory = MemoryWatch(self._redis, clock or SystemClock())
        self._feed = ChangeFeed(self._waiting, self._scripts.keys["changes"])
        self._wakes = WakeListener(self._redis, self._scripts.channel, shard)
        self._shard = shard
        self._enqueuing = Gathering(self._enqueue, most=ENQUEUE_MAX)
        self._claiming = Gathering(self._claim, most=MOVE_MAX)
        self._settling = Gathering(self._settle, most=MOVE_MAX)

    async def enqueue(self, tasks: Sequence[NewTask], limits: Limits) -> list[Outcome]:
        """Accepts tasks; see the port. Raises ValueError for what no record has room for."""
        if len(tasks) > ENQUEUE_MAX:
            raise ValueError(f"at most {ENQUEUE_MAX} tasks a call")
        # What no record has room for is found here, before others share the call.
        items = [(task.lane, *new_task_to_args(task)) for task in tasks]
        return await self._enqueuing.call(limits, items)

    async def _enqueue(
        self, limits: Limits, items: Sequence[tuple[Lane, bytes, bytes, bytes]]
    ) -> list[Outcome]:
        if not items:
            return []
        numbers = numbered(lane for lane, *_ in items)
        args: list[Arg] = [
            *(limits.tasks_max, limits.bytes_max, limits.tenant_tasks_max, limits.tenant_bytes_max),
            int(await self._memory.full(limits.memory_share_max)),
        ]
        for lane, task_id, facts, body in items:
            args += (task_id, numbers[lane].to_bytes(2, "little") + facts, body)
        reply = await self._scripts.call("enqueue", list(numbers), args, syncs=self._syncs)
        return [_OUTCOMES[value] for value in reply.own]

    async def records(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """Tasks by id; see the port."""
        reply = await self._scripts.call("records", (), task_ids)
        records, attempts = reply.own
        return [
            self._record(task_id, record, reply.now_ms, running=attempt is not None)
            for task_id, record, attempt in zip(task_ids, records, attempts, strict=True)
        ]

    async def page(
        self, cursor: str, most: int, *, dead: bool = False
    ) -> tuple[list[TaskRecord], str]:
        """Some tasks; see the port."""
        reply = await self._scripts.call(
            "page", (), [cursor or "0", min(most, PAGE_MAX), int(dead)]
        )
        following, ids, records, attempts = reply.own
        found = [
            self._record(_text(task_id), record, reply.now_ms, running=attempt is not None)
            for task_id, record, attempt in zip(ids, records, attempts, strict=True)
        ]
        following = following.decode()
        return [record for record in found if record], "" if following == "0" else following

    async def ahead(self, most: int) -> list[TaskRecord]:
        """The tasks that are LATER; see the port."""
        reply = await self._scripts.call("ahead", (), [min(most, AHEAD_MAX)])
        found = [
            self._record(_text(task_id), record, reply.now_ms)
            for task_id, record in zip(*reply.own, strict=True)
        ]
        return [record for record in found if record]

    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """Ends tasks that have not ended; see the port."""
        before = await self._scripts.call_each("cancel", (), task_ids, syncs=self._syncs)
        return [State(value) if value else None for value in before]

    async def move(
        self, task_id: str, lane: Lane, place: Place, left_s: float | None
    ) -> State | None:
        """Gives a waiting task another lane, place and deadline; see the port."""
        left_ms = "" if left_s is None else left_s * MS
        lanes = [lane]
        while True:
            reply = await self._scripts.call(
                "move",
                lanes,
                [task_id, 1, place.now_factor, place.offset, left_ms],
                syncs=self._syncs,
            )
            if reply.own >= 0:
                return State(reply.own) if reply.own else None
            lanes = [lane, *reply.missing]

    async def requeue(self, task_ids: Sequence[str]) -> list[bool]:
        """Dead letters wait again; see the port."""
        waits = await self._scripts.call_each("requeue", (), task_ids, syncs=self._syncs)
        return [value == 1 for value in waits]

    async def discard(self, task_ids: Sequence[str]) -> list[bool]:
        """Forgets tasks that have ended; see the port."""
        reply = await self._scripts.call("discard", (), task_ids, syncs=self._syncs)
        return [value == 1 for value in reply.own]

    async def pause(self, tenant: str | None, model: str | None, *, paused: bool) -> None:
        """Sets or takes back a pause; see the port. Raises StoreUnavailable when there are
        PAUSES_MAX.
        """
        scope = json.dumps([tenant, model])
        reply = await self._scripts.call(
            "pause", (), [scope, int(paused), PAUSES_MAX], syncs=self._syncs
        )
        if not reply.own:
            raise StoreUnavailable(f"{PAUSES_MAX} scopes are paused already")

    async def pauses(self) -> set[tuple[str | None, str | None]]:
        """All pauses; see the port."""
        async with bounded():
            scopes = await self._redis.hkeys(self._scripts.keys["pauses"])
        found: set[tuple[str | None, str | None]] = set()
        for scope in scopes:
            try:
                tenant, model = json.loads(scope)
            except ValueError as error:
                _log.warning("task_queue.bad_pause", shard=self._shard, reason=str(error))
                continue
            found.add((tenant, model))
        return found

    async def changes(self, after: str, most: int, wait_s: float) -> list[Change]:
        """Changes after a position; see the port. At most FEEDS_MAX callers wait at once."""
        return await self._feed.read(after, most, wait_s)

    async def newest(self) -> str:
        """Position of the newest change; see the port."""
        return await self._feed.newest()

    async def stats(self) -> QueueStats:
        """Counts; see the port."""
        lanes = await self._all_lanes()
        reply = await self._scripts.call("stats", lanes[:LANES_AT_ONCE], ())
        counts_flat, lanes_flat, oldest_ms = reply.own
        counts = {
            name.decode(): int(value) for name, value in _pairs(counts_flat) if name != b"order"
        }
        tenants = {name[2:] for name in counts if name.startswith("n:")}
        return QueueStats(
            states={
                state: held for state in State if (held := counts.get(f"s{state.value}", 0)) > 0
            },
            lanes={lane_from_bytes(name): int(value) for name, value in _pairs(lanes_flat)},
            tenants={
                tenant: (counts[f"n:{tenant}"], counts.get(f"b:{tenant}", 0)) for tenant in tenants
            },
            bytes_held=counts.get("bytes", 0),
            oldest_s=(reply.now_ms - oldest_ms) / MS if oldest_ms >= 0 else 0.0,
        )

    def wakes(self) -> AsyncIterator[Wake]:
        """What happens from now on; see the port."""
        return self._wakes.listen()

    async def adopt(self, own: Term) -> int:
        """Tasks that ran under earlier owners wait again; see the port."""
        waiting: int
        adopted = 0
        cursor: bytes = b"0"
        lanes: list[Lane] = []
        while True:
            reply = await self._call_as(own, "adopt", lanes, [cursor, MOVE_MAX])
            waiting, cursor = reply.own
            adopted += waiting
            lanes = reply.missing
            if cursor == b"0" and waiting == 0 and not lanes:
                return adopted

    async def fronts(self, own: Term, lanes: Sequence[Lane], most: int) -> list[LaneFront]:
        """The fronts of lanes; see the port."""
        named = list(lanes) or await self._all_lanes()
        at_once = max(1, min(LANES_AT_ONCE, FRONTS_AT_ONCE // max(1, most)))
        fronts: list[LaneFront] = []
        for start in range(0, len(named), at_once):
            some = named[start : start + at_once]
            reply = await self._call_as(own, "fronts", some, [most])
            found, bad = reply.own
            for task_id in bad:
                _log.warning(
                    "task_queue.bad_record",
                    shard=self._shard,
                    task_id=_text(task_id),
                    reason="it cannot be read, and was taken out of its lane",
                )
            for lane, (waiting, flat) in zip(some, found, strict=True):
                front = self._front(lane, waiting, flat, reply.now_ms)
                if lanes or front.waiting:
                    fronts.append(front)
        return fronts

    async def claim(self, own: Term, claims: Sequence[Claiming]) -> list[TaskRecord | None]:
        """Waiting tasks run from now on; see the port."""
        if len(claims) > MOVE_MAX:
            raise ValueError(f"at most {MOVE_MAX} tasks a call")
        return await self._claiming.call(own, claims)

    async def _claim(self, own: Term, claims: Sequence[Claiming]) -> list[TaskRecord | None]:
        numbers = numbered(claim.lane for claim in claims)
        args: list[Arg] = []
        for claim in claims:
            number = numbers[claim.lane].to_bytes(2, "little")
            args += (claim.task_id.encode(), number + claim.attempt_id.encode())
        reply = await self._call_as(own, "claim", numbers, args)
        return [
            self._record(claim.task_id, record, reply.now_ms, running=True)
            for claim, record in zip(claims, reply.own, strict=True)
        ]

    async def settle(self, own: Term, settlements: Sequence[Settlement]) -> list[bool]:
        """Ends attempts; see the port."""
        if len(settlements) > MOVE_MAX:
            raise ValueError(f"at most {MOVE_MAX} tasks a call")
        return await self._settling.call(own, settlements)

    async def _settle(self, own: Term, settlements: Sequence[Settlement]) -> list[bool]:
        lanes = numbered(item.lane for item in settlements if item.state is State.WAITING)
        args: list[Arg] = [DEAD_KEEP_S * MS]
        for item in settlements:
            facts = _SETTLEMENT.pack(
                item.state.value, item.counts, item.alone, item.start_in_s * MS
            )
            args += (item.task_id.encode(), item.attempt_id.encode(), item.result)
            args.append(facts + item.death.encode())
        reply = await self._call_as(own, "settle", lanes, args)
        if reply.missing:
            reply = await self._call_as(own, "settle", [*lanes, *reply.missing], args)
        return [value == 1 for value in reply.own]

    async def drop(self, own: Term, lane: Lane, task_id: str, result: bytes) -> bool:
        """A waiting task fails with this refusal; see the port."""
        reply = await self._call_as(own, "drop", [lane], [task_id, result])
        return bool(reply.own)

    async def promote(self, own: Term, most: int) -> tuple[list[tuple[Lane, float]], float]:
        """Tasks whose time has come wait in their lanes; see the port."""
        grew: dict[Lane, float] = {}
        lanes: list[Lane] = []
        while True:
            reply = await self._call_as(own, "promote", lanes, [min(most, MOVE_MAX)])
            flat, next_due = reply.own
            for name, place in _pairs(flat):
                lane = lane_from_bytes(name)
                grew[lane] = min(grew.get(lane, math.inf), float(place))
            lanes = reply.missing
            if not lanes:
                due_ms = float(next_due)
                left_s = max(0.0, (due_ms - reply.now_ms) / MS) if due_ms >= 0 else math.inf
                return list(grew.items()), left_s

    async def reorder(self, own: Term, placings: Sequence[Placing], *, order: str = "") -> str:
        """Gives tasks other places; see the port."""
        numbers = numbered(placing.lane for placing in placings)
        args: list[Arg] = [order]
        for each in placings:
            args += (each.task_id, numbers[each.lane], each.place.now_factor, each.place.offset)
        return _text((await self._call_as(own, "reorder", numbers, args)).own)

    async def sweep(self, own: Term, most: int) -> int:
        """Forgets ended tasks whose time is over; see the port."""
        reply = await self._call_as(own, "sweep", (), [min(most, ENQUEUE_MAX)])
        forgotten: int = reply.own
        return forgotten

    async def close(self) -> None:
        """Releases connections."""
        await self._redis.aclose()
        await self._waiting.aclose()

    async def _call_as(
        self, own: Term, name: str, lanes: Iterable[Lane], args: Iterable[Arg]
    ) -> Reply:
        return await self._scripts.call(name, list(lanes), [own.owner, own.epoch, *args])

    async def _all_lanes(self) -> list[Lane]:
        async with bounded():
            names = await self._redis.hkeys(self._scripts.keys["lanes"])
        return [lane_from_bytes(name) for name in names]

    def _front(self, lane: Lane, waiting: int, flat: list[bytes], now_ms: int) -> LaneFront:
        records: list[TaskRecord] = []
        places: list[float] = []
        for record, place, task_id in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
            found = self._record(_text(task_id), record, now_ms)
            if found is not None:
                records.append(found)
                places.append(float(place))
        return LaneFront(lane, waiting, tuple(records), tuple(places))

    def _record(
        self, task_id: str, record: bytes | None, now_ms: int, *, running: bool = False
    ) -> TaskRecord | None:
        if record is None:
            return None
        try:
            return record_from_bytes(task_id, record, now_ms, running=running)
        except ValueError as error:
            _log.warning(
                "task_queue.bad_record", shard=self._shard, task_id=task_id, reason=str(error)
            )
            return None


_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


def _text(task_id: bytes) -> str:
    return task_id.decode(errors="replace")


def _pairs(flat: list[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
