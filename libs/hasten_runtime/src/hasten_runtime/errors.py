"""Refusals as gRPC errors, both ways.

A refusal leaves as its canonical status with `google.rpc.Status` details (ErrorInfo; RetryInfo
where a retry can help; QuotaFailure for a tenant's share) and the `grpc-retry-pushback-ms`
trailer that stock clients of every language obey. Refusing must stay cheap: it is the hot path
exactly when there is too much to do.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NoReturn, Protocol, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from hasten_policy.reasons import DOMAIN, Reason, Refusal
from hasten_policy.short import short
from hasten_runtime import fields
from hasten_runtime.protocol_names import RETRY_PUSHBACK, STATUS_DETAILS

STARTED_KEY: Final = "started"
"""ErrorInfo metadata key, value "true": the model had begun to run the request."""

RETRY_AFTER_S_MIN: Final = 0.001
"""A stock gRPC client that is told to wait for nothing neither tries again nor ends the call."""
RETRY_AFTER_S_MAX: Final = 3600.0
ELSEWHERE_MS: Final = 5
"""After so long a stock client tries its next server, where that one may do better. A client that
has just begun may know this server only; its few attempts last until it knows the others.
"""
SUBJECT_BYTES_MAX: Final = 200
"""Of what a quota's violation says, beside the message that says it all."""
REMEMBERED_MAX: Final = 512
"""Refusals whose trailers are kept, the ones used last; a few hundred bytes each."""

_TYPE_PREFIX: Final = "type.googleapis.com/google.rpc."
_TYPE_PREFIX_BYTES: Final = _TYPE_PREFIX.encode()
_CODES: Final = {reason: grpc.StatusCode[reason.status] for reason in Reason}
_NUMBERS: Final = {reason: int(_CODES[reason].value[0]) for reason in Reason}
# A retry of these cannot help; of an overload, one without a hint only adds load.
_NO_RETRY: Final = frozenset(
    reason
    for reason in Reason
    if not reason.value.retryable or reason.status == "RESOURCE_EXHAUSTED"
)
# What a foreign error without details most likely means.
_FOREIGN: Final = {
    # This side raises something else when it gives a call up.
    grpc.StatusCode.CANCELLED: Reason.OVERLOADED,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEADLINE_PASSED,
    grpc.StatusCode.FAILED_PRECONDITION: Reason.CONTROL_MODE,
    grpc.StatusCode.INVALID_ARGUMENT: Reason.INVALID_REQUEST,
    grpc.StatusCode.NOT_FOUND: Reason.MODEL_NOT_FOUND,
    grpc.StatusCode.OUT_OF_RANGE: Reason.INVALID_REQUEST,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.OVERLOADED,
    grpc.StatusCode.UNAVAILABLE: Reason.WORKER_LOST,
    grpc.StatusCode.UNIMPLEMENTED: Reason.UNIMPLEMENTED,
}
# Statuses that say that the request was looked at and turned down before any work.
_NEVER_STARTED: Final = frozenset(
    {
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)

Trailers = tuple[tuple[str, str | bytes], ...]


class MeshError(Exception):
    """A refusal on its way to whoever answers the call.

    Attributes:
        refusal: What the caller is told.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Aborting(Protocol):
    """The part of a servicer context that ends a call with an error."""

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None when it gave none."""
        ...

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Trailers = ()
    ) -> NoReturn:
        """Sends the status and raises."""
        ...


def status_code(reason: Reason) -> grpc.StatusCode:
    """The status that refusals with this reason carry."""
    return _CODES[reason]


def trailers(refusal: Refusal, left_s: float | None = None) -> Trailers:
    """Trailing metadata of a refusal, for handlers that set the status themselves.

    Args:
        refusal: What is told.
        left_s: Seconds until the caller's deadline; None when it gave none. A hint to come back
            when they are over would only make it wait: it is told not to try again. Where another
            server may answer now, a stock client is told to try at once, whatever the hint says of
            this one.
    """
    hint_s = retry_after_s(refusal)
    left_ms = math.inf if left_s is None else left_s * 1000.0
    in_time = hint_s is not None and math.ceil(hint_s * 1000.0) < left_ms
    elsewhere = refusal.reason.value.elsewhere and left_ms > ELSEWHERE_MS
    return _trailers(refusal, in_time, elsewhere)


@lru_cache(REMEMBERED_MAX)
def _trailers(refusal: Refusal, in_time: bool, elsewhere: bool) -> Trailers:  # noqa: FBT001  (a cache's key)
    hint_s = retry_after_s(refusal)
    facts = refusal.reason.value
    details = _status_details(refusal, hint_s if in_time else None)
    if elsewhere:
        pushback = str(ELSEWHERE_MS)
    elif hint_s is not None and in_time:
        pushback = str(math.ceil(hint_s * 1000.0))
    elif hint_s is not None or facts.elsewhere or refusal.reason in _NO_RETRY:
        pushback = "-1"
    else:
        # The caller's own backoff is as good as anything that could be said here.
        return ((STATUS_DETAILS, details),)
    return ((STATUS_DETAILS, details), (RETRY_PUSHBACK, pushback))


def _status_details(refusal: Refusal, hint_s: float | None) -> bytes:
    """The refusal as a serialised `google.rpc.Status`, with a hint to come back after so many
    seconds. Put together by hand: message objects cost several times as much, most of what a
    refusal costs in Python.
    """
    reason = refusal.reason
    message = _utf8(refusal.message)
    metadata = dict(refusal.metadata)
    if refusal.started:
        metadata[STARTED_KEY] = "true"
    info = [_field(1, reason.name.encode()), _field(2, DOMAIN.encode())]
    info += [
        _field(3, _field(1, _utf8(name)) + _field(2, _utf8(value)))
        for name, value in metadata.items()
    ]
    parts = [b"\x08", fields.varint(_NUMBERS[reason]), _field(2, message)]
    parts.append(_detail("ErrorInfo", b"".join(info)))
    if hint_s is not None:
        seconds, fraction = divmod(hint_s, 1.0)
        delay = b"\x08" + fields.varint(int(seconds)) + b"\x10" + fields.varint(int(fraction * 1e9))
        parts.append(_detail("RetryInfo", _field(1, delay)))
    if reason is Reason.TENANT_QUOTA:
        subject = _utf8(f"tenant:{metadata.get('tenant', '')}")
        said = _utf8(short(refusal.message, SUBJECT_BYTES_MAX))
        violation = _field(1, subject) + _field(2, said)
        parts.append(_detail("QuotaFailure", _field(1, violation)))
    return b"".join(parts)


def _detail(name: str, value: bytes) -> bytes:
    """One of `Status.details`: an Any around a serialised message."""
    return _field(3, _field(1, _TYPE_PREFIX_BYTES + name.encode()) + _field(2, value))


def _field(number: int, value: bytes) -> bytes:
    return b"".join((fields.key(number), fields.varint(len(value)), value))


def _utf8(text: str) -> bytes:
    """As bytes that every parser takes: half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace")


async def abort(context: Aborting, refusal: Refusal) -> NoReturn:
    """Ends the call with the refusal; raises as `ServicerContext.abort` does."""
    message = refusal.message
    if not message.isascii():
        message = _utf8(message).decode()
    left_s = context.time_remaining()
    await context.abort(_CODES[refusal.reason], message, trailers(refusal, left_s))
    raise AssertionError("abort returned")


def refusal_from_rpc_error(error: grpc.RpcError) -> Refusal:
    """The refusal that an RPC's error carries.

    An error without our details (a foreign server, a broken connection) is mapped by its
    status. Whether such a call was begun is then unknown for some statuses; unknown counts as
    begun, so that nothing is run twice by mistake.
    """
    call = cast("grpc.Call", error)
    code = call.code()
    message = call.details() or f"The call failed with {code.name}."
    return refusal_from_status(code, message, call.trailing_metadata() or ())


def refusal_from_status(
    code: grpc.StatusCode, message: str, trailing: Iterable[tuple[str, str | bytes]]
) -> Refusal:
    """The refusal that a status and its trailing metadata say, as `refusal_from_rpc_error`."""
    for key, value in trailing:
        if key == STATUS_DETAILS and isinstance(value, bytes):
            refusal = _refusal_from_details(value, code, message)
            if refusal is not None:
                return refusal
    return Refusal(
        reason=_foreign_reason(code, message),
        message=message,
        metadata=(("grpc_status", code.name),),
        started=code not in _NEVER_STARTED,
    )


def _refusal_from_details(data: bytes, code: grpc.StatusCode, message: str) -> Refusal | None:
    status = status_pb2.Status()
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    retry_after_s: float | None = None
    try:
        status.ParseFromString(data)
        for detail in status.details:
            if detail.type_url == _TYPE_PREFIX + "ErrorInfo":
                info.ParseFromString(detail.value)
            elif detail.type_url == _TYPE_PREFIX + "RetryInfo":
                retry.ParseFromString(detail.value)
                retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    except DecodeError:
        return None
    if info.domain != DOMAIN:
        return None
    known = Reason.__members__.get(info.reason)
    pairs = sorted(pair for pair in info.metadata.items() if pair[0] != STARTED_KEY)
    if known is None:  # A newer server: its reason is kept as a fact.
        pairs.append(("reason", info.reason))
    return Refusal(
        reason=known or _foreign_reason(code, message),
        message=message,
        retry_after_s=retry_after_s,
        metadata=tuple(pairs),
        started=info.metadata.get(STARTED_KEY) == "true",
    )


def _foreign_reason(code: grpc.StatusCode, message: str) -> Reason:
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger than max" in message:
        return Reason.MESSAGE_TOO_LARGE
    return _FOREIGN.get(code, Reason.INTERNAL)


def retry_after_s(refusal: Refusal) -> float | None:
    """The hint as it is told, within bounds; None for none."""
    seconds = refusal.retry_after_s
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, RETRY_AFTER_S_MIN), RETRY_AFTER_S_MAX)
