"""A router's link, as the shell sees it."""

from typing import Protocol


class LinkEnd(Protocol):
    """The worker's end of one link. All methods are called on the event loop and return at once."""

    def state_changed(self) -> None:
        """The worker's state should be told anew."""
        ...

    def load_changed(self) -> None:
        """The load should be told, soon, even if there is nothing to answer."""
        ...

    def begins(self) -> None:
        """A lane is about to begin a batch with calls of this link."""
        ...
