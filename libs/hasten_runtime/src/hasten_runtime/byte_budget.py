"""Bytes that a process holds for its peers, within one bound for all of them together."""

from types import TracebackType
from typing import Final, Self

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError

RETRY_S: Final = 1.0


class ByteBudget:
    """Bytes that may be held at once.

    Args:
        bytes_max: Of all together.
        what: That is held, in words, as "bodies of all clients".
        setting: That sets bytes_max, and its variable in brackets.

    Attributes:
        held: How many are held now.
    """

    def __init__(self, bytes_max: int, what: str, setting: str) -> None:
        self._bytes_max = bytes_max
        self._what = what
        self._setting = setting
        self.held = 0

    def lease(self) -> "Lease":
        """Of one peer; given back at the end of its `with`, or by `end`."""
        return Lease(self)

    def take(self, size: int, own: int) -> None:
        """Holds further bytes of a lease that has `own`. One that is alone always may.

        Raises:
            MeshError: QUEUE_FULL.
        """
        if self.held + size > self._bytes_max and self.held > own:
            raise MeshError(
                Refusal(
                    Reason.QUEUE_FULL,
                    f"{self._what} together may have {self._bytes_max} bytes: come again, "
                    f"or raise the setting {self._setting}",
                    retry_after_s=RETRY_S,
                    metadata=(
                        ("limit_bytes", str(self._bytes_max)),
                        ("setting", self._setting.partition(" ")[0]),
                    ),
                )
            )
        self.held += size


class Lease:
    """What one peer holds of a budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.own = 0
        """So many bytes."""

    def take(self, size: int) -> None:
        """Holds further bytes. Raises MeshError QUEUE_FULL."""
        self._budget.take(size, self.own)
        self.own += size

    def hold(self, size: int) -> None:
        """Holds so many bytes in all: takes more or gives some back. Raises as `take`."""
        if size > self.own:
            self.take(size - self.own)
        else:
            self._budget.held -= self.own - size
            self.own = size

    def end(self) -> None:
        """Gives all of it back."""
        self.hold(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.end()
