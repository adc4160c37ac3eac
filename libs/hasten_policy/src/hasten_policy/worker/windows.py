"""Streams that carry calls here: how many calls each may have open, and who hears of the load."""

from math import ceil, inf, sqrt
from typing import Final

from hasten_policy.priorities import LOWEST

TELL_S: Final = 0.01
"""Between two messages of the load to a busy link that hears no answers."""


class _Link:
    __slots__ = ("last_s", "load_left_s", "received")

    def __init__(self, now_s: float) -> None:
        self.received = 0
        self.load_left_s = -inf
        self.last_s = now_s


class LinkWindows:
    """Open links, their counts and their shares of the window.

    Args:
        idle_s: A link without calls for this long leaves its share to the others.

    Attributes:
        arrived: Calls that came over all links, those that have closed included.
        arrived_batch: Those of them that are of the lowest class.
        refused: Calls that routers said they had refused for want of time.
    """

    __slots__ = ("_idle_s", "_links", "_look_s", "arrived", "arrived_batch", "refused")

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._links: dict[int, _Link] = {}
        self._look_s = -inf
        self.arrived = 0
        self.arrived_batch = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._links)

    def open(self, link_id: int, now_s: float) -> None:
        """A link opened."""
        self._links.setdefault(link_id, _Link(now_s))

    def close(self, link_id: int) -> None:
        """A link closed."""
        self._links.pop(link_id, None)

    def count(self, link_id: int, priority: int, now_s: float) -> None:
        """A call of a class came over the link; unknown links are not counted."""
        link = self._links.get(link_id)
        if link is not None:
            link.received += 1
            self.arrived += 1
            self.arrived_batch += priority == LOWEST
            link.last_s = now_s

    def load_leaves(self, link_id: int, now_s: float) -> None:
        """The link hears the load now, alone or with an answer."""
        link = self._links.get(link_id)
        if link is not None:
            link.load_left_s = now_s

    def to_tell(self, now_s: float) -> list[int]:
        """Busy links that have not heard the load of late; none where there is but one link.

        What waits here changes for all routers when a batch goes, not only for those that get an
        answer; and none of them sees what the others send while the next one gathers. A lone one
        sees all that comes.
        """
        if len(self._links) < 2 or now_s < self._look_s:
            return []
        found: list[int] = []
        # Asked with every arrival: until one of them is due again nobody is looked at.
        self._look_s = now_s + TELL_S
        for link_id, link in self._links.items():
            due_s = link.load_left_s + TELL_S
            if now_s < due_s:
                self._look_s = min(self._look_s, due_s)
            elif now_s - link.last_s < self._idle_s:
                found.append(link_id)
        return found

    def ids(self) -> tuple[int, ...]:
        """All open links."""
        return tuple(self._links)

    def received(self, link_id: int) -> int:
        """Calls that came over the link; 0 for an unknown one."""
        link = self._links.get(link_id)
        return 0 if link is None else link.received

    def share(self, link_id: int, total: int, now_s: float) -> int:
        """Calls that the link may have open out of `total`, at least one.

        Busy links share alike, each with as much on top as chance makes their needs differ: the
        square root, twice, but no more than doubles it. An idle one is told what it would get if
        it became busy, so that its first calls need not wait for a new report.
        """
        busy = 0
        for other_id, link in self._links.items():
            if other_id == link_id or now_s - link.last_s < self._idle_s:
                busy += 1
        if busy <= 1:
            return max(1, total)
        even = total / busy
        return ceil(min(total, even + min(even, 2.0 * sqrt(even))))
