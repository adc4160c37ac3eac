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
_SEPARATOR: Final = "/"
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
        return shard_of(self.tenant, self.request_id, self.key, count)

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
