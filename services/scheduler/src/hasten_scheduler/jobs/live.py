"""One job at its owner: its machine is told what happens, and its effects are carried out."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.events import (
    Ask,
    CancelTasks,
    FollowTasks,
    JobEffect,
    JobEvent,
    SubmitTasks,
    TaskEnded,
    TaskWish,
    Told,
    WakeAt,
    Write,
)
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import Job, JobStore
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.jobs.following import Following
from hasten_scheduler.jobs.kinds import JobKind, JobRun
from hasten_scheduler.jobs.tasks import JobTasks

SUBMITS_AT_ONCE: Final = 64
_LATE: Final = Refusal(Reason.DEADLINE_PASSED, "its time was over before it could be submitted")
FOLLOWED_AT_ONCE: Final = 64
FORGOTTEN: Final = Refusal(Reason.TASK_NOT_FOUND, "it ended, and its end is not kept any more")
CLOCK_S: Final = 60.0
"""For so long the server's clock is believed to go as this process's does."""
TIMER_S_MAX: Final = 3600.0
"""Longest sleep of a timer: the server's clock may have been set meanwhile."""


class JobObserver(Protocol):
    """Told what people want to count."""

    def job_begun(self, kind: str) -> None:
        """A job is driven here from now on."""
        ...

    def job_left(self, kind: str, ended: str) -> None:
        """It is not any more: it has ended so, or "" and others go on with it."""
        ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the drivers of all shards share.

    Attributes:
        kinds: By name.
        stores: The shards' jobs, by number.
        tasks: Of all jobs.
        doors: The shards, by number.
        feeds: Of the shards.
        clock: The scheduler's.
        observer: Counts.
    """

    kinds: Mapping[str, JobKind]
    stores: Sequence[JobStore]
    tasks: JobTasks
    doors: Sequence[ShardDoor]
    feeds: Sequence[ShardFeed]
    clock: Clock
    observer: JobObserver


class JobHeard(Protocol):
    """Told what happens to a job beside its tasks."""

    def rang(self, live: "LiveJob") -> None:
        """The machine's timer has come."""
        ...

    def came(self, live: "LiveJob", event: JobEvent) -> None:
        """A slow answer is there: the machine is to be told this."""
        ...

    def broke(self, live: "LiveJob", error: Exception) -> None:
        """There is none."""
        ...


class LiveJob:
    """A job with its machine.

    Args:
        job: As the store has it; its revision is kept up by the caller.
        run: Its machine.
        context: What all jobs share.
        following: Hears of the ends of tasks.
        heard: Told what else happens to it.

    Attributes:
        job: See above.
        run: See above.
    """

    def __init__(
        self,
        job: Job,
        run: JobRun,
        context: JobContext,
        following: Following,
        heard: JobHeard,
    ) -> None:
        self.job = job
        self.run = run
        self._context = context
        self._following = following
        self._heard = heard
        self._asides: set[asyncio.Task[None]] = set()
        self._ahead_s = 0.0
        self._heard_s = 0.0
        self.hear(job.read_s)
        self._wake_s = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, server_s: float) -> None:
        """This is the server's time now."""
        self._heard_s = self._context.clock.now_s()
        self._ahead_s = server_s - self._heard_s

    @property
    def unsure(self) -> bool:
        """The server's clock was not looked at for long."""
        return self._context.clock.now_s() > self._heard_s + CLOCK_S

    def close(self) -> None:
        """Hears nothing any more."""
        self._wake_s = math.inf
        self._set_timer()
        self._following.forget(self.job.job_id)
        for aside in self._asides:
            aside.cancel()

    async def on(self, events: Sequence[JobEvent], write: Callable[[str], Awaitable[None]]) -> str:
        """Tells the machine, and carries out what it answers.

        Args:
            events: What it is told.
            write: Stores the body, given how the job has ended; raises when it cannot.

        Returns:
            How the job has ended; "" while it has not.

        Raises:
            MeshError, StoreUnavailable: Some of it was carried out.
        """
        unwritten = False
        while events:
            now_s = self._now_s()
            answer = [effect for event in events for effect in self.run.on(event, now_s=now_s)]
            ended = next(
                (each.ended for each in answer if isinstance(each, Write) and each.ended), ""
            )
            if ended:
                for effect in answer:
                    if not isinstance(effect, SubmitTasks):
                        await self._carry_out(effect)
                await write(ended)
                return ended
            events, unwritten = await self._in_order(answer, write, unwritten=unwritten)
        if unwritten:
            await write("")
        return ""

    async def _in_order(
        self, answer: list[JobEffect], write: Callable[[str], Awaitable[None]], *, unwritten: bool
    ) -> tuple[list[JobEvent], bool]:
        """Carries effects out; what the machine is to be told of them, and whether the body is
        still to be written.
        """
        more: list[JobEvent] = []
        # The body is already as it is after all of them, so one write does for all.
        written = False
        for effect in answer:
            if isinstance(effect, Write):
                unwritten = not written
            elif isinstance(effect, SubmitTasks | CancelTasks) and unwritten:
                await write("")
                unwritten, written = False, True
            more += await self._carry_out(effect)
        return more, unwritten

    async def ends(self, task_ids: Sequence[str]) -> list[JobEvent]:
        """What the machine is to be told of tasks that have ended. Raises as `on`."""
        tasks = self._context.tasks
        keys = [tasks.key(self.job, task_id) for task_id in task_ids]
        records = await tasks.records(self.job, keys)
        return [
            await self.run.ended(key, record)
            for key, record in zip(keys, records, strict=True)
            # One that was forgotten by now is of a tenant that was purged, and so is the job.
            if record is not None
        ]

    def _now_s(self) -> float:
        return self._context.clock.now_s() + self._ahead_s

    async def _carry_out(self, effect: JobEffect) -> list[JobEvent]:
        """Returns what the machine is to be told of it."""
        if isinstance(effect, SubmitTasks):
            return await self._submit(effect.tasks)
        if isinstance(effect, FollowTasks):
            return await self._follow(effect.tasks)
        if isinstance(effect, Ask):
            return (
                self._ask_aside(effect.what) if effect.slow else [await self._answer(effect.what)]
            )
        if isinstance(effect, CancelTasks):
            await self._context.tasks.cancel(self.job, effect.tasks)
        elif isinstance(effect, WakeAt):
            self._wake_s = effect.at_s
            self._set_timer()
        return []

    async def _follow(self, keys: Sequence[str]) -> list[JobEvent]:
        tasks = self._context.tasks
        places = [tasks.place(self.job, key) for key in keys]
        for shard, task_id in places:
            self._following.follow(shard, task_id, self.job.job_id)
        for shard in {shard for shard, _ in places}:
            await self._following.look(shard, [task_id for at, task_id in places if at == shard])
        gone: list[JobEvent] = []
        for begin in range(0, len(keys), FOLLOWED_AT_ONCE):
            some = keys[begin : begin + FOLLOWED_AT_ONCE]
            records = await tasks.records(self.job, some)
            gone += [
                TaskEnded(key, FORGOTTEN)
                for key, record in zip(some, records, strict=True)
                if record is None
            ]
        return gone

    async def _answer(self, what: object) -> JobEvent:
        return Told(what, await self.run.answer(what))

    def _ask_aside(self, what: object) -> list[JobEvent]:
        aside = asyncio.create_task(self._aside(what), name=f"aside-{self.job.job_id}")
        self._asides.add(aside)
        aside.add_done_callback(self._asides.discard)
        return []

    async def _aside(self, what: object) -> None:
        try:
            told = await self._answer(what)
        except Exception as error:  # noqa: BLE001  (whatever it is, the driver says what follows)
            self._heard.broke(self, error)
        else:
            self._heard.came(self, told)

    async def _submit(self, wishes: Sequence[TaskWish]) -> list[JobEvent]:
        refused: list[JobEvent] = []
        for begin in range(0, len(wishes), SUBMITS_AT_ONCE):
            some = wishes[begin : begin + SUBMITS_AT_ONCE]
            ends = await asyncio.gather(*map(self._submit_one, some))
            refused += [end for end in ends if end is not None]
        return refused

    async def _submit_one(self, wish: TaskWish) -> TaskEnded | None:
        tasks = self._context.tasks
        shard, task_id = tasks.place(self.job, wish.key)
        try:
            said = await self.run.task(wish)
            said.priority = wish.priority
            said.start_in_us = max(0, round((wish.start_s - self._now_s()) * 1e6))
            left_s = wish.deadline_s - self._now_s()
            self._following.follow(shard, task_id, self.job.job_id)
            if left_s <= 0:
                return await self._late(shard, task_id, wish.key)
            repeated = await tasks.submit(
                self.job,
                said,
                wish,
                left_s=left_s,
                traceparent=self.run.traceparent,
            )
        except MeshError as error:
            if error.refusal.reason.value.retryable:
                raise
            return TaskEnded(wish.key, error.refusal)
        if repeated:
            await self._following.look(shard, [task_id])
        return None

    async def _late(self, shard: int, task_id: str, key: str) -> TaskEnded | None:
        """It may have been submitted in time, by an owner before."""
        (record,) = await self._context.tasks.records(self.job, [key])
        if record is None:
            return TaskEnded(key, _LATE)
        await self._following.look(shard, [task_id])
        return None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wake_s < math.inf:
            left_s = min(max(self._wake_s - self._now_s(), 0.0), TIMER_S_MAX)
            self._timer = asyncio.get_running_loop().call_later(left_s, self._woke)

    def _woke(self) -> None:
        self._timer = None
        if self._wake_s > self._now_s():
            self._set_timer()
        else:
            self._wake_s = math.inf
            self._heard.rang(self)
