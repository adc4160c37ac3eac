"""One way to refuse a request for what it says."""

from typing import NoReturn

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError


def refuse(reason: Reason, message: str, **facts: object) -> NoReturn:
    """Raises the refusal.

    Args:
        reason: Why.
        message: One sentence that names the field and the expectation.
        **facts: Facts of the case, for `ErrorInfo.metadata`.
    """
    metadata = tuple((name, str(fact)) for name, fact in facts.items())
    raise MeshError(Refusal(reason, message, metadata=metadata))
