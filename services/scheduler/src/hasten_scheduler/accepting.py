"""From what a caller submits to what the store accepts, or a refusal that names the field."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.priorities import LOWEST
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.orders import TaskFacts, task_place
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.errors import MeshError
from hasten_runtime.inference_head import Head, read_request
from hasten_runtime.request_bounds import DEFAULT_BOUNDS, RequestBounds
from hasten_runtime.request_head import RequestHead
from hasten_runtime.tasks.port import NewTask, Place
from hasten_scheduler import stored
from hasten_scheduler.naming import (
    Name,
    check_not_reserved,
    checked_name,
    fresh_id,
    refuse_field,
)

MESSAGE_VARIABLE: Final = "HASTEN_SCHEDULER_GRPC__MESSAGE_BYTES_MAX"
"""Sets what callers may send."""
LABELS_MAX: Final = 16
LABEL_NAME_CHARS_MAX: Final = 63
LABEL_VALUE_CHARS_MAX: Final = 255
ATTEMPTS_MAX: Final = 100
CONCURRENCY_MAX: Final = 10_000
_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class AcceptLimits:
    """Bounds and defaults of what is accepted.

    Attributes:
        request_bytes_max: Largest request; with its envelope it must fit into one message to a
            worker.
        shards: Number of shards.
        keep_s: Outcomes are kept for so long where the caller does not say.
        keep_s_max: Longest that a caller may ask for.
        ahead_s_max: Farthest start or deadline.
        attempts_max: Most attempts that count, where the caller does not say.
        request: Of what one request may say.
    """

    request_bytes_max: int
    shards: int = 1
    keep_s: float = 3600.0
    keep_s_max: float = 7 * 86_400.0
    ahead_s_max: float = 30 * 86_400.0
    attempts_max: int = 3
    request: RequestBounds = DEFAULT_BOUNDS

    def read_request(self, request: bytes) -> tuple[Head, RequestHead]:
        """A request's head and what its parameters wish for. Raises MeshError."""
        return read_request(
            request,
            bytes_max=self.request_bytes_max,
            variable=MESSAGE_VARIABLE,
            bounds=self.request,
        )


class Submission:
    """A task to be stored.

    Attributes:
        name: What its caller calls it.
        shard: Where it lies.
        task: For the store; its payload is set when the request is stored or short.
        request: The request itself.
        callback_uri: Who is told of its end; "" for nobody.
        fresh: Its id was made here: its caller does not know it.
    """

    __slots__ = ("callback_uri", "fresh", "name", "request", "shard", "task")

    def __init__(
        self,
        name: Name,
        shard: int,
        task: NewTask,
        request: bytes,
        *,
        callback_uri: str,
        fresh: bool,
    ) -> None:
        self.callback_uri = callback_uri
        self.fresh = fresh
        self.name = name
        self.shard = shard
        self.task = task
        self.request = request


class Acceptor:
    """Reads tasks.

    Args:
        limits: Bounds.
        order: Where tasks stand.
        refuses_model: Why a model, by name and version, is not taken; None when it is.
        check_callback: Raises MeshError for a URI that nobody may be told at; None where callbacks
            are off.
    """

    def __init__(
        self,
        limits: AcceptLimits,
        order: OrderPolicy,
        refuses_model: Callable[[str, str], Refusal | None],
        check_callback: Callable[[str], None] | None = None,
    ) -> None:
        self._limits = limits
        self._order = order
        self._refuses_model = refuses_model
        self._check_callback = check_callback or _no_callbacks

    def read_call(self, request: bytes, left_s: float | None, traceparent: str) -> Submission:
        """The task that a plain inference call is. Raises MeshError."""
        said = pb.NewTask(request=request)
        return self.read(said, traceparent, left_s=math.inf if left_s is None else left_s)

    def read(
        self, said: pb.NewTask, traceparent: str, *, left_s: float = math.inf, job_id: str = ""
    ) -> Submission:
        """A task as its caller sent it.

        Args:
            said: What it sent.
            traceparent: Of the span that submits it; "" when it is not sampled.
            left_s: Its deadline is not later than this.
            job_id: The job that makes it; "" for none. Such a task waits also for a model that no
                worker has: whether there is one was asked when the job was accepted.

        Raises:
            MeshError: It cannot be accepted; the refusal names the field.
        """
        limits = self._limits
        request = said.request
        head, wishes = limits.read_request(request)
        given_id = said.request_id or head.request_id
        name = checked_name(
            said.tenant or wishes.tenant, given_id or fresh_id(), said.concurrency_key
        )
        if not job_id:
            check_not_reserved(name.request_id)
        self._check_extras(said)
        start_in_s = said.start_in_us / 1e6
        left_s = min(left_s, self._left_s(said, wishes, start_in_s))
        refusal = self._refuses_model(head.model_name, head.model_version)
        if refusal is not None and not job_id:
            raise MeshError(refusal)
        version = head.model_version
        priority = _priority(said, wishes)
        model = f"{head.model_name}/{version}" if version else head.model_name
        task = NewTask(
            task_id=name.task_id,
            digest=_digest(said),
            lane=Lane(name.tenant, model, priority),
            place=self.place(TaskFacts(left_s, priority)),
            left_s=left_s,
            start_in_s=start_in_s,
            keep_s=bounded_s("keep_us", said.keep_us, limits.keep_s_max) or limits.keep_s,
            attempts_max=count("attempts_max", said.attempts_max, ATTEMPTS_MAX)
            or limits.attempts_max,
            rows=head.rows,
            elements=head.elements,
            key=name.key,
            key_max=count("concurrency_max", said.concurrency_max, CONCURRENCY_MAX) or 1,
            about=stored.about(said.labels, traceparent, job_id),
            payload=b"",
        )
        return Submission(
            name,
            name.shard(limits.shards),
            task,
            request,
            callback_uri=said.callback_uri,
            fresh=not given_id,
        )

    def _check_extras(self, said: pb.NewTask) -> None:
        """What most tasks lack."""
        if said.labels:
            check_labels(said.labels)
        if said.callback_uri:
            self._check_callback(said.callback_uri)

    def place(self, facts: TaskFacts) -> Place:
        """Where a task stands."""
        return Place(*task_place(self._order, facts))

    def deadline_s(self, time_left_us: int) -> float:
        """A deadline that a caller sets, in seconds from now. Raises MeshError."""
        return bounded_s("time_left_us", time_left_us, self._limits.ahead_s_max) or math.inf

    def _left_s(self, said: pb.NewTask, wishes: RequestHead, start_in_s: float) -> float:
        bounded_s("start_in_us", said.start_in_us, self._limits.ahead_s_max)
        if said.time_left_us:
            left_s = self.deadline_s(said.time_left_us)
        else:
            left_s = math.inf if wishes.timeout_s is None else wishes.timeout_s
        if start_in_s >= left_s:
            raise MeshError(
                Refusal(
                    Reason.INVALID_DEADLINE,
                    f"time_left_us must end after start_in_us: {left_s:g} s is not later than "
                    f"{start_in_s:g} s",
                    metadata=(("field", "time_left_us"),),
                )
            )
        return left_s


def _no_callbacks(_: str) -> None:
    raise MeshError(Refusal(Reason.CALLBACK_NOT_ALLOWED, "callbacks are off"))


def checked_priority(priority: int) -> int:
    """A class. Raises MeshError for a number that is none."""
    if priority > LOWEST:
        refuse_field("priority", f"must be a class from 0 to {LOWEST}, not {priority}")
    return priority


def _priority(said: pb.NewTask, wishes: RequestHead) -> int:
    if said.HasField("priority"):
        return checked_priority(said.priority)
    return wishes.priority_class


def _digest(said: pb.NewTask) -> bytes:
    """Of all but the times and the names: those run on between a call and its repeat, these are
    what it is found by.
    """
    priority = said.priority if said.HasField("priority") else -1
    text = f"{priority}|{said.keep_us}|{said.attempts_max}|{said.concurrency_max}|"
    digest = blake2b(text.encode(), digest_size=_DIGEST_BYTES)
    for label in sorted(said.labels.items()):
        digest.update(repr(label).encode())
    if said.callback_uri:
        digest.update(repr(said.callback_uri).encode())
    digest.update(said.request)
    return digest.digest()


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises MeshError for labels that nothing can have."""
    if len(labels) > LABELS_MAX:
        refuse_field("labels", f"must be at most {LABELS_MAX}, not {len(labels)}")
    for name, value in labels.items():
        if not (0 < len(name) <= LABEL_NAME_CHARS_MAX and name.isprintable()):
            refuse_field(
                "labels", f"must have names of 1 to {LABEL_NAME_CHARS_MAX} printable characters"
            )
        if not (len(value) <= LABEL_VALUE_CHARS_MAX and value.isprintable()):
            refuse_field(
                "labels",
                f"must have values of at most {LABEL_VALUE_CHARS_MAX} printable characters",
            )


def bounded_s(field: str, value_us: int, most_s: float) -> float:
    """A time in seconds. Raises MeshError for one that is too long."""
    value_s = value_us / 1e6
    if value_s > most_s:
        refuse_field(field, f"must be at most {most_s * 1e6:.0f} microseconds, not {value_us}")
    return value_s


def count(field: str, value: int, most: int) -> int:
    """The number. Raises MeshError for one that is too large."""
    if value > most:
        refuse_field(field, f"must be at most {most}, not {value}")
    return value
