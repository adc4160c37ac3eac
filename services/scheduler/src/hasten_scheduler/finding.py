"""Finds tasks by their names, in whichever shard they lie."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten_runtime.tasks.port import TaskRecord
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.naming import Name
from hasten_scheduler.views import not_found


@dataclass(slots=True)
class Found:
    """A task and where it lies."""

    door: ShardDoor
    record: TaskRecord


class Finder:
    """Looks tasks up.

    Args:
        doors: The shards, by number.
    """

    def __init__(self, doors: Sequence[ShardDoor]) -> None:
        self.doors = doors

    async def find(self, name: Name) -> Found:
        """The task of this name. Raises MeshError: TASK_NOT_FOUND, STORE_UNAVAILABLE."""
        task_id = name.task_id
        first = self.doors[name.shard(len(self.doors))]
        others = () if name.key else (door for door in self.doors if door is not first)
        # Tasks with a concurrency key lie elsewhere, and a caller may not name the key.
        for door in (first, *others):
            (record,) = await door.records([task_id])
            if record is not None:
                return Found(door, record)
        raise not_found(name)

    async def again(self, found: Found) -> TaskRecord:
        """The task as it is now."""
        (record,) = await found.door.records([found.record.task_id])
        return record or found.record
