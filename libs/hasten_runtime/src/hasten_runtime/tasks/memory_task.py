"""A task as the queue in memory keeps it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from hasten_policy.scheduler.tasks import RESERVED_BELOW, Lane
from hasten_runtime.tasks.port import LaneFront, NewTask, Place, State, TaskRecord


@dataclass(slots=True)
class Told:
    """What one call tells the shard's owner at once."""

    grew: dict[Lane, float]
    revoked: list[str]
    left: list[str]
    paused: bool = False
    later: bool = False


@dataclass(slots=True)
class MemoryTask:
    """See NewTask and TaskRecord; times are absolute, on the store's clock.

    Attributes:
        start_s: For LATER.
        kept_until_s: Once it has ended.
        attempt_id: Of its newest attempt; "" before the first.
    """

    task_id: str
    digest: bytes
    lane: Lane
    place: float
    now_factor: float
    submitted_s: float
    deadline_s: float
    start_s: float
    keep_s: float
    attempts_max: int
    rows: int
    elements: int
    key: str
    key_max: int
    about: bytes
    payload: bytes
    state: State
    result: bytes = b""
    ended_s: float = math.inf
    kept_until_s: float = math.inf
    attempt_id: str = ""
    attempts: int = 0
    runs: int = 0
    deaths: tuple[str, ...] = field(default=())
    alone: bool = False

    @classmethod
    def accepted(cls, task: NewTask, now_s: float) -> Self:
        """The task, accepted now."""
        return cls(
            task_id=task.task_id,
            digest=task.digest,
            lane=task.lane,
            place=task.place.now_factor * now_s + task.place.offset,
            now_factor=task.place.now_factor,
            submitted_s=now_s,
            deadline_s=now_s + task.left_s,
            start_s=now_s + task.start_in_s,
            keep_s=task.keep_s,
            attempts_max=task.attempts_max,
            rows=task.rows,
            elements=task.elements,
            key=task.key,
            key_max=task.key_max,
            about=task.about,
            payload=task.payload,
            state=State.LATER if task.start_in_s > 0 else State.WAITING,
        )

    def stand(self, place: Place) -> None:
        """It stands there, counted from when it was accepted; a turn of a hard schedule stays."""
        if self.place >= RESERVED_BELOW:
            self.now_factor = place.now_factor
            self.place = place.now_factor * self.submitted_s + place.offset

    def begin_anew(self, now_s: float) -> None:
        """It counts as accepted now."""
        later_s = now_s - self.submitted_s
        self.submitted_s = now_s
        self.deadline_s += later_s
        self.place += self.now_factor * later_s
        self.attempts = 0
        self.deaths = ()
        self.alone = False
        self.result = b""

    def record(self, now_s: float, *, whole: bool = True) -> TaskRecord:
        """As the port tells it; not `whole`: without payload and result."""
        return TaskRecord(
            task_id=self.task_id,
            state=self.state,
            lane=self.lane,
            age_s=now_s - self.submitted_s,
            left_s=self.deadline_s - now_s,
            start_in_s=max(0.0, self.start_s - now_s) if self.state is State.LATER else 0.0,
            ended_s=now_s - self.ended_s if self.state.ended else -1.0,
            attempts=self.attempts,
            attempts_max=self.attempts_max,
            rows=self.rows,
            elements=self.elements,
            deaths=self.deaths,
            alone=self.alone,
            key=self.key,
            key_max=self.key_max,
            runs=self.runs,
            about=self.about,
            payload=self.payload if whole else b"",
            result=self.result if whole else b"",
        )


def front_of(lane: Lane, waiting: list[MemoryTask], most: int, now_s: float) -> LaneFront:
    """The front of a lane in which these wait."""
    front = waiting[:most]
    return LaneFront(
        lane,
        len(waiting),
        tuple(task.record(now_s, whole=False) for task in front),
        tuple(task.place for task in front),
    )


def is_over(held: Iterable[MemoryTask], task: NewTask, tasks_max: int, bytes_max: int) -> bool:
    """With the task these would be more than may be held."""
    sizes = [len(kept.payload) for kept in held]
    too_many = bool(tasks_max) and len(sizes) >= tasks_max
    return too_many or (bool(bytes_max) and sum(sizes) + len(task.payload) > bytes_max)
