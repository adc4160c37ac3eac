"""What can go wrong with a call, as exceptions that say why and whether to come back.

A server of Hasten puts its reason into `google.rpc.ErrorInfo`; the classes here follow the
reason, or the gRPC status where another server sends none.
"""

# ruff: noqa: N818 (each class is a state of the world that callers tell apart, named for it)

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_STATUS_DETAILS: Final = "grpc-status-details-bin"
_PUSHBACK: Final = "grpc-retry-pushback-ms"
# What gRPC itself says of a call that this side ended. It has nothing to say of one that a
# server cut because too many waited there.
_ENDED_HERE: Final = ("Locally cancelled by application!", "Channel closed!")
_CUT: Final = "too many calls were waiting at the server, and it cut this one unread"
# What gRPC itself says of a message over its limit, on either side.
_TOO_LARGE: Final = "message larger than max"
_OWN_LIMIT: Final = "CLIENT:"
"""How gRPC begins what it says of this side's own limit."""


class HastenError(Exception):
    """A call ended without an answer.

    Attributes:
        reason: Why, in UPPER_SNAKE_CASE and stable for ever; "" when the server named none.
        status: Canonical gRPC status name.
        message: One sentence for people.
        retry_after_s: Seconds after which a retry may succeed; None when nothing was said.
        metadata: Facts of the case.
        retry_forbidden: The server said that a retry cannot help.
        elsewhere: Another server may answer at once, though this one cannot before retry_after_s.
    """

    default_status = "UNKNOWN"
    default_reason = ""

    def __init__(  # noqa: PLR0913  (each is another fact of the error)
        self,
        message: str,
        *,
        reason: str = "",
        status: str = "",
        retry_after_s: float | None = None,
        metadata: Mapping[str, str] = _NOTHING,
        retry_forbidden: bool = False,
        elsewhere: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason or self.default_reason
        self.status = status or self.default_status
        self.message = message
        self.retry_after_s = retry_after_s
        self.metadata = metadata
        self.retry_forbidden = retry_forbidden
        self.elsewhere = elsewhere

    def __str__(self) -> str:
        hint = "" if self.retry_after_s is None else f" (retry after {self.retry_after_s:.3g} s)"
        return f"{self.reason or self.status}: {self.message}{hint}"


class DeadlineExceeded(HastenError):
    """The answer did not come, or could not have come, before the deadline."""

    default_status = "DEADLINE_EXCEEDED"
    default_reason = "DEADLINE_PASSED"


class DeadlineInfeasible(DeadlineExceeded):
    """Refused at once: even an idle worker needs longer than the time left."""

    default_reason = "DEADLINE_INFEASIBLE"


class Overloaded(HastenError):
    """Refused at once: too much work is waiting to keep this deadline.

    Its status is CANCELLED when more calls came than the server could even refuse: gRPC then
    cuts some without a reason, before anything of them is read.
    """

    default_status = "RESOURCE_EXHAUSTED"
    default_reason = "OVERLOADED"


class QuotaExceeded(Overloaded):
    """Refused at once: the tenant has used up its share for now."""

    default_reason = "TENANT_QUOTA"


class Unavailable(HastenError):
    """Nobody can serve the model now: none loaded, loading, draining or lost."""

    default_status = "UNAVAILABLE"


class Unreachable(Unavailable):
    """No server of Hasten answered at the address."""


class NotFound(HastenError):
    """No such model, version or worker."""

    default_status = "NOT_FOUND"


class InvalidArgument(HastenError, ValueError):
    """The request is wrong as it is; found before sending or by the server."""

    default_status = "INVALID_ARGUMENT"
    default_reason = "INVALID_REQUEST"


class MessageTooLarge(InvalidArgument):
    """Request or answer is over a message limit."""

    default_status = "RESOURCE_EXHAUSTED"
    default_reason = "MESSAGE_TOO_LARGE"


class FailedPrecondition(HastenError):
    """The server's settings or state forbid this."""

    default_status = "FAILED_PRECONDITION"


class Unimplemented(HastenError):
    """The server does not offer the call."""

    default_status = "UNIMPLEMENTED"


class AccessDenied(HastenError):
    """The server does not know the caller, or the caller may not do this."""

    default_status = "PERMISSION_DENIED"


class Cancelled(HastenError):
    """This side gave the call up."""

    default_status = "CANCELLED"
    default_reason = "CANCELLED"


class ModelFailed(HastenError):
    """The model raised an error on this input, or ended the workers that ran it."""

    default_status = "INTERNAL"
    default_reason = "MODEL_FAILED"


class InternalError(HastenError):
    """A fault in the server."""

    default_status = "INTERNAL"


class InvalidResponse(InternalError):
    """The server's answer contradicts the protocol."""

    default_reason = "INVALID_RESPONSE"


_CLASS_OF_REASON: Final[dict[str, type[HastenError]]] = {
    "DEADLINE_INFEASIBLE": DeadlineInfeasible,
    "TENANT_QUOTA": QuotaExceeded,
    "MESSAGE_TOO_LARGE": MessageTooLarge,
    "MODEL_FAILED": ModelFailed,
    "POISONOUS": ModelFailed,
}

_CLASS_OF_STATUS: Final[dict[str, type[HastenError]]] = {
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "RESOURCE_EXHAUSTED": Overloaded,
    "UNAVAILABLE": Unavailable,
    "NOT_FOUND": NotFound,
    "INVALID_ARGUMENT": InvalidArgument,
    "OUT_OF_RANGE": InvalidArgument,
    "FAILED_PRECONDITION": FailedPrecondition,
    "ABORTED": FailedPrecondition,
    "ALREADY_EXISTS": FailedPrecondition,
    "UNIMPLEMENTED": Unimplemented,
    "UNAUTHENTICATED": AccessDenied,
    "PERMISSION_DENIED": AccessDenied,
    "CANCELLED": Cancelled,
    "INTERNAL": InternalError,
    "DATA_LOSS": InternalError,
}


def from_reason(
    reason: str,
    status: str,
    message: str,
    *,
    retry_after_s: float | None = None,
    metadata: Mapping[str, str] = _NOTHING,
) -> HastenError:
    """The typed error of a refusal that came inside of an answer."""
    kind = _class(reason, status, message)
    return kind(
        message, reason=reason, status=status, retry_after_s=retry_after_s, metadata=metadata
    )


class FailedCall(Protocol):
    """What synchronous and asyncio gRPC errors have in common."""

    def code(self) -> grpc.StatusCode:
        """Status code."""
        ...

    def details(self) -> str | None:
        """Status message."""
        ...

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Trailing metadata."""
        ...


def from_rpc(failed: FailedCall) -> HastenError:
    """The typed error of a failed gRPC call."""
    trailers = dict(failed.trailing_metadata() or ())
    info, retry_after_s = _details(trailers.get(_STATUS_DETAILS))
    pushback_ms = _pushback_ms(trailers.get(_PUSHBACK))
    elsewhere = False
    if pushback_ms is not None and pushback_ms >= 0:
        # The hint is about this server, the pushback about the next attempt, wherever it goes.
        elsewhere = retry_after_s is not None and math.ceil(retry_after_s * 1000) > pushback_ms
        retry_after_s = pushback_ms / 1000 if retry_after_s is None else retry_after_s
    status = failed.code().name
    message = failed.details() or status
    if not info.reason and _TOO_LARGE in message and not message.startswith(_OWN_LIMIT):
        # gRPC said it before the server could.
        message = f"{message}: the limit is the server's setting grpc.message_bytes_max"
    kind = _class(info.reason, status, message)
    if kind is Overloaded and message == "CANCELLED":
        message = _CUT
    return kind(
        message,
        reason=info.reason,
        status=status,
        retry_after_s=retry_after_s,
        metadata=MappingProxyType(dict(info.metadata)),
        retry_forbidden=pushback_ms is not None and pushback_ms < 0,
        elsewhere=elsewhere,
    )


def _class(reason: str, status: str, message: str) -> type[HastenError]:
    if reason in _CLASS_OF_REASON:
        return _CLASS_OF_REASON[reason]
    if not reason and status == "UNAVAILABLE":
        return Unreachable
    if not reason and status == "RESOURCE_EXHAUSTED" and _TOO_LARGE in message:
        return MessageTooLarge
    if not reason and status == "CANCELLED" and message not in _ENDED_HERE:
        return Overloaded
    return _CLASS_OF_STATUS.get(status, HastenError)


def _details(
    value: str | bytes | None,
) -> tuple[error_details_pb2.ErrorInfo, float | None]:
    """ErrorInfo and retry delay of a status; empty ones where the bytes make no sense."""
    info = error_details_pb2.ErrorInfo()
    retry_after_s = None
    if not isinstance(value, bytes):
        return info, None
    try:
        for detail in status_pb2.Status.FromString(value).details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                detail.Unpack(info)
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                hint = error_details_pb2.RetryInfo()
                detail.Unpack(hint)
                retry_after_s = max(0.0, hint.retry_delay.seconds + hint.retry_delay.nanos / 1e9)
    except DecodeError:
        return error_details_pb2.ErrorInfo(), None
    return info, retry_after_s


def _pushback_ms(value: str | bytes | None) -> int | None:
    """The hint in milliseconds; -1 for "do not retry", which is also what nonsense means."""
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        return -1
