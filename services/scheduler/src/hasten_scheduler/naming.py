"""What tasks are called: the name that callers use, and the id in the store."""

import secrets
from typing import Final, NamedTuple, NoReturn

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.shards import shard_of
from hasten_policy.short import short
from hasten_runtime.errors import MeshError
from hasten_runtime.request_head import TEXT_CHARS_MAX

ID_CHARS_MAX: Final = 128
"""Of a request id, and of a concurrency key."""
JOB_NAME_CHARS_MAX: Final = 80
"""Of a job's name: the ids of its tasks are longer."""
ONE_SHARD_KINDS: Final = frozenset({"dag"})
"""Kinds of jobs whose tasks lie in the job's shard; those of others are spread over all."""
SCHEDULE: Final = "schedule"
JOB_KINDS: Final = ONE_SHARD_KINDS | {"batch", "callback", SCHEDULE}
_SEPARATOR: Final = "/"
_KIND_END: Final = ":"
_FRESH_ID_BYTES: Final = 16


class Name(NamedTuple):
    """A task, as its caller names it.

    Attributes:
        tenant: Who pays; "" for the default tenant.
        request_id: Distinguishes it from the tenant's other tasks.
        key: Its concurrency key; "" for none.
    """

    tenant: str
    request_id: str
    key: str

    @property
    def task_id(self) -> str:
        """Its id in the store."""
        return f"{self.tenant}{_SEPARATOR}{self.request_id}"

    def shard(self, count: int) -> int:
        """The shard that it lies in, if it has this key."""
        return shard_of(self.tenant, _anchor(self.request_id), self.key, count)

    def to_wire(self) -> pb.TaskName:
        """For callers."""
        return pb.TaskName(request_id=self.request_id, tenant=self.tenant, concurrency_key=self.key)


def checked_name(tenant: str, request_id: str, key: str) -> Name:
    """The name, if a task can have it.

    Raises:
        MeshError: INVALID_REQUEST, which names the field.
    """
    check_tenant(tenant)
    if not _is_id(request_id):
        refuse_field(
            "request_id",
            f"must be 1 to {ID_CHARS_MAX} printable ASCII characters without a space, "
            f"not {short(request_id)!r}",
        )
    if key and not _is_id(key):
        refuse_field(
            "concurrency_key",
            f"must be at most {ID_CHARS_MAX} printable ASCII characters without a space, "
            f"not {short(key)!r}",
        )
    return Name(tenant, request_id, key)


def job_task_name(kind: str, tenant: str, job: str, key: str) -> Name:
    """The name of a job's task."""
    return Name(tenant, f"{kind}{_KIND_END}{job}{_SEPARATOR}{key}", "")


def job_shard(kind: str, tenant: str, job: str, count: int) -> int:
    """The shard of a job."""
    return shard_of(tenant, f"{kind}{_KIND_END}{job}", "", count)


def check_job_name(tenant: str, job: str, field: str) -> None:
    """Raises MeshError: INVALID_REQUEST for what is no name of a job."""
    check_tenant(tenant)
    if not (_is_id(job) and _SEPARATOR not in job and len(job) <= JOB_NAME_CHARS_MAX):
        refuse_field(
            field,
            f"must be 1 to {JOB_NAME_CHARS_MAX} printable ASCII characters without a space and a "
            f"slash, not {short(job)!r}",
        )


def check_not_reserved(request_id: str) -> None:
    """Raises MeshError: INVALID_REQUEST for an id that only a job's task can have."""
    kind, colon, _ = request_id.partition(_KIND_END)
    if colon and kind in JOB_KINDS:
        refuse_field("request_id", f"must not begin with {kind}{_KIND_END}, as a job's tasks do")


def _anchor(request_id: str) -> str:
    """What of an id says the shard: of the tasks of some jobs, only the job."""
    job, slash, _ = request_id.partition(_SEPARATOR)
    return job if slash and job.partition(_KIND_END)[0] in ONE_SHARD_KINDS else request_id


def name_from_wire(name: pb.TaskName) -> Name:
    """The name of a task that a caller asks for. Raises MeshError: INVALID_REQUEST."""
    return checked_name(name.tenant, name.request_id, name.concurrency_key)


def name_of(task_id: str, key: str) -> Name:
    """The name of a task in the store."""
    tenant, _, request_id = task_id.partition(_SEPARATOR)
    return Name(tenant, request_id, key)


def check_tenant(tenant: str) -> None:
    """Raises MeshError: INVALID_REQUEST for a text that is no tenant."""
    fits = len(tenant) <= TEXT_CHARS_MAX and tenant.isprintable()
    # Whatever is before the first separator of a task's id is its tenant.
    if not fits or _SEPARATOR in tenant:
        refuse_field(
            "tenant",
            f"must be at most {TEXT_CHARS_MAX} printable characters without a slash, "
            f"not {short(tenant)!r}",
        )


def fresh_id() -> str:
    """A request id that nobody has."""
    return secrets.token_hex(_FRESH_ID_BYTES)


def refuse_field(field: str, expectation: str) -> NoReturn:
    """Raises MeshError: INVALID_REQUEST, because of this field."""
    raise MeshError(
        Refusal(Reason.INVALID_REQUEST, f"{field} {expectation}", metadata=(("field", field),))
    )


def _is_id(text: str) -> bool:
    printable = text.isascii() and text.isprintable() and " " not in text
    return printable and 1 <= len(text) <= ID_CHARS_MAX
