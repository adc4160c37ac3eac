"""Jobs in memory, for tests of services."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.jobs import (
    JOBS_AT_ONCE,
    Created,
    Job,
    JobLimits,
    JobState,
    NewJob,
    check_job,
)
from hasten_runtime.tasks.port import Fenced


@dataclass(slots=True)
class _Kept:
    job: Job
    digest: bytes


class MemoryJobStore:
    """The `JobStore` port in memory.

    Args:
        newest: The newest term of the shard's election, None when nobody has it.
        changed: Called with the id of a job that somebody else than the owner created or changed.
        clock: Plays the server's clock.

    Attributes:
        available: Set to False to play a dead store.
    """

    def __init__(
        self,
        newest: Callable[[], Term | None],
        changed: Callable[[str], None],
        *,
        clock: Clock | None = None,
    ) -> None:
        self.available = True
        self._newest = newest
        self._changed = changed
        self._clock = clock or SystemClock()
        self._jobs: dict[str, _Kept] = {}

    async def create(self, job: NewJob, limits: JobLimits) -> Created:
        """Creates a job; see the port."""
        check_job(job.job_id, job.digest, job.spec, job.body)
        now_s = self._look()
        kept = self._jobs.get(job.job_id)
        if kept is not None:
            if kept.digest != job.digest:
                return Created.OTHER_CONTENT
            self._changed(job.job_id)
            return Created.SAME
        live = sum(one.job.state is not JobState.ENDED for one in self._jobs.values())
        if limits.jobs_max and live >= limits.jobs_max:
            return Created.FULL
        new = Job(
            *(job.job_id, JobState.ACTIVE, 1, now_s, now_s, now_s),
            *(job.keep_s, job.digest, job.spec, job.body),
        )
        self._jobs[job.job_id] = _Kept(new, job.digest)
        self._changed(job.job_id)
        return Created.CREATED

    async def read(self, job_ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id; see the port."""
        if len(job_ids) > JOBS_AT_ONCE:
            raise ValueError(f"at most {JOBS_AT_ONCE} jobs a call")
        now_s = self._look()
        found = [self._jobs.get(job_id) for job_id in job_ids]
        return [replace(kept.job, read_s=now_s) if kept else None for kept in found]

    async def page(self, kind: str, cursor: str, most: int) -> tuple[list[Job], str]:
        """Some jobs of a kind; see the port."""
        now_s = self._look()
        jobs, following = self._after(cursor, most, lambda job: job.kind == kind)
        return [replace(job, read_s=now_s, spec=b"") for job in jobs], following

    async def write(
        self, job_id: str, revision: int, *, state: JobState, body: bytes, own: Term | None = None
    ) -> bool:
        """Changes a job; see the port."""
        check_job(job_id, None, body)
        now_s = self._look()
        if own is not None:
            self._check_owner(own)
        kept = self._jobs.get(job_id)
        if kept is None or kept.job.revision != revision or kept.job.state is JobState.ENDED:
            return False
        kept.job = replace(kept.job, state=state, body=body, revision=revision + 1, changed_s=now_s)
        if own is None:
            self._changed(job_id)
        return True

    async def unfinished(self, own: Term, cursor: str, most: int) -> tuple[list[Job], str]:
        """Jobs that have not ended; see the port."""
        now_s = self._look()
        self._check_owner(own)
        jobs, following = self._after(cursor, most, lambda job: job.state is not JobState.ENDED)
        return [replace(job, read_s=now_s) for job in jobs], following

    async def sweep(self, own: Term, most: int) -> int:
        """Forgets ended jobs whose time is over; see the port."""
        now_s = self._look()
        self._check_owner(own)
        over = [
            job_id
            for job_id, kept in self._jobs.items()
            if kept.job.state is JobState.ENDED and kept.job.changed_s + kept.job.keep_s <= now_s
        ][:most]
        for job_id in over:
            del self._jobs[job_id]
        return len(over)

    async def close(self) -> None:
        """Nothing to release."""

    def _after(
        self, cursor: str, most: int, wanted: Callable[[Job], bool]
    ) -> tuple[list[Job], str]:
        ids = sorted(
            job_id for job_id, kept in self._jobs.items() if job_id > cursor and wanted(kept.job)
        )
        most = max(1, min(most, JOBS_AT_ONCE))
        some = [self._jobs[job_id].job for job_id in ids[:most]]
        return some, ids[most - 1] if len(ids) > most else ""

    def _check_owner(self, own: Term) -> None:
        newest = self._newest()
        if newest is None or (newest.owner, newest.epoch) != (own.owner, own.epoch):
            raise Fenced("somebody else owns the shard")

    def _look(self) -> float:
        if not self.available:
            raise StoreUnavailable("the store is away")
        return self._clock.now_s()
