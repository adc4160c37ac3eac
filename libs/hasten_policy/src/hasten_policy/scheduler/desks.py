"""The lanes of one model in line: which of them may be picked, and in which order."""

from bisect import bisect_left, insort
from typing import TypeAlias

from hasten_policy.scheduler.lanes import LaneWindow

Spot: TypeAlias = tuple[float, int, LaneWindow]
"""Place of its first task, number, lane."""


class Desk:
    """The lanes of what tasks ask for, "model" or "model/version".

    Attributes:
        model: What they ask for.
        lanes: How many there are.
        line: Those that may be picked, in order.
        room: Some worker has room for a task of it.
        stuck: Lanes of which no task can go to a worker that has room.
    """

    __slots__ = ("lanes", "line", "model", "room", "stuck")

    def __init__(self, model: str) -> None:
        self.model = model
        self.lanes = 0
        self.line: list[Spot] = []
        self.room = False
        self.stuck: dict[LaneWindow, None] = {}

    def settle(self, lane: LaneWindow) -> None:
        """Puts a lane where it belongs after its first task or its state has changed."""
        old = lane.spot
        ready = bool(lane.heads) and not lane.paused and lane not in self.stuck
        spot = (lane.heads[0].place, lane.number, lane) if ready else None
        if old is not None:
            if spot is not None and spot[0] == old[0]:
                return
            del self.line[bisect_left(self.line, old)]
        lane.spot = spot
        if spot is not None:
            insort(self.line, spot)
            if old is None:
                lane.tenant.joins(lane)
        elif old is not None:
            lane.tenant.leaves(lane)

    def stick(self, lane: LaneWindow) -> None:
        """None of its tasks can go anywhere until a worker has room again."""
        self.stuck[lane] = None
        self.settle(lane)

    def loosen(self) -> None:
        """A worker may have room for any of them."""
        stuck, self.stuck = self.stuck, {}
        for lane in stuck:
            self.settle(lane)
