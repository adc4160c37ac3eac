"""Concurrency keys: of the tasks with the same key only so many run at once."""

from hasten_policy.scheduler.lanes import LaneWindow
from hasten_policy.scheduler.tasks import TaskHead


class _Key:
    __slots__ = ("lanes", "running")

    def __init__(self) -> None:
        self.running = 0
        self.lanes: dict[LaneWindow, None] = {}


class Keys:
    """The keys of running tasks, each for one tenant."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Key] = {}

    def __len__(self) -> int:
        return len(self._known)

    def busy(self, lane: LaneWindow, head: TaskHead) -> bool:
        """As many tasks with the key of this one run as may."""
        known = self._known.get((lane.lane.tenant, head.key))
        return known is not None and known.running >= max(1, head.key_max)

    def begin(self, tenant: str, key: str) -> None:
        """A task with the key begins."""
        self._known.setdefault((tenant, key), _Key()).running += 1

    def waits(self, lane: LaneWindow, key: str) -> None:
        """A lane has parked a task with the key, some of which run."""
        self._known[lane.lane.tenant, key].lanes[lane] = None

    def end(self, tenant: str, key: str) -> list[LaneWindow]:
        """One ends; the first parked task with the key stands in line again, all when none runs.

        Returns:
            The lanes that have one.
        """
        known = self._known[tenant, key]
        known.running -= 1
        lanes = [lane for lane in known.lanes if key in lane.parked]
        for lane in lanes:
            # One that stands in line again may be dropped, and nothing would end then.
            lane.unpark(key, 1 if known.running else len(lane.parked[key]))
        known.lanes = {lane: None for lane in lanes if key in lane.parked}
        if not known.running and not known.lanes:
            del self._known[tenant, key]
        return lanes
