"""Batches of tasks that are known in advance, at the demand level."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from hasten_policy.scaling.backlog import QueuedWork
from hasten_sim.pool import PlannedBatch

LOWEST: Final = 3
"""Tasks are guests: they have what calls leave."""


@dataclass(slots=True)
class _Open:
    """A batch that is not done.

    Attributes:
        batch: What was planned.
        left_s: Seconds of one worker that are left of it.
    """

    batch: PlannedBatch
    left_s: float

    @property
    def tasks(self) -> int:
        """Tasks that are left of it."""
        return ceil(self.batch.tasks * self.left_s / self.batch.work_s)


class PlannedWork:
    """The batches of a run: told of in advance, done with what calls leave, by their deadlines.

    Args:
        batches: All of them.
        model: Whose tasks they are.
        warmup_s: Tasks that are due before this are not counted.

    Attributes:
        offered: Tasks that were due.
        missed: Of them not done by then.
    """

    def __init__(self, batches: Sequence[PlannedBatch], model: str, warmup_s: float) -> None:
        self._open = [_Open(batch, batch.work_s) for batch in batches]
        self._open.sort(key=lambda each: each.batch.due_s)
        self._model = model
        self._warmup_s = warmup_s
        self.offered = 0
        self.missed = 0.0

    def step(self, now_s: float, spare_s: float) -> float:
        """Does what is possible in the seconds that calls leave; the earliest deadline first.

        Returns:
            Seconds that were worked.
        """
        done_s = 0.0
        for each in self._open:
            if each.batch.at_s <= now_s:
                part_s = min(each.left_s, spare_s - done_s)
                each.left_s -= part_s
                done_s += part_s
        for each in self._open:
            batch = each.batch
            if batch.due_s <= now_s and now_s >= self._warmup_s:
                self.offered += batch.tasks
                self.missed += batch.tasks * each.left_s / batch.work_s
        self._open = [each for each in self._open if each.batch.due_s > now_s]
        return done_s

    def told(self, now_s: float) -> tuple[QueuedWork, ...]:
        """What schedulers tell of now."""
        return tuple(
            QueuedWork(
                model=self._model,
                priority=LOWEST,
                tasks=each.tasks,
                rows=each.tasks,
                work_s=each.left_s,
                start_in_s=max(0.0, each.batch.at_s - now_s),
                left_s=each.batch.due_s - now_s,
            )
            for each in self._open
            if each.batch.at_s - each.batch.known_s <= now_s and each.left_s > 0.0
        )
