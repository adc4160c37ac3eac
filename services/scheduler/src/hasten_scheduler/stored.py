"""What the store keeps for a task without understanding it: inputs, answers, reasons."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.message import DecodeError

from hasten.common.v1.failure_pb2 import Failure
from hasten.scheduler.v1 import stored_task_pb2 as stored
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import fields, wire
from hasten_runtime.tasks.payloads import PayloadGone, PayloadsFull, PayloadStore

GONE: Final = Refusal(
    Reason.PAYLOAD_LOST, "the payload store does not have this task's input any more"
)
_INLINE_KEY: Final = fields.key(stored.Payload.INLINE_FIELD_NUMBER)


class Payloads:
    """Requests and answers as the task store keeps them: short ones themselves, of long ones where
    they lie.

    Args:
        store: For long ones; None for none, and then the task store keeps all.
        inline_bytes_max: Those up to so many bytes are short.
    """

    def __init__(self, store: PayloadStore | None, *, inline_bytes_max: int) -> None:
        self._store = store
        self._inline_bytes_max = inline_bytes_max

    async def encode(self, data: bytes) -> bytes:
        """For the task store; what is long is safe when this returns.

        Raises:
            PayloadsFull: There is no room.
            StoreUnavailable: The payload store does not answer.
        """
        if self._store is None or len(data) <= self._inline_bytes_max:
            return inline(data)
        return stored.Payload(reference=await self._store.put(data)).SerializeToString()

    async def encode_answer(self, data: bytes) -> bytes:
        """As `encode`; where there is no room, the task store keeps it, for an answer is not
        thrown away. Raises StoreUnavailable.
        """
        try:
            return await self.encode(data)
        except PayloadsFull:
            return inline(data)

    async def decode(self, payload: bytes) -> bytes | None:
        """The bytes; None when they are gone, or nobody can read where they lie. Raises
        StoreUnavailable.
        """
        try:
            kept = stored.Payload.FromString(payload)
        except DecodeError:
            return None
        if kept.WhichOneof("content") == "inline":
            return kept.inline
        if self._store is None:
            return None
        try:
            return await self._store.get(kept.reference)
        except PayloadGone:
            return None

    async def sweep(self, keep_s: float) -> int:
        """Forgets long ones that are older than keep_s; how many. Raises StoreUnavailable."""
        return 0 if self._store is None else await self._store.sweep((), grace_s=keep_s)


def inline(data: bytes) -> bytes:
    """A short payload. Put together by hand: it is copied once."""
    return b"".join((_INLINE_KEY, fields.varint(len(data)), data))


def about(labels: Mapping[str, str], traceparent: str, job_id: str) -> bytes:
    """What people want to know of a task, and what its attempts need; b"" for nothing."""
    if not (labels or traceparent or job_id):
        return b""
    said = stored.About(labels=labels, traceparent=traceparent, job_id=job_id)
    return said.SerializeToString()


def with_period(said: bytes, period_s: float) -> bytes:
    """What `about` made, of a task with a period; as it is for a period of 0."""
    if not period_s:
        return said
    # Fields of a message that is put behind another one are added to it.
    return said + stored.About(period_us=round(period_s * 1e6)).SerializeToString()


def labels_of(said: bytes) -> Mapping[str, str]:
    """The labels in what `about` made."""
    return _about(said).labels if said else {}


def traceparent_of(said: bytes) -> str:
    """The trace context in what `about` made."""
    return _about(said).traceparent if said else ""


def job_of(said: bytes) -> str:
    """The id of the job in what `about` made; "" for none."""
    return _about(said).job_id if said else ""


def period_s_of(said: bytes) -> float:
    """The period in what `with_period` made; 0 for none."""
    return _about(said).period_us / 1e6 if said else 0.0


def _about(said: bytes) -> stored.About:
    """Never raises: what nobody can read must keep no task from running."""
    try:
        return stored.About.FromString(said)
    except DecodeError:
        return stored.About()


def failure(refusal: Refusal) -> bytes:
    """Why a task has no answer."""
    return wire.failure_to_wire(refusal).SerializeToString()


def refusal_of(result: bytes) -> Refusal:
    """What `failure` made."""
    try:
        return wire.failure_from_wire(Failure.FromString(result))
    except DecodeError:
        return Refusal(Reason.INTERNAL, "why the task has no answer cannot be read any more")
