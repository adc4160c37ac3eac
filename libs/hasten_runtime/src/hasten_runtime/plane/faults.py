"""What the plane could not read, as refusals."""

from typing import Final

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.front_door import NO_REQUEST
from hasten_runtime.message_limit import SETTING, MessageLimit, too_large

MALFORMED: Final = Refusal(
    Reason.INVALID_REQUEST, "the call's body is no gRPC message, or it cannot be unpacked"
)


def refusal_of(fault: str, what: str, size_bytes: int, limit: MessageLimit) -> Refusal:
    """Why a message was not read.

    Args:
        fault: The plane's word for it.
        what: Is to be named: "a message".
        size_bytes: Of the message, where it is known.
        limit: On it.
    """
    if fault == "empty":
        return NO_REQUEST
    if fault == "too_large":
        return too_large(what, size_bytes, limit.bytes_max, limit.variable)
    if fault == "unpacked_too_large":
        setting = f"{SETTING} ({limit.variable})" if limit.variable else SETTING
        return Refusal(
            Reason.MESSAGE_TOO_LARGE,
            f"{what} may have {limit.bytes_max} bytes once it is unpacked: send less, or raise "
            f"the setting {setting}",
            metadata=(("limit_bytes", str(limit.bytes_max)), ("setting", SETTING)),
        )
    return MALFORMED
