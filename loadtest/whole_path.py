"""Tasks from submission to their end through one scheduler, beside calls through the router.

Both ask the same worker of the same mesh for a tiny model. Calls: the most a second that 8, 16 or
32 callers in a closed loop get. Tasks: a second, from the first that is submitted until the last
has its answer stored; and what the scheduler's process takes of a core for one. Before that, on a
mesh that does nothing else, one task after the other: from its acceptance until it was sent to the
worker (the scheduler's own histogram: the bound of the bucket), and until its caller has the
answer.

    python -m loadtest.whole_path [--tasks 20000] [--rounds 3] [--json]
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

import grpc
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten.scheduler.v1.scheduler_service_pb2_grpc import TaskServiceStub
from hasten_runtime.telemetry_names import METRIC_SCHEDULER_START_SECONDS
from loadtest import generator
from loadtest.call import OPTIONS, serialised
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_mean
from loadtest.summary import quantile
from loadtest.task_stream import submit_all

MODEL: Final = "mean"
CALLERS: Final = (8, 16, 32)
CALLS_S: Final = 3.0
STREAMS: Final = 4
ONE_BY_ONE: Final = 300
WAIT_S: Final = 60.0
LOOK_S: Final = 0.2
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of both.

    Attributes:
        calls_per_s: Through the router.
        tasks_per_s: Through the scheduler.
        cpu_us: Of the scheduler's process, for one task.
    """

    calls_per_s: float
    tasks_per_s: float
    cpu_us: float


def cpu_s(pid: int) -> float:
    """What a process has taken of the cores so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def calls_per_s(mesh: Mesh, payload: bytes) -> float:
    """The most that the router does."""
    found = 0.0
    for callers in CALLERS:
        sent = generator.keep_busy(mesh.router, [payload], callers=callers, seconds=CALLS_S)
        found = max(found, sum(outcome.answered for outcome in sent.outcomes) / sent.wall_s)
    return found


class Tasks:
    """Submits them to a scheduler.

    Args:
        channel: To it.
        payload: What they ask.
        prefix: Of their ids.
    """

    def __init__(self, channel: grpc.aio.Channel, payload: bytes, prefix: str) -> None:
        self._stub = TaskServiceStub(channel)
        self._payload = payload
        self._prefix = prefix
        self._given = 0

    def _next(self) -> pb.NewTask:
        self._given += 1
        return pb.NewTask(request_id=f"{self._prefix}-{self._given}", request=self._payload)

    async def many(self, tasks: int) -> float:
        """Seconds until so many are done."""
        done = await self._done()
        made = [self._next() for _ in range(tasks)]
        began_s = time.monotonic()
        share = -(-tasks // STREAMS)
        shares = [made[at : at + share] for at in range(0, tasks, share)]
        await asyncio.gather(*(submit_all(self._stub, some) for some in shares))
        while await self._done() < done + tasks:  # noqa: ASYNC110  (another process does them)
            await asyncio.sleep(LOOK_S)
        return time.monotonic() - began_s

    async def _done(self) -> int:
        stats = await self._stub.Stats(pb.StatsRequest())
        return sum(one.tasks for one in stats.states if one.state == pb.TASK_STATE_DONE)

    async def one(self) -> float:
        """Seconds until one has its answer."""
        task = self._next()
        began_s = time.monotonic()
        await self._stub.SubmitTask(pb.SubmitTaskRequest(task=task))
        name = pb.TaskName(request_id=task.request_id)
        await self._stub.WaitTask(pb.WaitTaskRequest(name=name), timeout=WAIT_S)
        return time.monotonic() - began_s


Buckets = dict[float, float]


def started(metrics: str) -> Buckets:
    """Tasks that were sent within so many seconds of their acceptance, by bucket."""
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=WAIT_S) as answer:
        text = answer.read().decode()
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"{METRIC_SCHEDULER_START_SECONDS}_bucket"
    }


def bound_s(before: Buckets, after: Buckets, share: float) -> float:
    """The least bound below which this share of what came between lies."""
    came = {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
    total = max(came.values())
    return min(bound for bound, count in came.items() if count >= share * total)


async def through_scheduler(
    mesh: Mesh, payload: bytes, tasks: int, number: int
) -> tuple[float, float]:
    """Tasks a second, and microseconds of the scheduler's CPU for one."""
    (pid,) = mesh.scheduler_pids
    async with grpc.aio.insecure_channel(mesh.schedulers[0], options=OPTIONS) as channel:
        before_s = cpu_s(pid)
        took_s = await Tasks(channel, payload, f"round{number}").many(tasks)
        return tasks / took_s, 1e6 * (cpu_s(pid) - before_s) / tasks


async def one_by_one(mesh: Mesh, payload: bytes) -> list[float]:
    """Seconds of tasks that are submitted when the one before has its answer."""
    async with grpc.aio.insecure_channel(mesh.schedulers[0], options=OPTIONS) as channel:
        tasks = Tasks(channel, payload, "one")
        return [await tasks.one() for _ in range(ONE_BY_ONE)]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=20_000, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    payload = serialised(MODEL, "INPUT", np.zeros((1, 16), np.float32))
    with tempfile.TemporaryDirectory() as folder:
        write_mean(Path(folder), MODEL, width=16)
        with running_mesh(Path(folder), schedulers=1) as mesh:
            before = started(mesh.scheduler_metrics[0])
            alone_s = asyncio.run(one_by_one(mesh, payload))
            after = started(mesh.scheduler_metrics[0])
            rounds = []
            for number in range(said.rounds):
                calls = calls_per_s(mesh, payload)
                done = asyncio.run(through_scheduler(mesh, payload, said.tasks, number))
                rounds.append(Round(calls, *done))
    start_ms = [1e3 * bound_s(before, after, share) for share in (0.5, 0.99)]
    answer_ms = [1e3 * quantile(alone_s, share) for share in (0.5, 0.99)]
    if said.json:
        told = {"start_ms": start_ms, "answer_ms": answer_ms}
        print(json.dumps({**told, "rounds": [asdict(each) for each in rounds]}))
        return
    print(
        f"an idle mesh: started within {start_ms[0]:g} / {start_ms[1]:g} ms (p50 / p99), ", end=""
    )
    print(f"answered within {answer_ms[0]:.1f} / {answer_ms[1]:.1f} ms")
    for each in rounds:
        share = each.tasks_per_s / each.calls_per_s
        print(
            f"{each.calls_per_s:>7.0f} calls/s  {each.tasks_per_s:>7.0f} tasks/s (x{share:.2f})"
            f"  {each.cpu_us:>5.0f} us of CPU a task"
        )
    print(f"x{median(each.tasks_per_s / each.calls_per_s for each in rounds):.2f} by the median")


if __name__ == "__main__":
    main()
