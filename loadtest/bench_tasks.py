"""What the scheduler's decisions about one task cost, from the read of its lane to its end, without
any IO: microseconds of CPU a task, a million waiting in each lane.

python -m loadtest.bench_tasks [--tasks 20000] [--json]
"""

import argparse
import json
import time
from collections import deque
from math import inf
from random import Random

from hasten_policy.fleet.events import WorkerJoined, WorkerReported
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.scheduler.events import (
    AttemptAnswered,
    Claim,
    Claimed,
    LanesRead,
    ReadLanes,
    SchedulerEffect,
    SchedulerEvent,
    Send,
    ShardTaken,
)
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.tasks import Lane, LaneHeads, TaskHead

SHAPES = ((16, 4), (16, 20), (16, 100), (16, 500), (64, 100))
"""Workers and lanes."""
CLASSES = 4
TENANTS = 5
WAITING = 1_000_000
"""Tasks in each lane."""
COST_S = 0.001


class Store:
    """Lanes that never end, and workers that answer in turn.

    Args:
        workers: Their number.
        lanes: Their number.
    """

    def __init__(self, workers: int, lanes: int) -> None:
        self.machine = SchedulerMachine(SchedulerPolicy(), rng=Random(1))
        self.spent_s = 0.0
        self.tasks = 0
        self._now_s = 0.0
        self._sent: deque[Send] = deque()
        self._received: dict[str, int] = {}
        self._seq = 1
        self._last = 0
        self._lanes = [
            Lane(f"t{n // CLASSES % TENANTS}", f"m{n // CLASSES // TENANTS}", n % CLASSES)
            for n in range(lanes)
        ]
        models = tuple(
            ModelLoad(name, "1", True, 0.002, 0.0002, 0.002, 16, COST_S, 0, 0.0, True)  # noqa: FBT003 (a record)
            for name in dict.fromkeys(lane.model for lane in self._lanes)
        )
        for number in range(workers):
            name = f"w{number:04d}"
            load = LoadSample(1, 0, 0.0, 0.0, 0, 64, COST_S)
            self._tell(WorkerJoined(name))
            self._tell(WorkerReported(name, WorkerReport("a", False, 1, load, models)))  # noqa: FBT003 (a record)
        self._tell(ShardTaken(0))

    def run(self, tasks: int) -> float:
        """Microseconds a task."""
        self.spent_s = 0.0
        before = self.tasks
        while self.tasks - before < tasks:
            self._answer(self._sent.popleft())
        return self.spent_s / (self.tasks - before) * 1e6

    def _answer(self, sent: Send) -> None:
        self._seq += 1
        self._now_s += 1e-5
        received = self._received[sent.worker_id]
        load = LoadSample(self._seq, 1, 0.002, 0.001, received, 64, COST_S)
        self._tell(AttemptAnswered(sent.attempt, sent.worker_id, load, COST_S, 0.002))
        self.tasks += 1

    def _tell(self, event: SchedulerEvent) -> None:
        begin_s = time.thread_time()
        effects = self.machine.on(event, now_s=self._now_s)
        self.spent_s += time.thread_time() - begin_s
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: SchedulerEffect) -> None:
        if isinstance(effect, Send):
            self._sent.append(effect)
            self._received[effect.worker_id] = self._received.get(effect.worker_id, 0) + 1
        elif isinstance(effect, Claim):
            self._tell(Claimed(effect.shard, tuple([pick.attempt for pick in effect.picks])))
        elif isinstance(effect, ReadLanes):
            lanes = effect.lanes or tuple(self._lanes)
            self._tell(LanesRead(0, tuple([self._front(lane, effect.most) for lane in lanes])))

    def _front(self, lane: Lane, most: int) -> LaneHeads:
        heads: list[TaskHead] = []
        for _ in range(most):
            self._last += 1
            heads.append(TaskHead(f"task-{self._last}", float(self._last), 0.0, inf))
        return LaneHeads(lane, WAITING, tuple(heads))


def measure(workers: int, lanes: int, tasks: int) -> float:
    """Microseconds a task, after a tenth of them as a warm-up."""
    store = Store(workers, lanes)
    store.run(tasks // 10)
    return store.run(tasks)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    found = {shape: measure(*shape, said.tasks) for shape in SHAPES}
    if said.json:
        print(json.dumps({f"{workers}x{lanes}": us for (workers, lanes), us in found.items()}))
        return
    print("workers   lanes   us a task")
    for (workers, lanes), task_us in found.items():
        print(f"{workers:>7}   {lanes:>5}   {task_us:>9.1f}")


if __name__ == "__main__":
    main()
