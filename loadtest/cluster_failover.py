"""One of three primaries of a Redis Cluster dies: do the shards of the others go on as before?

Three primaries without replicas, a shard of the queue on each. Callers have tasks accepted in every
shard all the time, one after the other. One primary is killed, in another round stopped. Counted
is what the other two shards accept in the seconds before it and after it, and the longest time in
which one of them accepted nothing.

    python -m loadtest.cluster_failover [--rounds 2] [--seconds 5] [--json]

Ends with status 1 when the others kept less than 90 % of their rate.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from typing import Final

from redis.crc import key_slot

from hasten_cli.local.ports import free_port
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import bounded, open_redis
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from loadtest.failover import AGAIN_S, SETTLED_S_MAX, Accepted, Servers, accept, settled

PRIMARIES: Final = 3
SLOTS: Final = 16384
NODE_TIMEOUT_MS: Final = 1000
KEPT_SHARE_MIN: Final = 0.9
CALLERS: Final = 2
"""Of each shard."""
SETTLE_S: Final = 1.0
"""Before anything is counted."""


@dataclass(frozen=True, slots=True)
class Round:
    """One death.

    Attributes:
        how: "killed" or "stopped".
        before_per_s: Tasks accepted a second in the other two shards before it.
        after_per_s: After it.
        pause_s: The longest time after it in which one of them accepted nothing.
    """

    how: str
    before_per_s: float
    after_per_s: float
    pause_s: float

    @property
    def kept(self) -> float:
        """Share of the rate that is left."""
        return self.after_per_s / max(1e-9, self.before_per_s)


@dataclass(frozen=True, slots=True)
class Primary:
    """One of the Cluster's servers.

    Attributes:
        port: Of its clients.
        bus: Of the other servers.
        process: Its process.
    """

    port: int
    bus: int
    process: Popen[bytes]


async def _said(port: int, *words: str | int) -> None:
    redis = open_redis(f"redis://127.0.0.1:{port}/0")
    try:
        async with bounded():
            await redis.execute_command(*words)  # type: ignore[no-untyped-call]  # of redis
    finally:
        await redis.aclose()


async def cluster(servers: Servers) -> list[Primary]:
    """Starts it; each primary has a third of the slots, in order."""
    primaries = []
    for number in range(PRIMARIES):
        bus = free_port()
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
        options += ["--cluster-require-full-coverage", "no", "--cluster-port", str(bus)]
        port, process = servers.server(*options)
        await settled(port, "server", "'tcp_port'")
        first, last = (-(-SLOTS * at // PRIMARIES) for at in (number, number + 1))
        await _said(port, "CLUSTER", "ADDSLOTSRANGE", first, last - 1)
        await _said(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        primaries.append(Primary(port, bus, process))
    for primary in primaries[1:]:
        await _said(
            primary.port, "CLUSTER", "MEET", "127.0.0.1", primaries[0].port, primaries[0].bus
        )
    return primaries


async def _answers(queue: RedisTaskQueue) -> None:
    """Waits until the shard can be asked: the servers know each other only after a moment."""
    async with asyncio.timeout(SETTLED_S_MAX):
        while True:
            try:
                await queue.stats()
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)
            else:
                return


def shards() -> list[int]:
    """A shard for each primary, in their order."""
    found: dict[int, int] = {}
    number = 0
    while len(found) < PRIMARIES:
        owner = key_slot(f"hasten:q:{number}".encode()) * PRIMARIES // SLOTS
        found.setdefault(owner, number)
        number += 1
    return [found[at] for at in range(PRIMARIES)]


def seen(how: str, others: list[Accepted], died_s: float, seconds: float) -> Round:
    """Counts what was accepted in the others' shards."""
    before = after = 0
    pause_s = 0.0
    for one in others:
        before += sum(died_s - seconds <= at_s < died_s for at_s in one.at_s)
        later = [at_s for at_s in one.at_s if died_s <= at_s < died_s + seconds]
        after += len(later)
        pauses = pairwise([died_s, *later, died_s + seconds])
        pause_s = max(pause_s, *(end - begin for begin, end in pauses))
    return Round(how, before / seconds, after / seconds, pause_s)


async def death(how: str, victim: int, seconds: float, folder: Path, stack: ExitStack) -> Round:
    """One round."""
    primaries = await cluster(Servers(folder, stack))
    url = f"redis+cluster://{','.join(f'127.0.0.1:{each.port}' for each in primaries)}"
    queues = [RedisTaskQueue(url, shard=shard) for shard in shards()]
    try:
        for queue in queues:
            await _answers(queue)
        accepted = [Accepted() for _ in queues]
        until = asyncio.Event()
        async with asyncio.TaskGroup() as doing:
            for shard, (queue, one) in enumerate(zip(queues, accepted, strict=True)):
                for caller in range(CALLERS):
                    doing.create_task(accept(queue, f"{shard}.{caller}", one, until))
            await asyncio.sleep(SETTLE_S + seconds)
            died_s = time.monotonic()
            kill = signal.SIGKILL if how == "killed" else signal.SIGSTOP
            primaries[victim].process.send_signal(kill)
            await asyncio.sleep(seconds)
            until.set()
        others = [one for at, one in enumerate(accepted) if at != victim]
        return seen(how, others, died_s, seconds)
    finally:
        for queue in queues:
            await queue.close()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2, help="of each way to die")
    parser.add_argument("--seconds", type=float, default=5.0, help="before and after the death")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    rounds = []
    for number in range(2 * said.rounds):
        with TemporaryDirectory() as folder, ExitStack() as stack:
            how = ("killed", "stopped")[number % 2]
            victim = number % PRIMARIES
            rounds.append(asyncio.run(death(how, victim, said.seconds, Path(folder), stack)))
    if said.json:
        print(json.dumps([{**asdict(each), "kept": each.kept} for each in rounds]))
    for each in () if said.json else rounds:
        print(
            f"{each.how:>8}: the other shards accept {each.before_per_s:.0f} tasks a second before,"
            f" {each.after_per_s:.0f} after ({each.kept:.2f}); longest pause {each.pause_s:.2f} s"
        )
    sys.exit(1 if any(each.kept < KEPT_SHARE_MIN for each in rounds) else 0)


if __name__ == "__main__":
    main()
