"""Tasks are guests at workers that answer calls: do they disturb them, and do they get the rest?

Calls with 50 ms deadlines come at 0.6 of what the mesh can do (Poisson), in turns alone and with
tasks without limit beside them. Beside tasks as many calls are to be in time as alone, less one in
a hundred, their p99 is to be 1.15 times as long at most, and the tasks are to get 0.8 of the lanes'
time that the calls left idle. The halves of a round are compared with each other, and the median of
the rounds counts: a shared machine is not the same from one minute to the next.

--models computing: calls ask a sentence encoder, tasks a perceptron (loadtest.computing); mesh,
sender and models share the cores. --models sleeping: runs of 5 ms and of 1 ms a row, as the
simulator's workload "guest".

    python -m loadtest.guest_manners [--models sleeping] [--rounds 3] [--seconds 10] [--json]

Ends with status 1 when the tasks had no manners.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

import grpc
import numpy as np

from hasten.inference.v2 import inference_pb2
from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten.scheduler.v1.scheduler_service_pb2_grpc import TaskServiceStub
from loadtest import computing, generator
from loadtest.call import OPTIONS, serialised
from loadtest.executed import statistics_of
from loadtest.generator import Offer
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_synthetic
from loadtest.summary import summarise
from loadtest.task_stream import submit_all

LOAD: Final = 0.6
DEADLINE_S: Final = 0.05
LATE_SHARE_MAX: Final = 0.01
P99_MAX: Final = 1.15
IDLE_SHARE_MIN: Final = 0.8
CALLERS: Final = 8
"""Of the closed loop that finds what the mesh can do."""
WARM_UP_S: Final = 1.0
WARM_UP_TASKS: Final = 256
BULK: Final = "archive"
"""The tenant of the tasks."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What calls ask, and what tasks ask.

    Attributes:
        called: Model of the calls.
        call: One of them.
        asked: Model of the tasks.
        task: One of them.
        task_s_min: No task takes less of a lane.
    """

    called: str
    call: bytes
    asked: str
    task: bytes
    task_s_min: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Calls of some seconds, and what tasks got meanwhile.

    Attributes:
        in_time: Share of the calls.
        p99_ms: Of the answers.
        busy_s: Of all lanes, with calls.
        tasks: Rows that ran for tasks.
        tasks_s: Of all lanes, with tasks.
        sent_late_ms: p99 of the sender's own lateness.
        why_not: Calls that were not answered in time, by reason.
    """

    in_time: float
    p99_ms: float
    busy_s: float
    tasks: int
    tasks_s: float
    sent_late_ms: float
    why_not: dict[str, int]


@dataclass(frozen=True, slots=True)
class Round:
    """The same calls alone, and beside tasks.

    Attributes:
        alone: Without tasks.
        beside: With.
        lane_s: Of all lanes, in that time.
    """

    alone: Seen
    beside: Seen
    lane_s: float

    @property
    def late_share(self) -> float:
        """Of the calls, those that are late for the tasks."""
        return self.alone.in_time - self.beside.in_time

    @property
    def p99(self) -> float:
        """Times that of the calls alone."""
        return self.beside.p99_ms / self.alone.p99_ms

    @property
    def idle_share(self) -> float:
        """Of the time that the calls alone left idle, what the tasks got."""
        return self.beside.tasks_s / max(1e-9, self.lane_s - self.alone.busy_s)


def write_models(kind: str, models: Path) -> Pair:
    """Writes the two models of a kind into a repository."""
    if kind == "computing":
        computing.write(models, computing.ENCODER, computing.MLP)
        call, task = computing.payload(computing.ENCODER, 24), computing.payload(computing.MLP, 0)
        return Pair(computing.ENCODER, call, computing.MLP, task, 0.0002)
    rows = np.zeros((1, 4), np.float32)
    for name, beta_ms in (("risk", 5.0), ("score", 1.0)):
        write_synthetic(models, name, alpha_ms=0, beta_ms=beta_ms, batch_max=16, noise=0.1)
    call, task = (serialised(name, "INPUT", rows) for name in ("risk", "score"))
    return Pair("risk", call, "score", task, 0.001)


class Bulk:
    """Tasks without limit, that can be held back.

    Args:
        address: Of a scheduler.
        pair: What they ask.
    """

    def __init__(self, address: str, pair: Pair) -> None:
        self._address = address
        self._pair = pair
        self._given = 0

    def submit(self, tasks: int) -> None:
        """Submits so many more."""
        asyncio.run(self._submit(tasks))

    def pause(self, *, paused: bool) -> None:
        """Holds them back, or lets them go."""
        scope = pb.QueueScope(tenant=BULK)
        with grpc.insecure_channel(self._address) as channel:
            stub = TaskServiceStub(channel)
            if paused:
                stub.PauseQueue(pb.PauseQueueRequest(scope=scope))
            else:
                stub.ResumeQueue(pb.ResumeQueueRequest(scope=scope))

    async def _submit(self, tasks: int) -> None:
        first, self._given = self._given, self._given + tasks
        async with grpc.aio.insecure_channel(self._address, options=OPTIONS) as channel:
            made = [
                pb.NewTask(request_id=f"t{number}", request=self._pair.task, tenant=BULK)
                for number in range(first, self._given)
            ]
            await submit_all(TaskServiceStub(channel), made)


def busy(mesh: Mesh, model: str) -> tuple[float, int]:
    """Seconds that lanes have run the model so far, and rows."""
    (stats,) = asyncio.run(statistics_of(mesh.router, model))
    return _busy_s(stats), stats.inference_count


def _busy_s(stats: inference_pb2.ModelStatistics) -> float:
    return sum(batch.compute_infer.ns for batch in stats.batch_stats) / 1e9


def looked_at(mesh: Mesh, pair: Pair, rate_per_s: float, seconds: float, seed: int) -> Seen:
    """Offers the calls; what became of them and of the tasks."""
    offer = Offer(rate_per_s, WARM_UP_S, DEADLINE_S, seed)
    generator.offer(mesh.router, offer.planned([pair.call]))
    before = busy(mesh, pair.called), busy(mesh, pair.asked)
    offer = Offer(rate_per_s, seconds, DEADLINE_S, seed + 1)
    sent = generator.offer(mesh.router, offer.planned([pair.call]))
    after = busy(mesh, pair.called), busy(mesh, pair.asked)
    seen = summarise(sent.outcomes)
    share = seconds / sent.wall_s
    return Seen(
        in_time=seen.answered / seen.offered,
        p99_ms=seen.answer_ms[1],
        busy_s=after[0][0] - before[0][0],
        tasks=after[1][1] - before[1][1],
        tasks_s=share * (after[1][0] - before[1][0]),
        sent_late_ms=seen.sent_late_ms[1],
        why_not={**seen.refused, **seen.missed},
    )


def measured(mesh: Mesh, pair: Pair, said: argparse.Namespace) -> tuple[float, list[Round]]:
    """What the mesh can do, calls a second, and the rounds."""
    found = generator.keep_busy(mesh.router, [pair.call], callers=CALLERS, seconds=3.0)
    capacity = sum(outcome.answered for outcome in found.outcomes) / found.wall_s
    lanes = said.workers * said.lanes
    bulk = Bulk(mesh.schedulers[0], pair)
    bulk.submit(WARM_UP_TASKS)
    rounds = []
    for number in range(said.rounds):
        seed = 10 * number + 1
        bulk.pause(paused=True)
        bulk.submit(int(lanes * (said.seconds + 2 * WARM_UP_S) / pair.task_s_min))
        alone = looked_at(mesh, pair, LOAD * capacity, said.seconds, seed)
        bulk.pause(paused=False)
        beside = looked_at(mesh, pair, LOAD * capacity, said.seconds, seed)
        rounds.append(Round(alone, beside, lanes * said.seconds))
    return capacity, rounds


def faults(rounds: list[Round]) -> list[str]:
    """What the tasks did that guests do not do, by the median of the rounds."""
    late = median(each.late_share for each in rounds)
    p99 = median(each.p99 for each in rounds)
    idle = median(each.idle_share for each in rounds)
    return [
        text
        for wrong, text in (
            (late > LATE_SHARE_MAX, f"{late:.1%} of the calls are late for the tasks"),
            (p99 > P99_MAX, f"p99 is x{p99:.2f}"),
            (idle < IDLE_SHARE_MIN, f"tasks get {idle:.2f} of the idle time"),
        )
        if wrong
    ]


def show(capacity: float, rounds: list[Round]) -> None:
    """The rounds as text."""
    print(f"capacity {capacity:.0f} calls a second; calls at {LOAD:g} of it")
    print("  in time alone / beside   p99 alone / beside        idle   tasks get    sent late p99")
    for each in rounds:
        alone, beside = each.alone, each.beside
        idle_s = each.lane_s - alone.busy_s
        print(
            f"  {alone.in_time:>12.2%} / {beside.in_time:.2%}"
            f"  {alone.p99_ms:>6.1f} / {beside.p99_ms:.1f} ms (x{each.p99:.2f})"
            f"  {idle_s:>5.1f} s  {beside.tasks_s:>5.1f} s ({each.idle_share:.2f}),"
            f" {beside.tasks} tasks  {alone.sent_late_ms:>5.1f} / {beside.sent_late_ms:.1f} ms"
        )
        if beside.why_not:
            print(f"  not in time beside tasks: {beside.why_not}")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", choices=("computing", "sleeping"), default="computing")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=1, help="of each worker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each half of a round")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pair = write_models(said.models, Path(folder))
        shape = {"workers": said.workers, "lanes": said.lanes, "schedulers": 1}
        with running_mesh(Path(folder), **shape) as mesh:
            capacity, rounds = measured(mesh, pair, said)
    found = faults(rounds)
    if said.json:
        told = {"capacity_per_s": capacity, "rounds": [asdict(each) for each in rounds]}
        print(json.dumps({**told, "faults": found}))
    else:
        show(capacity, rounds)
        for fault in found:
            print(f"BROKEN: {fault}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
