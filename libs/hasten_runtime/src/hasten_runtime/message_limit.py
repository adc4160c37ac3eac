"""How large a message may be, and how one that is larger is refused in words."""

from dataclasses import dataclass
from typing import Final

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError

MESSAGE_BYTES_MAX: Final = 2**31 - 1
"""What gRPC and protobuf can carry, and what the stock clients allow themselves."""
MESSAGE_BYTES_MIN: Final = 4096
"""Less would leave no room for what the services say to each other."""
_READ_FACTOR: Final = 4
_READ_BYTES_MIN: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class MessageLimit:
    """The largest message that a service takes or gives.

    Attributes:
        bytes_max: Its size.
        setting: The variable that sets it, for people.
    """

    bytes_max: int = MESSAGE_BYTES_MAX
    setting: str = "message_bytes_max"

    @property
    def read_bytes_max(self) -> int:
        """What gRPC is told to read.

        gRPC ends a call over its own limit unread, with words that name no setting. So that the
        usual mistake is answered better, somewhat more is read than is then taken.
        """
        return min(MESSAGE_BYTES_MAX, max(_READ_FACTOR * self.bytes_max, _READ_BYTES_MIN))

    def check_request(self, size_bytes: int, *, room_bytes: int | None = None) -> None:
        """Raises MeshError for a request over the limit; see `refusal`."""
        if size_bytes > (self.bytes_max if room_bytes is None else room_bytes):
            raise MeshError(self.refusal("request", size_bytes, room_bytes=room_bytes))

    def refusal(
        self, what: str, size_bytes: int, *, room_bytes: int | None = None, started: bool = False
    ) -> Refusal:
        """Of a message over the limit.

        Args:
            what: "request" or "response".
            size_bytes: Its size.
            room_bytes: What it may have, when others need a part of the limit.
            started: A model ran for it.
        """
        room = self.bytes_max if room_bytes is None else room_bytes
        return Refusal(
            Reason.MESSAGE_TOO_LARGE,
            f"the {what} has {size_bytes} bytes and may have {room}, by {self.setting}="
            f"{self.bytes_max}: send less, or raise that (hasten up: --message-limit)",
            metadata=(
                ("size_bytes", str(size_bytes)),
                ("limit_bytes", str(room)),
                ("setting", self.setting),
            ),
            started=started,
        )
