"""The port between schedulers and the store that keeps their jobs.

A job is a stored thing that makes tasks and follows them: a DAG, a batch, a schedule. It lies in
one shard, and the shard's owner drives it. Every scheduler accepts jobs for every shard and answers
for them. What a job is and does, its kind knows: here are names, two texts of bytes, a revision.

A job has no timer in the store. Whoever takes the shard reads the jobs that have not ended, and
each says again what it waits for. Times inside a job are those of the store's server, which every
record brings along: they mean the same to the next owner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from hasten_runtime.election.port import Term

JOBS_AT_ONCE: Final = 64
"""Most jobs in one call."""
JOB_BYTES_MAX: Final = 65_536
"""Of a job's spec, and of its body. What is larger belongs into the payload store."""
_KIND_END: Final = ":"
_TENANT_END: Final = "/"


class JobState(Enum):
    """Where a job is, for everybody. What else a kind distinguishes is in its body. Values are
    stored, and never change.
    """

    ACTIVE = 1
    PAUSED = 2
    """Makes no more tasks until a person resumes it."""
    CANCELLING = 3
    """A person wants it ended; its owner ends its tasks, then it."""
    ENDED = 4


class Created(Enum):
    """What became of a job that was to be created."""

    CREATED = 1
    SAME = 2
    """It was created before, with the same content."""
    OTHER_CONTENT = 3
    """Its id is taken by a job with other content."""
    FULL = 4
    """The shard has as many jobs that have not ended as it may, or the server no memory."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What a shard holds at most; 0 for no limit.

    Attributes:
        jobs_max: Jobs that have not ended.
        memory_share_max: Of the server's maxmemory, if it has one.
    """

    jobs_max: int = 10_000
    memory_share_max: float = 0.7


@dataclass(slots=True)
class NewJob:
    """A job to create.

    Attributes:
        job_id: As `job_id_of` makes it.
        digest: Of all that the caller said: a repeat must say the same. 16 bytes.
        keep_s: It is kept for so long after its end.
        spec: What it is; never changes.
        body: How far it is.
    """

    job_id: str
    digest: bytes
    keep_s: float
    spec: bytes
    body: bytes


@dataclass(slots=True)
class Job:
    """A job as the store has it.

    Attributes:
        job_id: The job.
        state: Where it is.
        revision: Grows by one with every change; 1 when it is created.
        created_s: When it was created, in Unix seconds of the server, as all times here.
        changed_s: When it was changed last.
        read_s: When it was read.
        keep_s: As NewJob.
        digest: As NewJob.
        spec: As NewJob; empty where it is listed.
        body: As NewJob.
    """

    job_id: str
    state: JobState
    revision: int
    created_s: float
    changed_s: float
    read_s: float
    keep_s: float
    digest: bytes
    spec: bytes
    body: bytes

    @property
    def kind(self) -> str:
        """Its kind."""
        return kind_of(self.job_id)

    @property
    def tenant(self) -> str:
        """Who pays; "" for the default tenant."""
        return self.job_id.partition(_KIND_END)[2].partition(_TENANT_END)[0]

    @property
    def name(self) -> str:
        """Distinguishes it from the tenant's others of its kind."""
        return self.job_id.partition(_TENANT_END)[2]


class JobStore(Protocol):
    """The jobs of one shard. Every method may raise StoreUnavailable; then it may have been carried
    out or not. A repeat is harmless; but a `write` that was carried out says False when repeated.
    """

    # --- for every scheduler ------------------------------------------------------------

    async def create(self, job: NewJob, limits: JobLimits) -> Created:
        """Creates a job and wakes the shard's owner. With DURABLE, it answers when the job is as
        safe as the class promises; so do writes without a term. Raises ValueError for a job that is
        too large.
        """
        ...

    async def read(self, job_ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id, at most JOBS_AT_ONCE; None for one that is not there (or no more)."""
        ...

    async def page(self, kind: str, cursor: str, most: int) -> tuple[list[Job], str]:
        """Some jobs of a kind, about `most`, without their specs, and the cursor to go on with; ""
        begins and ends. What is there all the time is found at least once.
        """
        ...

    async def write(
        self, job_id: str, revision: int, *, state: JobState, body: bytes, own: Term | None = None
    ) -> bool:
        """Changes a job that has this revision and has not ended; False for any other.

        Args:
            job_id: The job.
            revision: Of the job as the caller knows it.
            state: Its new state.
            body: Its new body.
            own: The term of the shard's owner, who may change it; Fenced when it is none any more.
                None for anybody else: then the owner is woken.
        """
        ...

    # --- for the owner; Fenced when it is none -------------------------------------------

    async def unfinished(self, own: Term, cursor: str, most: int) -> tuple[list[Job], str]:
        """Some jobs that have not ended, and the cursor to go on with; "" begins and ends."""
        ...

    async def sweep(self, own: Term, most: int) -> int:
        """Forgets ended jobs whose time is over; how many."""
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...


def job_id_of(kind: str, tenant: str, name: str) -> str:
    """The id of a job: a kind has no colon, a tenant no slash."""
    return f"{kind}{_KIND_END}{tenant}{_TENANT_END}{name}"


def kind_of(job_id: str) -> str:
    """The kind of a job."""
    return job_id.partition(_KIND_END)[0]


def check_job(job_id: str, digest: bytes | None, *texts: bytes) -> None:
    """Raises ValueError for what no record has room for."""
    if not job_id.isprintable() or not job_id:
        raise ValueError("a job's id is printable and not empty")
    if digest is not None and len(digest) != 16:
        raise ValueError("a digest has 16 bytes")
    for text in texts:
        if len(text) > JOB_BYTES_MAX:
            raise ValueError(f"job {job_id}: {len(text)} bytes are more than {JOB_BYTES_MAX}")
