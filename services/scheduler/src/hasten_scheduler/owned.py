"""One shard that this process owns: what the machine wants of it is carried out at its store."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from hasten_policy.scheduler.events import ReadLanes
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.tasks import Lane, LaneHeads, Pick, TaskHead
from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.port import (
    MOVE_MAX,
    Claiming,
    Fenced,
    LaneFront,
    Settlement,
    State,
    TaskQueue,
    TaskRecord,
)
from hasten_runtime.tasks.wake import Wake
from hasten_scheduler import stored
from hasten_scheduler.attempts import Attempt
from hasten_scheduler.carrying import Carrier
from hasten_scheduler.reordering import reorder
from hasten_scheduler.stored import Payloads

PROMOTE_MAX: Final = 256
"""Tasks whose time has come, moved at once."""
PROMOTE_S_MAX: Final = 1.0
"""Longest pause between two looks for such tasks: others may have come meanwhile."""
SWEEP_MAX: Final = 256
SWEEP_S: Final = 1.0
"""Pace of looks for what need not be kept any more."""
AGAIN_S: Final = 0.2
"""After a store that did not answer."""

T = TypeVar("T")

_log = logs.logger(__name__)


class Owner(Protocol):
    """Who decides about the shard's tasks: the shell."""

    def lanes_read(self, shard: int, lanes: tuple[LaneHeads, ...], *, every: bool) -> None:
        """These lanes look so."""
        ...

    def claimed(self, shard: int, attempts: Sequence[Attempt], gone: tuple[int, ...]) -> None:
        """These attempts run from now on; those are gone."""
        ...

    def lanes_grew(self, shard: int, grew: Sequence[tuple[Lane, float]]) -> None:
        """Tasks came into these lanes, each with the least new place."""
        ...

    def woken(self, shard: int, wake: Wake) -> None:
        """Others changed something in the shard."""
        ...

    def paused(self, shard: int, pauses: set[tuple[str | None, str | None]]) -> None:
        """These are all pauses of the shard."""
        ...

    def settled(self, shard: int, settlement: Settlement, answer: bytes | None) -> None:
        """A task has ended, or waits again, and the store knows."""
        ...


class JobListener(Protocol):
    """Who drives the shard's jobs."""

    def changed(self, job_ids: Sequence[str]) -> None:
        """Others created or changed these jobs."""
        ...

    def missed(self) -> None:
        """Something may have been missed."""
        ...


@dataclass(slots=True)
class Ending:
    """An attempt's end, on its way to the store.

    Attributes:
        settlement: The end; its result is set when the answer is stored.
        answer: The worker's answer; None where there is none.
    """

    settlement: Settlement
    answer: bytes | None = None


@dataclass(slots=True)
class Dropping:
    """A waiting task that is to fail."""

    lane: Lane
    task_id: str
    result: bytes


class OwnedShard:
    """Carries out what the machine wants, for one term of one shard.

    Args:
        shard: Its number.
        term: The ownership.
        queue: The shard.
        payloads: Of its tasks.
        owner: Told what comes of it.
        jobs: Told what others did to jobs.
        clock: The machine's.
        holds: The term still holds; asked before each act.
        policy: How its tasks are ordered, and how much of the lanes is known.

    Attributes:
        running: The attempts that the store has claimed, by task.
    """

    def __init__(  # noqa: PLR0913  (each is another neighbour)
        self,
        shard: int,
        term: Term,
        queue: TaskQueue,
        *,
        payloads: Payloads,
        owner: Owner,
        jobs: JobListener,
        clock: Clock,
        holds: Callable[[], bool],
        policy: SchedulerPolicy,
    ) -> None:
        self.shard = shard
        self.running: dict[str, Attempt] = {}
        self._term = term
        self._queue = queue
        self._payloads = payloads
        self._owner = owner
        self._jobs = jobs
        self._clock = clock
        self._holds = holds
        self._policy = policy
        self._claims = Carrier("claim", self._claim, most=MOVE_MAX)
        self._ends = Carrier("settle", self._settle, most=MOVE_MAX)
        self._reads = Carrier("fronts", self._read, most=MOVE_MAX)
        self._drops = Carrier("drop", self._drop, most=MOVE_MAX)
        self._due = asyncio.Event()

    # --- what the machine wants ---------------------------------------------------------

    def read(self, wanted: ReadLanes) -> None:
        """Reads fronts of lanes."""
        self._reads.put(wanted)

    def claim(self, picks: Sequence[Pick]) -> None:
        """Claims waiting tasks."""
        for pick in picks:
            self._claims.put(pick)

    def settle(self, ending: Ending) -> None:
        """Ends an attempt."""
        self._ends.put(ending)
        if ending.settlement.state is State.LATER:
            self._due.set()

    def drop(self, dropping: Dropping) -> None:
        """Ends a task that waits."""
        self._drops.put(dropping)

    async def idle(self) -> None:
        """Waits until the store knows every end."""
        await self._ends.idle()

    # --- life ---------------------------------------------------------------------------

    async def begin(self) -> None:
        """What ran under earlier owners waits again; then the pauses are told.

        Raises:
            Fenced: Somebody else owns the shard.
        """
        adopted = await self._asked(lambda: self._queue.adopt(self._term))
        pauses = await self._asked(self._queue.pauses)
        _log.info("shard.adopted", shard=self.shard, epoch=self._term.epoch, tasks=adopted)
        self._owner.paused(self.shard, pauses)

    async def run(self) -> None:
        """Carries out what is wanted, until cancelled. Raises Fenced, in a group."""
        async with asyncio.TaskGroup() as group:
            for job in (
                self._claims.run(),
                self._ends.run(),
                self._reads.run(),
                self._drops.run(),
                self._promote(),
                self._sweep(),
                self._hear(),
                self._reorder(),
            ):
                group.create_task(job, name=f"shard-{self.shard}")

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T:
        """The store's answer, whenever it comes."""
        while True:
            self._check()
            try:
                return await question()
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)

    def _check(self) -> None:
        if not self._holds():
            raise Fenced

    # --- carrying out -------------------------------------------------------------------

    async def _claim(self, picks: Sequence[Pick]) -> None:
        self._check()
        term = self._term
        claims = [
            Claiming(f"{term.epoch}.{term.owner}.{pick.attempt}", pick.lane, pick.task_id)
            for pick in picks
        ]
        records = await self._queue.claim(term, claims)
        now_s = self._clock.now_s()
        begun: list[Attempt] = []
        gone: list[int] = []
        for pick, claim, record in zip(picks, claims, records, strict=True):
            if record is None:
                gone.append(pick.attempt)
                continue
            attempt = Attempt(pick.attempt, self.shard, pick.lane, pick.task_id, claim.attempt_id)
            attempt.claimed_s = now_s
            attempt.due_s = now_s + record.left_s
            attempt.age_s = record.age_s
            attempt.number = record.runs
            attempt.rows = record.rows
            attempt.submitted_traceparent = stored.traceparent_of(record.about)
            if await self._fill_in(attempt, record):
                begun.append(attempt)
            else:
                gone.append(pick.attempt)
        self._owner.claimed(self.shard, begun, tuple(gone))

    async def _fill_in(self, attempt: Attempt, record: TaskRecord) -> bool:
        """Gives an attempt its input; False when that is gone, which ends the task."""
        payload = await self._payloads.decode(record.payload)
        if payload is None:
            self.settle(Ending(ending_of(attempt, State.FAILED, stored.failure(stored.GONE))))
            return False
        attempt.payload = payload
        return True

    async def _settle(self, endings: Sequence[Ending]) -> None:
        self._check()
        for ending in endings:
            if ending.answer is not None and not ending.settlement.result:
                ending.settlement.result = await self._payloads.encode_answer(ending.answer)
        done = await self._queue.settle(self._term, [ending.settlement for ending in endings])
        for ending, was_newest in zip(endings, done, strict=True):
            if was_newest:
                self._owner.settled(self.shard, ending.settlement, ending.answer)

    async def _read(self, wanted: Sequence[ReadLanes]) -> None:
        self._check()
        most = max(read.most for read in wanted)
        every = any(not read.lanes for read in wanted)
        lanes = (
            () if every else tuple(dict.fromkeys(lane for read in wanted for lane in read.lanes))
        )
        asked_s = self._clock.now_s()
        fronts = await self._queue.fronts(self._term, lanes, most)
        heads = [_heads_of(front, asked_s) for front in fronts]
        told = {front.lane for front in fronts}
        heads += [LaneHeads(lane, 0, ()) for lane in lanes if lane not in told]
        self._owner.lanes_read(self.shard, tuple(heads), every=every)

    async def _drop(self, droppings: Sequence[Dropping]) -> None:
        for dropping in droppings:
            self._check()
            dropped = await self._queue.drop(
                self._term, dropping.lane, dropping.task_id, dropping.result
            )
            if dropped:
                ended = Settlement("", dropping.task_id, dropping.lane, State.FAILED)
                self._owner.settled(self.shard, ended, None)

    # --- of its own accord --------------------------------------------------------------

    async def _promote(self) -> None:
        while True:
            self._due.clear()
            grew, next_s = await self._asked(lambda: self._queue.promote(self._term, PROMOTE_MAX))
            if grew:
                self._owner.lanes_grew(self.shard, grew)
            try:
                async with asyncio.timeout(min(max(next_s, 0.0), PROMOTE_S_MAX)):
                    await self._due.wait()
            except TimeoutError:
                continue

    async def _sweep(self) -> None:
        while True:
            swept = await self._asked(lambda: self._queue.sweep(self._term, SWEEP_MAX))
            await asyncio.sleep(0 if swept >= SWEEP_MAX else SWEEP_S)

    async def _reorder(self) -> None:
        policy = self._policy
        if await reorder(self._queue, self._term, policy.ordering, self._asked):
            # What is known of the lanes was read in the order before.
            self.read(ReadLanes(self.shard, (), policy.lanes.lane_heads_max))

    async def _hear(self) -> None:
        while True:
            try:
                async for wake in self._queue.wakes():
                    if wake.later:
                        self._due.set()
                    begins = wake == Wake(wake.shard)
                    if wake.paused or begins:
                        self._owner.paused(self.shard, await self._asked(self._queue.pauses))
                    if begins:
                        self._jobs.missed()
                    self._jobs.changed(wake.jobs)
                    self._owner.woken(self.shard, wake)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)


def ending_of(attempt: Attempt, state: State, result: bytes = b"") -> Settlement:
    """The end of an attempt that ends its task too."""
    return Settlement(attempt.attempt_id, attempt.task_id, attempt.lane, state, result)


def _heads_of(front: LaneFront, asked_s: float) -> LaneHeads:
    """As the machine sees a front: times on its clock, as of when it was asked for."""
    heads = [
        TaskHead(
            record.task_id,
            place,
            asked_s - record.age_s,
            asked_s + record.left_s,
            record.rows,
            record.elements,
            record.attempts,
            record.attempts_max,
            record.deaths,
            record.alone,
            record.key,
            record.key_max,
        )
        for record, place in zip(front.records, front.places, strict=True)
    ]
    return LaneHeads(front.lane, front.waiting, tuple(heads))
