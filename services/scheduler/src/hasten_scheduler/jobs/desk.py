"""Where callers' wishes about jobs come in, whichever shard a job lies in and whoever owns it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.jobs import (
    JOB_BYTES_MAX,
    JOBS_AT_ONCE,
    Created,
    Job,
    JobLimits,
    JobState,
    JobStore,
    NewJob,
    job_id_of,
)
from hasten_scheduler.intake import RETRY_AFTER_S, store_away
from hasten_scheduler.naming import JOB_KINDS, check_job_name, job_shard, refuse_field

CHANGES_MAX: Final = 8
"""Most tries to change a job that others change too."""
SCANNED_MAX: Final = 10_000
"""Jobs looked at for one page."""
LOOK_S_MIN: Final = 0.01
LOOK_S_MAX: Final = 0.5
LOOK_SHARE: Final = 0.05
"""Who waits for a job looks again after this share of the time that he has waited."""

T = TypeVar("T")
Changed = tuple[JobState, bytes] | None
"""A job's new state and body; None to leave it as it is."""


class JobDesk:
    """Creates, finds and changes jobs.

    Args:
        stores: The shards, by number.
        limits: What a shard holds at most.
    """

    def __init__(self, stores: Sequence[JobStore], limits: JobLimits) -> None:
        self._stores = stores
        self._limits = limits

    async def create(  # noqa: PLR0913  (each is a part of the job)
        self,
        kind: str,
        tenant: str,
        name: str,
        *,
        digest: bytes,
        keep_s: float,
        spec: bytes,
        body: bytes,
    ) -> bool:
        """Stores a job; True when it was before, with the same digest.

        Raises:
            MeshError: INVALID_REQUEST, JOB_CONTENT_DIFFERS, QUEUE_FULL, STORE_UNAVAILABLE.
        """
        check_job_name(tenant, name, "name")
        if max(len(spec), len(body)) > JOB_BYTES_MAX:
            raise MeshError(
                Refusal(
                    Reason.MESSAGE_TOO_LARGE,
                    f"the {kind} has more than {JOB_BYTES_MAX} bytes beside what lies in the "
                    "folder of payloads; set HASTEN_SCHEDULER_PAYLOADS__FOLDER, or send less",
                )
            )
        new = NewJob(job_id_of(kind, tenant, name), digest, keep_s, spec, body)
        created = await _ask(self._store(kind, tenant, name).create(new, self._limits))
        if created is Created.OTHER_CONTENT:
            raise content_differs(kind, name)
        if created is Created.FULL:
            raise MeshError(
                Refusal(
                    Reason.QUEUE_FULL,
                    "there are as many jobs that have not ended as there may be",
                    retry_after_s=RETRY_AFTER_S,
                )
            )
        return created is Created.SAME

    async def find(self, kind: str, tenant: str, name: str) -> Job:
        """A job. Raises MeshError: INVALID_REQUEST, JOB_NOT_FOUND, STORE_UNAVAILABLE."""
        check_job_name(tenant, name, "name")
        store = self._store(kind, tenant, name)
        (job,) = await _ask(store.read([job_id_of(kind, tenant, name)]))
        if job is None:
            owner = f" of tenant {tenant!r}" if tenant else ""
            raise MeshError(
                Refusal(
                    Reason.JOB_NOT_FOUND,
                    f"there is no {kind} {name!r}{owner}: it was never accepted, or is kept no "
                    "longer",
                )
            )
        return job

    async def change(
        self, kind: str, tenant: str, name: str, change: Callable[[Job], Changed]
    ) -> Job:
        """Changes a job; its owner hears of it. Returns it as it is after.

        Args:
            kind: Of the job.
            tenant: Of the job.
            name: Of the job.
            change: What is to become of it; asked again when somebody else changed it meanwhile.
                May raise MeshError.

        Raises:
            MeshError: As `find`; JOB_STATE for one that has ended; OVERLOADED when it changes too
                often.
        """
        store = self._store(kind, tenant, name)
        for _ in range(CHANGES_MAX):
            job = await self.find(kind, tenant, name)
            if job.state is JobState.ENDED:
                raise MeshError(Refusal(Reason.JOB_STATE, f"{kind} {name!r} has ended"))
            wanted = change(job)
            if wanted is None:
                return job
            state, body = wanted
            if await _ask(store.write(job.job_id, job.revision, state=state, body=body)):
                return await self.find(kind, tenant, name)
        raise MeshError(
            Refusal(Reason.OVERLOADED, f"{kind} {name!r} changes too often", retry_after_s=0.1)
        )

    async def page(
        self, kind: str, token: str, most: int, wanted: Callable[[Job], bool]
    ) -> tuple[list[Job], str]:
        """Some jobs of a kind, without their specs, and the token of the next page; "" begins and
        ends. Raises MeshError.
        """
        shard, cursor = self._place(token)
        found: list[Job] = []
        scanned = 0
        while shard < len(self._stores) and len(found) < most and scanned < SCANNED_MAX:
            some = min(most - len(found), JOBS_AT_ONCE)
            jobs, cursor = await _ask(self._stores[shard].page(kind, cursor, some))
            scanned += max(len(jobs), 1)
            found += [job for job in jobs if wanted(job)]
            if not cursor:
                shard += 1
        return found, f"{shard}:{cursor}" if shard < len(self._stores) else ""

    async def cancel_all(self, tenant: str) -> int:
        """Has all jobs of a tenant ended; how many. Raises MeshError."""
        ended = 0
        for kind in sorted(JOB_KINDS):
            token = ""
            while True:
                jobs, token = await self.page(
                    kind, token, JOBS_AT_ONCE, lambda job: job.tenant == tenant
                )
                for job in jobs:
                    if job.state is not JobState.ENDED:
                        ended += 1
                        await self.change(kind, tenant, job.name, _cancelled)
                if not token:
                    break
        return ended

    async def wait(self, kind: str, tenant: str, name: str, left_s: float) -> Job:
        """The job when it has ended, or as it is after left_s. Raises MeshError, as `find`."""
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        while True:
            job = await self.find(kind, tenant, name)
            waited_s = loop.time() - begun_s
            if job.state is JobState.ENDED or waited_s >= left_s:
                return job
            pause_s = min(max(LOOK_S_MIN, LOOK_SHARE * waited_s), LOOK_S_MAX)
            await asyncio.sleep(min(pause_s, left_s - waited_s))

    def _store(self, kind: str, tenant: str, name: str) -> JobStore:
        return self._stores[job_shard(kind, tenant, name, len(self._stores))]

    def _place(self, token: str) -> tuple[int, str]:
        if not token:
            return 0, ""
        shard, colon, cursor = token.partition(":")
        if not (colon and shard.isdigit() and int(shard) < len(self._stores)):
            refuse_field("page_token", "must be one that a list gave")
        return int(shard), cursor


def _cancelled(job: Job) -> Changed:
    return None if job.state is JobState.CANCELLING else (JobState.CANCELLING, job.body)


def content_differs(kind: str, name: str) -> MeshError:
    """The name is taken by another job."""
    return MeshError(
        Refusal(
            Reason.JOB_CONTENT_DIFFERS,
            f"{name!r} names a {kind} with other content",
            metadata=(("field", "name"),),
        )
    )


async def _ask(question: Awaitable[T]) -> T:
    """Raises MeshError: STORE_UNAVAILABLE."""
    try:
        return await question
    except StoreUnavailable as error:
        raise MeshError(store_away(error)) from None
