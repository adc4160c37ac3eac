"""The store of tasks, in memory: lanes in order, and who owns which shard."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from hasten_policy.scheduler.events import Again
from hasten_policy.scheduler.tasks import Lane, LaneHeads, Pick, TaskHead


@dataclass(slots=True, eq=False)
class StoredTask:
    """One task that has not ended.

    Attributes:
        head: As a scheduler sees it.
        lane: Where it waits.
        flow: Index of its flow.
        attempt: The attempt that runs it; 0 while it waits.
        runs: Claims so far.
    """

    head: TaskHead
    lane: Lane
    flow: int
    attempt: int = 0
    runs: int = 0


@dataclass(slots=True, eq=False)
class StoredShard:
    """One shard.

    Attributes:
        number: Its number.
        owner: Index of the scheduler that owns it; None for nobody.
        tasks: Those that have not ended, by id.
        lanes: Waiting tasks by lane, as (place, id), in order.
    """

    number: int
    owner: int | None = None
    tasks: dict[str, StoredTask] = field(default_factory=dict[str, StoredTask])
    lanes: dict[Lane, list[tuple[float, str]]] = field(
        default_factory=dict[Lane, list[tuple[float, str]]]
    )

    def put(self, task: StoredTask) -> None:
        """The task waits in its lane."""
        task.attempt = 0
        self.tasks[task.head.task_id] = task
        insort(self.lanes.setdefault(task.lane, []), (task.head.place, task.head.task_id))

    def take_out(self, task: StoredTask) -> bool:
        """The task waits no more; False when it did not."""
        line = self.lanes.get(task.lane, [])
        spot = (task.head.place, task.head.task_id)
        at = bisect_left(line, spot)
        if at == len(line) or line[at] != spot:
            return False
        del line[at]
        if not line:
            del self.lanes[task.lane]
        return True

    def front(self, lane: Lane, most: int) -> LaneHeads:
        """The front of a lane."""
        line = self.lanes.get(lane, [])
        heads = tuple([self.tasks[task_id].head for _, task_id in line[:most]])
        return LaneHeads(lane, len(line), heads)

    def claim(self, picks: tuple[Pick, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Attempts that run now, and those whose tasks do not wait."""
        run: list[int] = []
        gone: list[int] = []
        for pick in picks:
            task = self.tasks.get(pick.task_id)
            if task is None or not self.take_out(task):
                gone.append(pick.attempt)
                continue
            task.attempt = pick.attempt
            task.runs += 1
            run.append(pick.attempt)
        return tuple(run), tuple(gone)

    def end(self, task: StoredTask) -> None:
        """The task has ended."""
        self.take_out(task)
        del self.tasks[task.head.task_id]

    def again(self, task: StoredTask, effect: Again) -> None:
        """The task runs no more, and does not wait yet."""
        head = task.head
        deaths = (*head.deaths, effect.death) if effect.death else head.deaths
        task.attempt = 0
        task.head = TaskHead(
            head.task_id,
            head.place,
            head.submitted_s,
            head.deadline_s,
            head.rows,
            head.elements,
            head.attempts + effect.counts,
            head.attempts_max,
            deaths,
            effect.alone,
            head.key,
            head.key_max,
        )

    def adopt(self) -> None:
        """What ran under an earlier owner, or was to wait again, waits now."""
        waiting = {task_id for line in self.lanes.values() for _, task_id in line}
        for task in list(self.tasks.values()):
            if task.head.task_id not in waiting:
                self.put(task)
