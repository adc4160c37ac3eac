"""What the queue of durable tasks costs, beside single SETs by 8 callers on the same server.

python -m loadtest.bench_queue [--waiting 1000000] [--rounds 5] [--server PATH] [--json]

It starts a server of its own. Rates are compared round by round, as this machine has other work
too; the ratio that counts is the median. Exit status 1 when an aim is missed.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hasten_cli.local.ports import free_port
from hasten_cli.local.redis import RedisEndpoint, answers, find_redis, write_config
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.redis_store.client import open_redis
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.port import (
    ENQUEUE_MAX,
    MOVE_MAX,
    Claiming,
    Limits,
    NewTask,
    Outcome,
    Place,
    Settlement,
    State,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

CALLERS = 8
SETS = 4000
PAYLOAD = bytes(256)
RESULT = bytes(64)
LANE = Lane("acme", "vision", 2)
OWN = Term("bench", 1, 3.0)
LIMITS = Limits(tasks_max=0)
FEW = 1000
"""Tasks that wait while rates are compared with those beside many."""
POLL_S = 0.05
IN_FLIGHT = 4
"""Calls with a batch at once: an owner claims while it settles."""
BATCHES = 20
"""Of ENQUEUE_MAX tasks, in one round."""


@dataclass(frozen=True)
class Verdict:
    """One figure beside its aim.

    Attributes:
        what: What was measured.
        figure: What came out.
        aim: What should.
        at_least: The figure should not be below the aim; else not above.
    """

    what: str
    figure: float
    aim: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """The aim is met."""
        return self.figure >= self.aim if self.at_least else self.figure <= self.aim


class Bench:
    """A server under test, and who works on it."""

    def __init__(self, endpoint: RedisEndpoint) -> None:
        self.redis: Redis = open_redis(endpoint.url)
        self.fast = RedisTaskQueue(endpoint.url)
        self.durable = RedisTaskQueue(endpoint.url, durability=Durability.DURABLE)
        self.long = RedisTaskQueue(endpoint.url, shard=1)
        self._next = 0

    async def begin(self) -> None:
        """Empties the server; both shards have their owner."""
        await self.redis.flushall(asynchronous=False)
        for shard in (0, 1):
            await self.redis.hset(
                f"{{hasten:q:{shard}}}:owner", mapping={"owner": OWN.owner, "epoch": OWN.epoch}
            )

    async def close(self) -> None:
        """Releases connections."""
        await self.redis.aclose()
        await self.fast.close()
        await self.durable.close()
        await self.long.close()

    def tasks(self, count: int) -> list[NewTask]:
        """New ones, none like another."""
        first = self._next
        self._next += count
        return [_task(number) for number in range(first, first + count)]

    async def sets(self, count: int) -> float:
        """Single SETs a second, by 8 callers."""

        async def caller(number: int) -> None:
            for each in range(count // CALLERS):
                await self.redis.set(f"set:{number}:{each}", PAYLOAD)

        return await _rate(count, *(caller(number) for number in range(CALLERS)))

    async def enqueue(self, tasks: list[NewTask], queue: RedisTaskQueue | None = None) -> float:
        """Tasks a second, in calls as large as may be."""

        async def caller(number: int) -> None:
            for start in range(number * ENQUEUE_MAX, len(tasks), IN_FLIGHT * ENQUEUE_MAX):
                some = tasks[start : start + ENQUEUE_MAX]
                outcomes = await (queue or self.fast).enqueue(some, LIMITS)
                _demand(outcomes == [Outcome.ACCEPTED] * len(some))

        return await _rate(len(tasks), *(caller(number) for number in range(IN_FLIGHT)))

    async def run(self, tasks: list[NewTask], queue: RedisTaskQueue | None = None) -> float:
        """Tasks claimed and settled a second, in calls as large as may be."""

        async def caller(number: int) -> None:
            for start in range(number * MOVE_MAX, len(tasks), IN_FLIGHT * MOVE_MAX):
                await self._run(tasks[start : start + MOVE_MAX], queue or self.fast)

        return await _rate(len(tasks), *(caller(number) for number in range(IN_FLIGHT)))

    async def one_by_one(self, tasks: list[NewTask]) -> float:
        """Whole lives of tasks a second by 8 callers, each with one task at a time."""

        async def caller(mine: list[NewTask]) -> None:
            for task in mine:
                outcomes = await self.fast.enqueue([task], LIMITS)
                _demand(outcomes == [Outcome.ACCEPTED])
                await self._run([task], self.fast)

        return await _rate(
            len(tasks), *(caller(tasks[number::CALLERS]) for number in range(CALLERS))
        )

    async def _run(self, tasks: list[NewTask], queue: RedisTaskQueue) -> None:
        claims = [Claiming(f"1.bench.{task.task_id}", LANE, task.task_id) for task in tasks]
        _demand(all(await queue.claim(OWN, claims)))
        ends = [
            Settlement(claim.attempt_id, claim.task_id, LANE, State.DONE, RESULT)
            for claim in claims
        ]
        _demand(all(await queue.settle(OWN, ends)))

    async def cpu_s(self) -> float:
        """Processor time that the server has used."""
        info = await self.redis.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    async def used_bytes(self) -> int:
        """Memory that the server's data take."""
        return int((await self.redis.info("memory"))["used_memory"])


def _demand(done: bool) -> None:  # noqa: FBT001  (one word of an assertion)
    if not done:
        raise RuntimeError("the queue did not do what was measured")


def _task(number: int) -> NewTask:
    return NewTask(
        task_id=f"acme/{number:012}",
        digest=number.to_bytes(16, "little"),
        lane=LANE,
        place=Place(1.0, 60.0),
        left_s=60.0,
        start_in_s=0.0,
        keep_s=0.0,
        attempts_max=3,
        rows=1,
        elements=64,
        key="",
        key_max=1,
        about=b"",
        payload=PAYLOAD,
    )


async def _rate(count: int, *work: Awaitable[None]) -> float:
    began_s = time.perf_counter()
    await asyncio.gather(*work)
    return count / (time.perf_counter() - began_s)


async def _ratio(
    rounds: int, one: Callable[[], Awaitable[float]], other: Callable[[], Awaitable[float]]
) -> tuple[float, float]:
    """Median of the ratios of two rates that are measured in turn, and the median of the first."""
    pairs = [(await one(), await other()) for _ in range(rounds)]
    return (
        statistics.median(first / second for first, second in pairs),
        statistics.median(first for first, _ in pairs),
    )


async def compare_with_sets(bench: Bench, rounds: int) -> list[Verdict]:
    """Rates in batches and one by one, and the server's processor time in a task's life."""
    batch = BATCHES * ENQUEUE_MAX
    waiting: list[NewTask] = []

    async def sets() -> float:
        return await bench.sets(SETS)

    async def enqueue() -> float:
        waiting.extend(tasks := bench.tasks(batch))
        return await bench.enqueue(tasks)

    async def run() -> float:
        some, waiting[:] = waiting[:batch], waiting[batch:]
        return await bench.run(some)

    await bench.begin()
    into, into_hz = await _ratio(rounds, enqueue, sets)
    out, out_hz = await _ratio(rounds, run, sets)
    each, each_hz = await _ratio(rounds, lambda: bench.one_by_one(bench.tasks(1600)), sets)
    print(f"tasks a second: enqueued {into_hz:,.0f}, run {out_hz:,.0f}, one by one {each_hz:,.0f}")
    return [
        Verdict("enqueue in batches, to single SETs", into, 2.5),
        Verdict("claim and settle in batches, to single SETs", out, 2.0),
        Verdict("whole lives one by one, to single SETs", each, 0.35),
        Verdict(
            "server CPU in a task's life (µs)", await life_us(bench, batch), 35.0, at_least=False
        ),
    ]


async def life_us(bench: Bench, count: int) -> float:
    """The server's processor time for a task that is enqueued, run and swept, in batches."""
    best_us = set_us = float("inf")
    for _ in range(3):
        tasks = bench.tasks(count)
        began_s = await bench.cpu_s()
        await bench.sets(SETS)
        set_us = min(set_us, (await bench.cpu_s() - began_s) / SETS * 1e6)
        began_s = await bench.cpu_s()
        await bench.enqueue(tasks)
        await bench.run(tasks)
        while await bench.fast.sweep(OWN, ENQUEUE_MAX):
            pass
        best_us = min(best_us, (await bench.cpu_s() - began_s) / count * 1e6)
    print(f"server CPU: {best_us:.1f} µs in a task's life, {set_us:.1f} µs for a single SET")
    return best_us


async def compare_durability(bench: Bench, rounds: int) -> Verdict:
    """DURABLE where each call is synced, to FAST where the file is synced each second."""

    async def synced(fsync: str, queue: RedisTaskQueue) -> float:
        await bench.redis.config_set("appendfsync", fsync)
        return await bench.enqueue(bench.tasks(BATCHES * ENQUEUE_MAX), queue)

    await bench.begin()
    ratio, hz = await _ratio(
        rounds,
        lambda: synced("always", bench.durable),
        lambda: synced("everysec", bench.fast),
    )
    await bench.redis.config_set("appendfsync", "everysec")
    print(f"DURABLE: {hz:,.0f} tasks a second, {ENQUEUE_MAX} a call")
    return Verdict("DURABLE at 256 a call, to FAST", ratio, 0.7)


async def compare_lengths(bench: Bench, waiting: int, rounds: int) -> list[Verdict]:
    """Rates while many tasks wait, to those while few do; and what a waiting task takes."""

    async def cycle(queue: RedisTaskQueue) -> float:
        tasks = bench.tasks(BATCHES * ENQUEUE_MAX)
        began_s = time.perf_counter()
        await bench.enqueue(tasks, queue)
        await bench.run(tasks, queue)
        return len(tasks) / (time.perf_counter() - began_s)

    await bench.begin()
    empty_bytes = await bench.used_bytes()
    filled_hz = await bench.enqueue(bench.tasks(waiting), bench.long)
    task_bytes = (await bench.used_bytes() - empty_bytes) / waiting
    await bench.enqueue(bench.tasks(FEW))
    ratio, many_hz = await _ratio(2 * rounds, lambda: cycle(bench.long), lambda: cycle(bench.fast))
    print(
        f"{waiting:,} enqueued at {filled_hz:,.0f} a second; beside them {many_hz:,.0f} a second"
        " are enqueued and run"
    )
    return [
        Verdict(f"rate beside {waiting:,} waiting, to {FEW:,}", ratio, 0.8),
        Verdict("memory of a waiting task (B)", task_bytes, 900.0, at_least=False),
    ]


@contextmanager
def own_server(program: str) -> Iterator[RedisEndpoint]:
    """A server with an append-only file, in a folder of its own."""
    with TemporaryDirectory() as folder:
        endpoint = RedisEndpoint(free_port())
        config = write_config(endpoint, Path(folder))
        process = subprocess.Popen([program, str(config)], stdout=subprocess.DEVNULL)
        try:
            asyncio.run(_until_it_answers(endpoint))
            yield endpoint
        finally:
            process.terminate()
            process.wait()


async def _until_it_answers(endpoint: RedisEndpoint) -> None:
    async with asyncio.timeout(30.0):
        while await answers(endpoint) is None:  # noqa: ASYNC110  (of another process)
            await asyncio.sleep(POLL_S)


async def measure(endpoint: RedisEndpoint, waiting: int, rounds: int) -> list[Verdict]:
    """All verdicts."""
    bench = Bench(endpoint)
    try:
        info: dict[str, Any] = await bench.redis.info("server")
        print(f"server {info.get('valkey_version') or info['redis_version']}")
        verdicts = await compare_with_sets(bench, rounds)
        verdicts.append(await compare_durability(bench, rounds))
        return verdicts + await compare_lengths(bench, waiting, rounds)
    finally:
        await bench.close()


def main() -> int:
    """Measures, prints, and returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--waiting", type=int, default=1_000_000, help="tasks of the long queue")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", default="", help="redis-server to use")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    options = parser.parse_args()
    with own_server(options.server or find_redis()) as endpoint:
        verdicts = asyncio.run(measure(endpoint, options.waiting, options.rounds))
    for verdict in verdicts:
        sign = ">=" if verdict.at_least else "<="
        said = "met" if verdict.met else "MISSED"
        print(f"{verdict.what:48} {verdict.figure:8.2f}  aim {sign} {verdict.aim:g}  {said}")
    if options.json:
        print(json.dumps([{**asdict(verdict), "met": verdict.met} for verdict in verdicts]))
    return 0 if all(verdict.met for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
