"""What waits in the shards that this process owns, and what is known in advance of what will."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from hasten.common.v1.demand_pb2 import BacklogState, QueuedWork
from hasten_policy.fleet.views import WorkerView
from hasten_policy.scaling.profiles import curve_of
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.port import Fenced, LaneFront, State, TaskQueue, TaskRecord

LANES_MAX: Final = 64
"""Lanes of one shard that are looked into, those with most tasks."""
FRONT: Final = 32
"""Tasks of a lane whose deadlines are read; those behind them are taken to follow alike."""
PARTS: Final = 4
"""Groups of those that are not read."""
AHEAD: Final = 256
"""Tasks that wait for a time, of one shard."""
WORK_MAX: Final = 256
"""Groups that are told."""
ALIKE_S: Final = 5.0
"""Times below this are alike; above, those are that differ by less than a half."""


@dataclass(frozen=True, slots=True)
class Work:
    """Tasks of one model and class that start and end about together.

    Attributes:
        model: Of the tasks.
        priority: Of the tasks.
        tasks: How many.
        rows: Their rows.
        start_in_s: They may start after so long.
        left_s: The first of their deadlines; math.inf for none.
    """

    model: str
    priority: int
    tasks: int
    rows: int
    start_in_s: float
    left_s: float


class Backlog:
    """Asks the store, and says it in seconds of work.

    Args:
        teller_id: Name of this process.
        queues: The shards.
        term_of: The term in which this process owns a shard; None where it does not.
        views: The workers, who know what a row takes.
    """

    def __init__(
        self,
        teller_id: str,
        queues: Sequence[TaskQueue],
        term_of: Callable[[int], Term | None],
        views: Callable[[], Sequence[WorkerView]],
    ) -> None:
        self._teller_id = teller_id
        self._queues = queues
        self._term_of = term_of
        self._views = views

    async def state(self) -> bytes:
        """What waits now, a serialised BacklogState. Raises StoreUnavailable."""
        found: list[Work] = []
        more = 0
        for shard, queue in enumerate(self._queues):
            term = self._term_of(shard)
            if term is not None:
                with suppress(Fenced):  # Somebody else tells of it now.
                    work, others = await _of_shard(queue, term)
                    found += work
                    more += others
        found.sort(key=lambda work: work.start_in_s + min(work.left_s, 1e9))
        more += sum(work.tasks for work in found[WORK_MAX:])
        return self._to_wire(found[:WORK_MAX], more).SerializeToString()

    def _to_wire(self, found: Iterable[Work], more: int) -> BacklogState:
        row_s = self._row_s()
        state = BacklogState(teller_id=self._teller_id, more=more)
        for work in found:
            told = QueuedWork(
                model=work.model,
                priority=work.priority,
                tasks=work.tasks,
                rows=work.rows,
                work_s=work.rows * row_s.get(work.model, 0.0),
                start_in_s=work.start_in_s,
            )
            if work.left_s < math.inf:
                told.left_s = work.left_s
            state.work.append(told)
        return state

    def _row_s(self) -> dict[str, float]:
        """Model to seconds of a worker that one row takes in full batches."""
        found: dict[str, float] = {}
        for view in self._views():
            if view.report is not None:
                for model in view.report.models:
                    found[model.name] = 1.0 / curve_of(model, view.report.lanes).rows_per_s(
                        math.inf
                    )
        return found


async def _of_shard(queue: TaskQueue, term: Term) -> tuple[list[Work], int]:
    """What waits in a shard, and how many tasks were not looked at."""
    stats = await queue.stats()
    lanes = sorted(stats.lanes, key=lambda lane: -stats.lanes[lane])
    more = sum(stats.lanes[lane] for lane in lanes[LANES_MAX:])
    found: list[Work] = []
    if lanes:
        for front in await queue.fronts(term, lanes[:LANES_MAX], FRONT):
            found += waiting(front)
    later = stats.states.get(State.LATER, 0)
    if later:
        records = await queue.ahead(AHEAD)
        found += planned(records)
        more += max(0, later - len(records))
    return found, more


def waiting(front: LaneFront) -> Iterator[Work]:
    """The tasks of a lane, in groups. Those that were not read are taken to come due as those do
    that were: a lane is in the order of its deadlines.
    """
    records = front.records
    if not records:
        return
    yield from grouped(front.lane, records)
    behind = front.waiting - len(records)
    if behind <= 0:
        return
    mean_rows = sum(record.rows for record in records) / len(records)
    first_s, last_s = records[0].left_s, records[-1].left_s
    gap_s = max(0.0, last_s - first_s) / len(records) if last_s < math.inf else 0.0
    for part in range(PARTS):
        tasks = behind * (part + 1) // PARTS - behind * part // PARTS
        if tasks:
            left_s = last_s + gap_s * behind * part / PARTS
            yield Work(
                _model(front.lane),
                front.lane.priority,
                tasks,
                round(tasks * mean_rows),
                0.0,
                left_s,
            )


def planned(records: Sequence[TaskRecord]) -> Iterator[Work]:
    """Tasks that wait for a time, in groups."""
    ordered = sorted(records, key=lambda record: (_lane_key(record.lane), record.start_in_s))
    for _, same in groupby(ordered, key=lambda record: _lane_key(record.lane)):
        those = list(same)
        yield from grouped(those[0].lane, those)


def grouped(lane: Lane, records: Sequence[TaskRecord]) -> Iterator[Work]:
    """The records of a lane by about when they start and are due."""
    groups: dict[tuple[int, int], list[TaskRecord]] = {}
    for record in records:
        key = (_about(record.start_in_s), _about(record.left_s))
        groups.setdefault(key, []).append(record)
    for those in groups.values():
        yield Work(
            _model(lane),
            lane.priority,
            len(those),
            sum(record.rows for record in those),
            min(record.start_in_s for record in those),
            max(0.0, min(record.left_s for record in those)),
        )


def _about(seconds: float) -> int:
    """A number that alike times share."""
    if seconds == math.inf:
        return -1
    return int(math.log1p(max(0.0, seconds) / ALIKE_S) / math.log(1.5))


def _model(lane: Lane) -> str:
    return lane.model.partition("/")[0]


def _lane_key(lane: Lane) -> tuple[str, str, int]:
    return (lane.tenant, lane.model, lane.priority)
