"""What a scheduler says of the tasks that wait with it."""

import math
from dataclasses import replace

import pytest

from hasten.common.v1.demand_pb2 import BacklogState
from hasten_policy.fleet.views import WorkerView
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.memory import MemoryTaskQueue
from hasten_runtime.tasks.port import Limits
from hasten_scheduler.backlog import FRONT, Backlog, waiting
from tests.contract.task_queues import LANE, new_task

OWN = Term("s1", 1, 3.0)
MODEL = ModelLoad("vision", "1", True, 0.1, 0.1, 0.2, 4, 0.0, 0, 0.0, True)
REPORT = WorkerReport("i", False, 1, LoadSample(1, 0, 0.0, 0.0, 0, 1, 0.0), (MODEL,))
VIEW = WorkerView("w1", REPORT, "ready", 0, 0.0, 0.0, 0, 0)


def backlog(queue: MemoryTaskQueue, term: Term | None = OWN) -> Backlog:
    return Backlog("s1", [queue], lambda _: term, lambda: [VIEW])


async def test_what_waits_is_told_by_deadline_and_in_seconds_of_a_worker() -> None:
    queue = MemoryTaskQueue(lambda: OWN)
    soon = [new_task(number, left_s=10.0, rows=4) for number in range(3)]
    later = [new_task(3 + number, left_s=600.0) for number in range(2)]
    unknown = new_task(5, lane=Lane("", "other", 1), left_s=math.inf)
    await queue.enqueue([*soon, *later, unknown], Limits())
    state = BacklogState.FromString(await backlog(queue).state())
    told = [
        (work.model, work.tasks, work.rows, work.work_s, work.HasField("left_s"))
        for work in state.work
    ]
    # A full batch of four takes half a second.
    assert told == [
        ("vision", 3, 12, pytest.approx(1.5), True),
        ("vision", 2, 2, pytest.approx(0.25), True),
        ("other", 1, 1, 0.0, False),
    ]
    assert state.work[0].left_s == pytest.approx(10.0, abs=1.0)
    assert state.more == 0


async def test_what_is_planned_is_told_with_its_start() -> None:
    queue = MemoryTaskQueue(lambda: OWN)
    batch = [new_task(n, start_in_s=900.0 + n / 10, left_s=1800.0, rows=4) for n in range(20)]
    await queue.enqueue(batch, Limits())
    (work,) = BacklogState.FromString(await backlog(queue).state()).work
    assert (work.tasks, work.rows, work.work_s) == (20, 80, pytest.approx(10.0))
    assert work.start_in_s == pytest.approx(900.0, abs=1.0)
    assert work.left_s == pytest.approx(1800.0, abs=1.0)


async def test_only_the_owner_tells_of_a_shard() -> None:
    queue = MemoryTaskQueue(lambda: OWN)
    await queue.enqueue([new_task(1)], Limits())
    for term in (None, Term("s2", 0, 3.0)):
        assert not BacklogState.FromString(await backlog(queue, term).state()).work


async def test_a_long_lane_is_taken_to_go_on_as_it_begins() -> None:
    queue = MemoryTaskQueue(lambda: OWN)
    tasks = [new_task(number, left_s=100.0 + number) for number in range(5 * FRONT)]
    await queue.enqueue(tasks, Limits())
    (front,) = await queue.fronts(OWN, [LANE], FRONT)
    found = list(waiting(front))
    assert sum(work.tasks for work in found) == sum(work.rows for work in found) == 5 * FRONT
    due = sorted((work.left_s, work.tasks) for work in found)
    assert due[0][0] == pytest.approx(100.0, abs=1.0)
    assert due[-1][0] == pytest.approx(100.0 + 4 * FRONT, abs=FRONT / 2)
    nothing = replace(front, records=(), places=(), waiting=0)
    assert list(waiting(nothing)) == []
