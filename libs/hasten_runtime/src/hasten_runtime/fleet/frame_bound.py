"""The longest frame that a worker takes."""

from typing import Final

from hasten_policy.reasons import Refusal
from hasten_runtime.message_limit import too_large

WORKER_MESSAGE_VARIABLE: Final = "HASTEN_WORKER_GRPC__MESSAGE_BYTES_MAX"
NO_LIMIT: Final = 2**63


class FrameBound:
    """A call that is longer than the worker takes would cost everybody the link: it is refused
    here, in the worker's place.

    Attributes:
        bytes_max: Longest frame.
    """

    def __init__(self) -> None:
        self.bytes_max = NO_LIMIT

    def opened(self, bytes_max: int) -> None:
        """A link was opened to a worker that takes this much; 0: it did not tell."""
        self.bytes_max = bytes_max or NO_LIMIT

    def refusal(self, worker_id: str, size_bytes: int) -> Refusal:
        """What the caller of a call hears that is longer."""
        return too_large(
            f"a call to worker {worker_id}", size_bytes, self.bytes_max, WORKER_MESSAGE_VARIABLE
        )
