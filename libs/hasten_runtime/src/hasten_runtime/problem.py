"""Refusals as HTTP says them: a status, `application/problem+json` (RFC 9457) and Retry-After."""

import json
import math
from typing import Any, Final, NamedTuple

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import retry_after_s

CONTENT_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:hasten:reason:"
_STATUSES: Final = {
    "ALREADY_EXISTS": 409,
    "CANCELLED": 499,  # Nobody hears it; logs of proxies know the number.
    "DATA_LOSS": 500,
    "DEADLINE_EXCEEDED": 504,
    "FAILED_PRECONDITION": 409,
    "PERMISSION_DENIED": 403,
    "INTERNAL": 500,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "UNIMPLEMENTED": 501,
}
_OWN_STATUSES: Final = {Reason.MESSAGE_TOO_LARGE: 413}
"""Where HTTP tells apart what gRPC does not."""


class Problem(NamedTuple):
    """A refusal on its way to a client that speaks HTTP.

    Attributes:
        status: Of the response.
        headers: Beside those of every response.
        body: JSON.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def http_status(reason: Reason) -> int:
    """The HTTP status that refusals with this reason carry."""
    return _OWN_STATUSES.get(reason) or _STATUSES[reason.status]


def problem(refusal: Refusal, *, status: int = 0) -> Problem:
    """The refusal as a response.

    Args:
        refusal: What is told.
        status: HTTP's own, where it knows more than the reason does; 0 for that of the reason.
    """
    status = status or http_status(refusal.reason)
    said: dict[str, Any] = {
        "type": TYPE_PREFIX + refusal.reason.name,
        "title": refusal.reason.value.advice,
        "status": status,
        "detail": refusal.message,
        "reason": refusal.reason.name,
        "grpc_status": refusal.reason.status,
        "started": refusal.started,
        "metadata": dict(refusal.metadata),
        # What Triton's clients show.
        "error": refusal.message,
    }
    headers: dict[str, str] = {}
    hint_s = retry_after_s(refusal)
    if hint_s is not None:
        said["retry_after_ms"] = math.ceil(hint_s * 1e3)
        headers["Retry-After"] = str(math.ceil(hint_s))
    return Problem(status, headers, json.dumps(said).encode())
