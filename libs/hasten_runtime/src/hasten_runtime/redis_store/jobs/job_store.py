"""The jobs of one shard, in Redis."""

import functools
import hashlib
import struct
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

from redis.exceptions import NoScriptError

from hasten_runtime import logs
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.election.port import Term
from hasten_runtime.redis_store.client import bounded, execute, open_redis
from hasten_runtime.redis_store.durability import SYNCED_TIMEOUT_S, Durability, Syncs
from hasten_runtime.redis_store.memory import MemoryWatch
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

_log = logs.logger(__name__)

Arg = str | bytes | int | float

MS: Final = 1000.0
CONNECTIONS_MAX: Final = 4
_VERSION: Final = 1
_DIGEST_BYTES: Final = 16
_HEAD: Final = struct.Struct("<BBddddII")
# A full server refuses what makes more of it; whatever keeps it going must pass.
_FLAGS: Final = {"create": "", "read": "no-writes", "page": "no-writes", "unfinished": "no-writes"}


class RedisJobStore:
    """The `JobStore` port over Redis; does no IO before its first call.

    Keys: all begin with `{<namespace>:q:<shard>}:`, as those of the shard's tasks, so that they lie
    in the same slot of a cluster; common.lua describes them. The owner hears by the tasks' wakes.

    Args:
        url: As `open_redis`.
        namespace: Meshes with different ones do not see each other.
        shard: Number of the shard.
        durability: What all that a caller is told is done waits for.
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
        self._shard = shard
        self._tag = f"{namespace}:q:{shard}"
        self._redis = open_redis(url, self._tag, connections_max=CONNECTIONS_MAX)
        names = ("jobs", "jobs_live", "jobs_ended", "owner")
        self._keys = [f"{{{self._tag}}}:{name}".encode() for name in names]
        self._channel = f"{{{self._tag}}}:wakes".encode()
        self._syncs = Syncs(replicas) if durability is Durability.DURABLE else None
        self._memory = MemoryWatch(self._redis, clock or SystemClock())

    async def create(self, job: NewJob, limits: JobLimits) -> Created:
        """Creates a job; see the port."""
        check_job(job.job_id, job.digest, job.spec, job.body)
        full = await self._memory.full(limits.memory_share_max)
        _, outcome = await self._call(
            "create",
            *(job.job_id, job.digest, job.keep_s * MS, job.spec, job.body),
            *(limits.jobs_max, int(full)),
            syncs=self._syncs,
        )
        return Created(outcome)

    async def read(self, job_ids: Sequence[str]) -> list[Job | None]:
        """Jobs by id; see the port."""
        if len(job_ids) > JOBS_AT_ONCE:
            raise ValueError(f"at most {JOBS_AT_ONCE} jobs a call")
        now_ms, records = await self._call("read", *job_ids)
        return [
            self._job(job_id, record, now_ms)
            for job_id, record in zip(job_ids, records, strict=True)
        ]

    async def page(self, kind: str, cursor: str, most: int) -> tuple[list[Job], str]:
        """Some jobs of a kind; see the port."""
        count = max(1, min(most, JOBS_AT_ONCE))
        now_ms, (following, flat) = await self._call("page", cursor or "0", count, f"{kind}:")
        return self._jobs(flat, now_ms), "" if following == b"0" else following.decode()

    async def write(
        self, job_id: str, revision: int, *, state: JobState, body: bytes, own: Term | None = None
    ) -> bool:
        """Changes a job; see the port."""
        check_job(job_id, None, body)
        owner: tuple[Arg, ...] = (0, "", 0) if own is None else (1, own.owner, own.epoch)
        _, changed = await self._call(
            "write",
            *(job_id, revision, state.value, body, *owner),
            syncs=self._syncs if own is None else None,
        )
        return bool(changed)

    async def unfinished(self, own: Term, cursor: str, most: int) -> tuple[list[Job], str]:
        """Jobs that have not ended; see the port."""
        count = max(1, min(most, JOBS_AT_ONCE))
        now_ms, (last, flat) = await self._call("unfinished", own.owner, own.epoch, cursor, count)
        return self._jobs(flat, now_ms), last.decode()

    async def sweep(self, own: Term, most: int) -> int:
        """Forgets ended jobs whose time is over; see the port."""
        _, forgotten = await self._call("sweep", own.owner, own.epoch, min(most, JOBS_AT_ONCE))
        return int(forgotten)

    async def close(self) -> None:
        """Releases connections."""
        await self._redis.aclose()

    async def _call(self, name: str, *args: Arg, syncs: Syncs | None = None) -> tuple[int, Any]:
        """Time of the server in ms and what the script answers. Raises StoreUnavailable, Fenced."""
        text, digest = _script(name)
        tail = (len(self._keys), *self._keys, self._channel, *args)
        send = execute if syncs is None else syncs.run
        async with bounded() if syncs is None else bounded(SYNCED_TIMEOUT_S):
            try:
                reply = await send(self._redis, "EVALSHA", digest, *tail)
            except NoScriptError:
                reply = await send(self._redis, "EVAL", text, *tail)
        if reply == 0:
            raise Fenced(f"somebody else owns {self._tag}")
        now_ms, own = reply
        return now_ms, own

    def _jobs(self, flat: Sequence[bytes | None], now_ms: int) -> list[Job]:
        found = (
            self._job((job_id or b"").decode(errors="replace"), record, now_ms)
            for job_id, record in zip(flat[::2], flat[1::2], strict=True)
        )
        return [job for job in found if job is not None]

    def _job(self, job_id: str, record: bytes | None, now_ms: int) -> Job | None:
        if record is None:
            return None
        try:
            return _job_from_bytes(job_id, record, now_ms)
        except (struct.error, ValueError) as error:
            _log.warning("jobs.bad_record", shard=self._shard, job_id=job_id, reason=str(error))
            return None


def _job_from_bytes(job_id: str, record: bytes, now_ms: int) -> Job:
    version, state, revision, created, changed, keep, spec_bytes, body_bytes = _HEAD.unpack_from(
        record
    )
    if version != _VERSION:
        raise ValueError(f"a record of version {version}")
    spec_at = _HEAD.size + _DIGEST_BYTES
    body_at = spec_at + spec_bytes
    if len(record) < body_at + body_bytes:
        raise ValueError("a record is cut off")
    return Job(
        job_id=job_id,
        state=JobState(state),
        revision=int(revision),
        created_s=created / MS,
        changed_s=changed / MS,
        read_s=now_ms / MS,
        keep_s=keep / MS,
        digest=record[_HEAD.size : spec_at],
        spec=record[spec_at:body_at],
        body=record[body_at : body_at + body_bytes],
    )


@functools.cache
def _script(name: str) -> tuple[str, str]:
    """Text and digest of a script."""
    files = resources.files(__package__)
    flags = _FLAGS.get(name, "allow-oom")
    head = f"#!lua flags={flags}\n" if flags else "#!lua\n"
    text = head + "".join((files / f"{part}.lua").read_text() for part in ("common", name))
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
