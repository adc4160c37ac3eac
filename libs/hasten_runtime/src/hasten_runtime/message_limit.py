"""The largest message that a server takes, and what is said of a larger one.

gRPC's own refusal names neither the limit's setting nor a reason, so a server takes somewhat more
than it accepts and says it itself; what is larger still, gRPC refuses before it is kept.
"""

from dataclasses import dataclass
from typing import Final

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError

SETTING: Final = "grpc.message_bytes_max"
SLACK_BYTES_MIN: Final = 16 * 1024 * 1024
GRPC_BYTES_MAX: Final = 2**31 - 1
"""What gRPC and protobuf can carry, and what the stock clients allow themselves: the default."""
MESSAGE_BYTES_MIN: Final = 4096
"""Less would leave no room for what the services say to each other."""
ENVELOPE_BYTES: Final = 64 * 1024
"""Room in a message between router and worker for what is beside the calls, or the replies."""


@dataclass(frozen=True, slots=True)
class MessageLimit:
    """A server's limit.

    Attributes:
        bytes_max: Largest message.
        variable: Of the setting that says so; "" when it is none of a service.
    """

    bytes_max: int
    variable: str = ""

    @property
    def received_bytes_max(self) -> int:
        """What gRPC may hand over, so that it can be refused with a sentence."""
        return min(GRPC_BYTES_MAX, self.bytes_max + max(self.bytes_max, SLACK_BYTES_MIN))

    def check(self, message: bytes) -> None:
        """Raises MeshError MESSAGE_TOO_LARGE for a message over the limit."""
        if len(message) > self.bytes_max:
            raise MeshError(too_large("a message", len(message), self.bytes_max, self.variable))


def content_bytes_max(message_bytes_max: int) -> int:
    """What the calls, or the replies, in one message between router and worker may take."""
    return max(message_bytes_max - ENVELOPE_BYTES, message_bytes_max // 2)


def too_large(what: str, size_bytes: int, bytes_max: int, variable: str) -> Refusal:
    """The refusal of something that has too many bytes, which names limit and setting."""
    setting = f"{SETTING} ({variable})" if variable else SETTING
    return Refusal(
        Reason.MESSAGE_TOO_LARGE,
        f"{what} may have {bytes_max} bytes, not {size_bytes}: send less, or raise the setting "
        f"{setting}, for a local mesh by hasten up --message-limit",
        metadata=(
            ("size_bytes", str(size_bytes)),
            ("limit_bytes", str(bytes_max)),
            ("setting", SETTING),
        ),
    )
