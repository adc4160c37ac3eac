"""A Redis primary dies behind three Sentinels: how long is nothing accepted, and what is lost?

A primary and two replicas that lag as little as they do on one machine. Callers have tasks accepted
all the time, one after the other, half of them FAST and half DURABLE (on the disk, and on one
replica). The primary is killed, in another round stopped. An outage is the longest time in
which no task of a class was accepted; lost is what was accepted and is not at the new primary.

    python -m loadtest.failover [--rounds 2] [--down-after-ms 1000] [--json]

Ends with status 1 when DURABLE lost a task, or an outage took more than 3 s.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from hasten_cli.local.ports import free_port
from hasten_cli.local.redis import find_redis
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import bounded, open_redis
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.port import Limits, NewTask, Outcome, Place
from loadtest.stored_task import stored_task

SERVICE: Final = "tasks"
OUTAGE_S_MAX: Final = 3.0
BEFORE_S: Final = 2.0
AFTER_S: Final = 6.0
CALLERS: Final = 4
"""Of each class."""
AGAIN_S: Final = 0.02
SETTLED_S_MAX: Final = 60.0
LANE: Final = Lane("acme", "vision", 2)
LIMITS: Final = Limits(tasks_max=0)
LOOKED_AT_ONCE: Final = 200


@dataclass(slots=True)
class Accepted:
    """Tasks of one class that were accepted: their ids, and when.

    Attributes:
        ids: In order.
        at_s: When the caller was told.
    """

    ids: list[str] = field(default_factory=list[str])
    at_s: list[float] = field(default_factory=list[float])

    def outage_s(self, ended_s: float) -> float:
        """The longest time between two, or from the last one until the end."""
        times = [*self.at_s, ended_s]
        return max(after - before for before, after in pairwise(times))

    def per_s(self, until_s: float) -> float:
        """How many a second before that time."""
        before = [at_s for at_s in self.at_s if at_s < until_s]
        return len(before) / max(1e-9, until_s - self.at_s[0])


@dataclass(frozen=True, slots=True)
class Round:
    """One death.

    Attributes:
        how: "killed" or "stopped".
        outage_s: By class.
        lost: By class.
        fast_per_s: FAST tasks a second before it.
    """

    how: str
    outage_s: dict[str, float]
    lost: dict[str, int]
    fast_per_s: float


class Servers:
    """Redis servers of one round.

    Args:
        folder: For their files.
        stack: Ends them.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._program = find_redis(os.environ.get("PATH"))
        self._folder = folder
        self._stack = stack

    def server(self, *options: str) -> tuple[int, subprocess.Popen[bytes]]:
        """Starts one; its port and process."""
        port = free_port()
        data = self._folder / str(port)
        data.mkdir()
        command = [self._program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        command += ["--repl-diskless-sync-delay", "0", *options]
        return port, self._start(command)

    def sentinel(self, primary: int, down_after_ms: int) -> int:
        """Starts a Sentinel; its port."""
        port = free_port()
        config = self._folder / f"{port}.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}\n"
            f"sentinel failover-timeout {SERVICE} 3000\n"
        )
        self._start([self._program, str(config), "--sentinel"])
        return port

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


async def settled(port: int, section: str, *words: str) -> None:
    """Waits until the server's INFO has all these words."""
    redis = open_redis(f"redis://127.0.0.1:{port}/0")
    try:
        async with asyncio.timeout(SETTLED_S_MAX):
            while True:
                try:
                    async with bounded():
                        told = await redis.info(section)
                except StoreUnavailable:
                    told = {}
                if all(word in str(told) for word in words):
                    return
                await asyncio.sleep(AGAIN_S)
    finally:
        await redis.aclose()


async def accept(
    queue: RedisTaskQueue, name: str, accepted: Accepted, until: asyncio.Event
) -> None:
    """Has tasks accepted, one after the other; each is repeated until it is known to be."""
    number = 0
    while not until.is_set():
        number += 1
        task = _task(f"{name}-{number}")
        while not until.is_set():
            try:
                (outcome,) = await queue.enqueue([task], LIMITS)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)
                continue
            if outcome in {Outcome.ACCEPTED, Outcome.SAME}:
                accepted.ids.append(task.task_id)
                accepted.at_s.append(time.monotonic())
            break


def _task(task_id: str) -> NewTask:
    place = Place(1.0, 0.0)
    return stored_task(task_id, LANE, place, left_s=3600.0, keep_s=3600.0, payload=bytes(256))


async def lost(queue: RedisTaskQueue, accepted: Accepted) -> int:
    """Tasks that are not there."""
    missing = 0
    for at in range(0, len(accepted.ids), LOOKED_AT_ONCE):
        records = await queue.records(accepted.ids[at : at + LOOKED_AT_ONCE])
        missing += records.count(None)
    return missing


async def death(how: str, down_after_ms: int, folder: Path, stack: ExitStack) -> Round:
    """One round."""
    servers = Servers(folder, stack)
    port, primary = servers.server()
    for _ in range(2):
        servers.server("--replicaof", "127.0.0.1", str(port))
    sentinels = [servers.sentinel(port, down_after_ms) for _ in range(3)]
    await settled(port, "replication", "'connected_slaves': 2", "'state': 'online'")
    for sentinel in sentinels:
        await settled(sentinel, "sentinel", "'slaves': 2", "'sentinels': 3")
    url = f"redis+sentinel://{','.join(f'127.0.0.1:{each}' for each in sentinels)}/{SERVICE}"
    queues = {
        "fast": RedisTaskQueue(url, shard=0),
        "durable": RedisTaskQueue(url, shard=1, durability=Durability.DURABLE, replicas=1),
    }
    accepted = {name: Accepted() for name in queues}
    until = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as doing:
            for name, queue in queues.items():
                for caller in range(CALLERS):
                    doing.create_task(accept(queue, f"{name}{caller}", accepted[name], until))
            await asyncio.sleep(BEFORE_S)
            died_s = time.monotonic()
            primary.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
            await asyncio.sleep(AFTER_S)
            ended_s = time.monotonic()
            until.set()
        return Round(
            how=how,
            outage_s={name: one.outage_s(ended_s) for name, one in accepted.items()},
            lost={name: await lost(queues[name], one) for name, one in accepted.items()},
            fast_per_s=accepted["fast"].per_s(died_s),
        )
    finally:
        for queue in queues.values():
            await queue.close()


@contextmanager
def _place() -> Iterator[tuple[Path, ExitStack]]:
    with TemporaryDirectory() as folder, ExitStack() as stack:
        yield Path(folder), stack


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="of each way to die")
    parser.add_argument("--down-after-ms", type=int, default=1000, help="as the Sentinels have it")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    rounds = []
    for number in range(2 * said.rounds):
        with _place() as (folder, stack):
            how = ("killed", "stopped")[number % 2]
            rounds.append(asyncio.run(death(how, said.down_after_ms, folder, stack)))
    if said.json:
        print(json.dumps([asdict(each) for each in rounds]))
    for each in () if said.json else rounds:
        print(
            f"{each.how:>8}: outage FAST {each.outage_s['fast']:.2f} s,"
            f" DURABLE {each.outage_s['durable']:.2f} s;"
            f" lost FAST {each.lost['fast']} ({each.fast_per_s:.0f} a second),"
            f" DURABLE {each.lost['durable']}"
        )
    broken = any(
        each.lost["durable"] or max(each.outage_s.values()) > OUTAGE_S_MAX for each in rounds
    )
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
