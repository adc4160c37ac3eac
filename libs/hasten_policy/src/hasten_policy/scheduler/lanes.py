"""What is known of the lanes of the shards that this process owns."""

from typing import TYPE_CHECKING

from hasten_policy.scheduler.tasks import Lane, LaneHeads, TaskHead

if TYPE_CHECKING:
    from hasten_policy.scheduler.attempts import Attempt
    from hasten_policy.scheduler.desks import Desk, Spot
    from hasten_policy.scheduler.tenants import Tenant


class LaneWindow:
    """The front of one lane of one shard.

    Attributes:
        shard: Its shard.
        lane: Its name.
        number: Breaks ties between lanes.
        desk: That of its model.
        tenant: Who pays.
        heads: Tasks known at its front, in order, without those that are parked.
        parked: Tasks known that wait for others with their key to end, by key, in order.
        parked_count: Those in all.
        waiting: Tasks that wait in it, as the store said last.
        whole: All that waits in it is known.
        claiming: Picks out of it that the store has not answered.
        asked: The store was asked how it looks, and has not answered.
        grew: It has grown while the store was asked.
        timed: A timer for asking is set.
        read_s: When the store said last how it looks.
        paused: Nothing of it may run.
        spot: Its place at its desk; None while nothing of it can be picked.
        expires_s: When the timer for the first of its tasks to become hopeless is due.
    """

    __slots__ = (
        "asked",
        "claiming",
        "desk",
        "expires_s",
        "grew",
        "heads",
        "lane",
        "number",
        "parked",
        "parked_count",
        "paused",
        "read_s",
        "shard",
        "spot",
        "tenant",
        "timed",
        "waiting",
        "whole",
    )

    def __init__(
        self, shard: "ShardLanes", lane: Lane, number: int, desk: "Desk", tenant: "Tenant"
    ) -> None:
        self.shard = shard
        self.lane = lane
        self.number = number
        self.desk = desk
        self.tenant = tenant
        self.heads: list[TaskHead] = []
        self.parked: dict[str, list[TaskHead]] = {}
        self.parked_count = 0
        self.waiting = 0
        self.whole = True
        self.claiming = 0
        self.asked = False
        self.grew = False
        self.timed = False
        self.read_s = float("-inf")
        self.paused = False
        self.spot: Spot | None = None
        self.expires_s = float("inf")

    @property
    def known(self) -> int:
        """Tasks known."""
        return len(self.heads) + self.parked_count

    @property
    def forgettable(self) -> bool:
        """Nothing is known or expected of it."""
        return self.whole and not (self.known or self.claiming or self.asked or self.timed)

    def take(self, read: LaneHeads, most: int) -> None:
        """The store said how it looks.

        Those heads that are being claimed, or run, still wait in the store for a moment. Where
        fewer heads were read than are known, those behind them stay.

        Args:
            read: The lane as the store has it.
            most: Heads to know at most, beside those parked.
        """
        running = self.shard.running
        left = self.shard.left
        heads = [head for head in read.heads if head.task_id not in running]
        overtaken = self.claiming if len(heads) < len(read.heads) else 0
        if left:
            for head in heads:
                left.pop(head.task_id, None)
        partial = len(read.heads) < read.waiting
        if partial:
            last = read.heads[-1].place if read.heads else float("-inf")
            behind = [head for head in self.heads if head.place > last]
            for those in self.parked.values():
                behind += [head for head in those if head.place > last]
            behind.sort(key=_place)
            heads += behind
        room = most + self.parked_count
        del heads[room:]
        self.unpark_all()
        self.heads = heads
        self.waiting = max(0, read.waiting - overtaken) if partial else len(heads)
        self.whole = self.waiting <= len(heads)

    def park(self, at: int) -> TaskHead:
        """Takes a head aside until others with its key have ended."""
        head = self.heads.pop(at)
        self.parked.setdefault(head.key, []).append(head)
        self.parked_count += 1
        return head

    def unpark(self, key: str, count: int) -> None:
        """The first parked tasks with a key stand in line again."""
        those = self.parked.get(key, [])
        self.heads += those[:count]
        self.heads.sort(key=_place)
        self.parked_count -= min(count, len(those))
        del those[:count]
        if not those:
            self.parked.pop(key, None)

    def unpark_all(self) -> None:
        """None is parked any more, and none of them is kept."""
        self.parked.clear()
        self.parked_count = 0


class ShardLanes:
    """One shard that this process owns.

    Attributes:
        number: The shard.
        lanes: Its lanes that have tasks, by name.
        running: Its attempts by task.
        left: Tasks that have left their lanes, and may still be among the heads.
    """

    __slots__ = ("lanes", "left", "number", "running")

    def __init__(self, number: int) -> None:
        self.number = number
        self.lanes: dict[Lane, LaneWindow] = {}
        self.running: dict[str, Attempt] = {}
        self.left: dict[str, None] = {}


def _place(head: TaskHead) -> float:
    return head.place
