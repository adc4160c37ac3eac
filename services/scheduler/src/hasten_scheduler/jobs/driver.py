"""Drives the jobs of one shard, for one term of its owner.

Each job that has not ended has a machine in memory. Whatever goes wrong with a job on the way (the
store is away, somebody else changed it) comes to the same as if its owner had ended: the machine is
thrown away, and begun again from what the store has.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from hasten_policy.scheduler.jobs.events import JobEvent, Started, TimerCame, Wanted
from hasten_runtime import logs
from hasten_runtime.election.port import Term
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.jobs import JOBS_AT_ONCE, JobState, kind_of
from hasten_runtime.tasks.port import Fenced
from hasten_scheduler.jobs.following import Following
from hasten_scheduler.jobs.live import JobContext, LiveJob

DRIVERS: Final = 16
"""Jobs of a shard that are looked after at once."""
EVENTS_AT_ONCE: Final = 64
"""Ends of a job's tasks that share one write of the job."""
AGAIN_S: Final = 0.2
"""After a store that did not answer, where nobody said when it may be asked again."""
SWEEP_S: Final = 1.0

_WANTED: Final = {
    JobState.ACTIVE: Wanted.ACTIVE,
    JobState.PAUSED: Wanted.PAUSED,
    JobState.CANCELLING: Wanted.CANCELLED,
}

_log = logs.logger(__name__)


class _ChangedByOthersError(Exception):
    """Somebody else has changed the job since its machine was made."""


@dataclass(slots=True)
class _Desk:
    """What is to be done for a job, at most by one driver at once.

    Attributes:
        ended: Tasks that have ended.
        came: Slow answers that are there.
        broke: Why there is no slow answer.
        rang: Its timer has come.
        reload: The machine is to be made anew, from the store.
        live: None for a job that is not driven, or not yet.
        busy: It is in the queue, or a driver has it.
    """

    ended: deque[str] = field(default_factory=deque[str])
    came: deque[JobEvent] = field(default_factory=deque[JobEvent])
    broke: Exception | None = None
    rang: bool = False
    reload: bool = False
    live: LiveJob | None = None
    busy: bool = False

    @property
    def pending(self) -> bool:
        """There is something to do."""
        return bool(self.reload or self.ended or self.came or self.broke or self.rang)


class ShardJobs:
    """The jobs of one shard.

    Args:
        shard: Its number.
        term: The ownership.
        context: What all shards share.
        holds: The term still holds; asked before each act.
    """

    def __init__(
        self,
        shard: int,
        term: Term,
        context: JobContext,
        *,
        holds: Callable[[], bool],
    ) -> None:
        self.shard = shard
        self._term = term
        self._store = context.stores[shard]
        self._context = context
        self._holds = holds
        self._desks: dict[str, _Desk] = {}
        self._row: asyncio.Queue[str] = asyncio.Queue()
        self._all_wanted = asyncio.Event()
        self._over = False
        self._following = Following(context.doors, context.feeds, self._task_ended)

    @property
    def driven(self) -> int:
        """Jobs that are driven, or about to be."""
        return len(self._desks)

    def changed(self, job_ids: Iterable[str]) -> None:
        """Somebody else created or changed these jobs."""
        for job_id in job_ids:
            self._reload(job_id)

    def missed(self) -> None:
        """Something may have been missed: all jobs are looked at."""
        self._all_wanted.set()

    async def run(self) -> None:
        """Drives the jobs, until cancelled. Raises Fenced, in a group."""
        self._all_wanted.set()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_all(), name=f"jobs-read-{self.shard}")
                group.create_task(self._sweep(), name=f"jobs-sweep-{self.shard}")
                group.create_task(self._following.run(), name=f"jobs-follow-{self.shard}")
                for number in range(DRIVERS):
                    group.create_task(self._drive(), name=f"jobs-{self.shard}-{number}")
        finally:
            self._over = True
            for job_id in list(self._desks):
                self._leave(job_id)

    # --- what is to be done ---------------------------------------------------------------

    def _reload(self, job_id: str) -> None:
        if self._over:
            return
        desk = self._desks.setdefault(job_id, _Desk())
        desk.reload = True
        self._put(job_id, desk)

    def _put(self, job_id: str, desk: _Desk) -> None:
        if not desk.busy:
            desk.busy = True
            self._row.put_nowait(job_id)

    def _task_ended(self, job_id: str, task_id: str) -> None:
        desk = self._desks.get(job_id)
        if desk is not None:
            desk.ended.append(task_id)
            self._put(job_id, desk)

    # --- of its own accord ----------------------------------------------------------------

    async def _read_all(self) -> None:
        while True:
            await self._all_wanted.wait()
            self._all_wanted.clear()
            cursor = ""
            while True:
                self._check()
                try:
                    jobs, cursor = await self._store.unfinished(self._term, cursor, JOBS_AT_ONCE)
                except StoreUnavailable:
                    self._all_wanted.set()
                    await asyncio.sleep(AGAIN_S)
                    break
                self.changed(job.job_id for job in jobs)
                if not cursor:
                    break

    async def _sweep(self) -> None:
        while True:
            self._check()
            swept = 0
            with suppress(StoreUnavailable):
                swept = await self._store.sweep(self._term, JOBS_AT_ONCE)
            await asyncio.sleep(0 if swept >= JOBS_AT_ONCE else SWEEP_S)

    def _check(self) -> None:
        if not self._holds():
            raise Fenced

    # --- driving --------------------------------------------------------------------------

    async def _drive(self) -> None:
        while True:
            job_id = await self._row.get()
            desk = self._desks.get(job_id)
            if desk is None:
                continue
            try:
                while desk.pending:
                    self._check()
                    await self._step(job_id, desk)
            except (StoreUnavailable, MeshError) as error:
                self._begin_again(job_id, error)
            except Fenced:
                raise
            except Exception:  # noqa: BLE001  (whatever it is)
                # A fault of ours. Other jobs go on; this one waits for its shard's next owner.
                _log.exception("job.broken", shard=self.shard, job_id=job_id)
                self._leave(job_id)
            finally:
                desk.busy = False

    def _begin_again(self, job_id: str, error: Exception) -> None:
        self._leave(job_id)
        hint_s = error.refusal.retry_after_s if isinstance(error, MeshError) else None
        _log.info("job.begun_again", shard=self.shard, job_id=job_id, reason=str(error))
        in_s = max(AGAIN_S, hint_s or 0.0)
        asyncio.get_running_loop().call_later(in_s, self._reload, job_id)

    def _leave(self, job_id: str, ended: str = "") -> None:
        """Drives a job no more, unless it is looked at again."""
        desk = self._desks.pop(job_id)
        desk.reload = False
        self._drop_machine(job_id, desk, ended)

    def _drop_machine(self, job_id: str, desk: _Desk, ended: str = "") -> None:
        live, desk.live = desk.live, None
        if live is not None:
            live.close()
            self._context.observer.job_left(kind_of(job_id), ended)
        desk.ended.clear()
        desk.came.clear()
        desk.broke = None
        desk.rang = False

    async def _step(self, job_id: str, desk: _Desk) -> None:
        if desk.reload:
            desk.reload = False
            await self._load(job_id, desk)
        elif desk.live is not None:
            if desk.broke is not None:
                raise desk.broke
            ended = [desk.ended.popleft() for _ in range(min(EVENTS_AT_ONCE, len(desk.ended)))]
            rang, desk.rang = desk.rang, False
            if rang and desk.live.unsure:
                await self._look_at_clock(desk.live)
            events = await desk.live.ends(ended)
            events += [desk.came.popleft() for _ in range(len(desk.came))]
            await self._on(desk, desk.live, events, rang=rang)

    async def _look_at_clock(self, live: LiveJob) -> None:
        (job,) = await self._store.read([live.job.job_id])
        if job is not None:
            live.hear(job.read_s)

    async def _load(self, job_id: str, desk: _Desk) -> None:
        (job,) = await self._store.read([job_id])
        kind = self._context.kinds.get(kind_of(job_id))
        if job is None or job.state is JobState.ENDED or kind is None:
            self._leave(job_id)
            return
        if desk.live is not None and desk.live.job.revision == job.revision:
            return
        self._drop_machine(job_id, desk)
        try:
            run = await kind.load(job)
        except ValueError as error:
            _log.error("job.unreadable", shard=self.shard, job_id=job_id, reason=str(error))
            self._leave(job_id)
            return
        desk.live = LiveJob(job, run, self._context, self._following, self)
        self._context.observer.job_begun(job.kind)
        await self._on(desk, desk.live, [Started(_WANTED[job.state])])

    async def _on(
        self, desk: _Desk, live: LiveJob, events: list[JobEvent], *, rang: bool = False
    ) -> None:
        job_id = live.job.job_id
        told = [*events, TimerCame()] if rang else events
        try:
            ended = await live.on(told, partial(self._write, live))
        except _ChangedByOthersError:
            self._drop_machine(job_id, desk)
            desk.reload = True
        else:
            if ended:
                self._leave(job_id, ended)

    async def _write(self, live: LiveJob, ended: str) -> None:
        self._check()
        job = live.job
        state = JobState.ENDED if ended else job.state
        body = live.run.body()
        if not await self._store.write(
            job.job_id, job.revision, state=state, body=body, own=self._term
        ):
            raise _ChangedByOthersError
        job.revision += 1

    # --- what jobs hear of (JobHeard) -----------------------------------------------------

    def rang(self, live: LiveJob) -> None:
        """A job's timer has come."""
        desk = self._desk_of(live)
        if desk is not None:
            desk.rang = True
            self._put(live.job.job_id, desk)

    def came(self, live: LiveJob, event: JobEvent) -> None:
        """A slow answer is there."""
        desk = self._desk_of(live)
        if desk is not None:
            desk.came.append(event)
            self._put(live.job.job_id, desk)

    def broke(self, live: LiveJob, error: Exception) -> None:
        """There is none: the driver goes on as if it had asked itself."""
        desk = self._desk_of(live)
        if desk is not None:
            desk.broke = error
            self._put(live.job.job_id, desk)

    def _desk_of(self, live: LiveJob) -> _Desk | None:
        """The desk of a job that is driven with this machine."""
        desk = self._desks.get(live.job.job_id)
        return desk if desk is not None and desk.live is live else None
