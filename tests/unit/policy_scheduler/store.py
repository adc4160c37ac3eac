"""A store of tasks in memory: what the scheduler's machine believes of its lanes, kept."""

from dataclasses import dataclass, field, replace

from hasten_policy.scheduler.tasks import Lane, LaneHeads, Pick, TaskHead


@dataclass
class StoredTask:
    """One task.

    Attributes:
        lane: Where it waits.
        head: As the machine sees it.
        state: waiting, later, running, done, failed, dead or dropped.
        attempt: The one that runs it; 0 for none.
        runs: Claims so far.
        due_s: When it waits again, if later.
    """

    lane: Lane
    head: TaskHead
    state: str = "waiting"
    attempt: int = 0
    runs: int = 0
    due_s: float = 0.0


@dataclass
class Shard:
    """One shard."""

    tasks: dict[str, StoredTask] = field(default_factory=dict)

    def lanes(self) -> list[Lane]:
        """Those in which tasks wait."""
        return list({task.lane: None for task in self.tasks.values() if task.state == "waiting"})

    def front(self, lane: Lane, most: int) -> LaneHeads:
        """The front of a lane."""
        heads = sorted(
            (t.head for t in self.tasks.values() if t.lane == lane and t.state == "waiting"),
            key=lambda head: (head.place, head.task_id),
        )
        return LaneHeads(lane, len(heads), tuple(heads[:most]))

    def claim(self, picks: tuple[Pick, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Attempts that run now, and those that do not."""
        run: list[int] = []
        gone: list[int] = []
        for pick in picks:
            task = self.tasks.get(pick.task_id)
            if task is None or task.lane != pick.lane or task.state != "waiting":
                gone.append(pick.attempt)
                continue
            task.state = "running"
            task.attempt = pick.attempt
            task.runs += 1
            run.append(pick.attempt)
        return tuple(run), tuple(gone)

    def by_attempt(self, attempt: int) -> StoredTask | None:
        """The task that an attempt runs."""
        found = [t for t in self.tasks.values() if t.attempt == attempt and t.state == "running"]
        return found[0] if found else None

    def again(self, task: StoredTask, *, counts: bool, death: str, alone: bool) -> None:
        """An attempt ends, and the task waits."""
        task.attempt = 0
        task.state = "waiting"
        task.head = replace(
            task.head,
            attempts=task.head.attempts + counts,
            deaths=(*task.head.deaths, death) if death else task.head.deaths,
            alone=alone,
        )

    def adopt(self) -> None:
        """What ran under an earlier owner waits again, uncounted."""
        for task in self.tasks.values():
            if task.state in {"running", "later"}:
                task.state = "waiting"
                task.attempt = 0
