"""Processes of a mesh that are killed, stopped and started again, by a plan made of a seed."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from hasten_cli.local import ports, redis
from hasten_cli.local.plan import Place, ServiceSpec, UpOptions, redis_spec, service_specs
from hasten_cli.local.process import Child
from hasten_cli.local.run_folder import RunFolder

READY_S_MAX: Final = 120.0
PROBE_S: Final = 0.02
KILLED: Final = 0.4
"""Share of kills; the others are stops, after which the process goes on."""
DOWN_S: Final = (0.05, 0.5)
"""Between a kill and the new start."""
STOPPED_S: Final[Mapping[str, tuple[float, float]]] = {
    "worker": (0.5, 4.0),
    "scheduler": (0.5, 6.0),
    "redis": (0.2, 1.5),
}
WEIGHTS: Final = {"worker": 5, "scheduler": 3, "redis": 1}
"""How often each kind is hit."""

Probe = Callable[[], Awaitable[Mapping[str, Any] | None]]


class Breakable:
    """One process that can be hit again and again.

    Attributes:
        spec: What is started.
        whole: It runs, and nobody is at it.
    """

    def __init__(self, spec: ServiceSpec, folder: RunFolder, probe: Probe | None = None) -> None:
        self.spec = spec
        self.whole = True
        self._folder = folder
        self._probe = probe
        self._child = Child(spec, folder)

    async def start(self) -> Mapping[str, Any]:
        """Starts it; returns what it says of itself when it is ready."""
        await self._child.start()
        async with asyncio.timeout(READY_S_MAX):
            if self._probe is None:
                return await self._child.announced()
            while True:
                if (facts := await self._probe()) is not None:
                    return facts
                await asyncio.sleep(PROBE_S)

    async def kill(self, down_s: float) -> None:
        """SIGKILL, and a new start a while later; returns before that one is ready."""
        self.whole = False
        os.kill(self._child.pid, signal.SIGKILL)
        await self._child.stop()
        await asyncio.sleep(down_s)
        self._child = Child(self.spec, self._folder)
        await self._child.start()
        self.whole = True

    async def stop(self, stopped_s: float) -> None:
        """SIGSTOP, and SIGCONT a while later."""
        self.whole = False
        try:
            os.kill(self._child.pid, signal.SIGSTOP)
            await asyncio.sleep(stopped_s)
        finally:
            os.kill(self._child.pid, signal.SIGCONT)
        self.whole = True

    @property
    def ended(self) -> int | None:
        """Exit status, if it ended by itself."""
        return self._child.exit_status if self.whole else None

    async def close(self) -> None:
        """Ends it in order."""
        await self._child.stop()


@dataclass(frozen=True, slots=True)
class Hit:
    """What is done to whom, and when.

    Attributes:
        at_s: After the beginning.
        kind: Of process.
        killed: Or else stopped.
        for_s: Down, or stopped, for so long.
    """

    at_s: float
    kind: str
    killed: bool
    for_s: float


def plan(seed: int, hits: int, time_s: float) -> list[Hit]:
    """So many hits over the time, the same for the same seed."""
    chance = random.Random(seed)
    kinds = list(WEIGHTS)
    planned = []
    for number in range(hits):
        kind = chance.choices(kinds, list(WEIGHTS.values()))[0]
        killed = chance.random() < KILLED
        at_s = time_s * (number + chance.random()) / hits
        planned.append(
            Hit(at_s, kind, killed, chance.uniform(*(DOWN_S if killed else STOPPED_S[kind])))
        )
    return planned


@dataclass(slots=True)
class BreakableMesh:
    """Redis, workers and schedulers, without a router.

    Attributes:
        parts: Its processes.
        schedulers: "host:port" of each scheduler.
        logs: The processes' logs.
        hits: What was done so far, by kind and way.
    """

    parts: list[Breakable]
    schedulers: list[str]
    logs: Path
    hits: Counter[str] = field(default_factory=Counter[str])

    async def suffer(self, hits: Sequence[Hit], seed: int) -> None:
        """Carries the plan out; returns when all run again."""
        chance = random.Random(seed)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.TaskGroup() as going_on:
            for hit in hits:
                await asyncio.sleep(max(0.0, began_s + hit.at_s - loop.time()))
                whole = [p for p in self.parts if p.spec.kind == hit.kind and p.whole]
                if not whole:
                    # All of them are down already: it hits whoever is up.
                    whole = [part for part in self.parts if part.whole]
                if not whole:
                    continue
                part = chance.choice(whole)
                self.hits[f"{part.spec.kind} {'killed' if hit.killed else 'stopped'}"] += 1
                going_on.create_task((part.kill if hit.killed else part.stop)(hit.for_s))

    def check(self) -> None:
        """Raises RuntimeError, with its log, for a process that ended by itself."""
        for part in self.parts:
            if part.ended is not None:
                log = (self.logs / f"{part.spec.name}.log").read_text()[-4000:]
                raise RuntimeError(f"{part.spec.name} ended with {part.ended}:\n{log}")


@asynccontextmanager
async def breakable_mesh(
    models: Path, *, workers: int, schedulers: int, environ: Mapping[str, str]
) -> AsyncIterator[BreakableMesh]:
    """A mesh of the processes that `hasten up` starts; gone when the block ends.

    Args:
        models: The repository.
        workers: Number of workers.
        schedulers: Number of schedulers.
        environ: The user's environment; HASTEN_SCHEDULER_* and the like count as in `hasten up`.
    """
    with RunFolder() as folder:
        endpoint = redis.RedisEndpoint(ports.free_port())
        config = redis.write_config(endpoint, folder.path)
        program = redis.find_redis(os.environ.get("PATH"))
        store = Breakable(
            redis_spec(program, config, environ), folder, partial(redis.answers, endpoint)
        )
        options = UpOptions(models=models, workers=workers, schedulers=schedulers, control="none")
        parts = [store]
        addresses = []
        for spec in service_specs(options, Place(models, endpoint.url, folder.path, environ)):
            if spec.kind == "scheduler":
                # It has the same address after each start, as it would behind a name.
                address = f"127.0.0.1:{ports.free_port()}"
                addresses.append(address)
                parts.append(Breakable(spec.with_environ(HASTEN_SCHEDULER_ADDRESS=address), folder))
            elif spec.kind == "worker":
                parts.append(Breakable(spec, folder))
        mesh = BreakableMesh(parts, addresses, folder.logs)
        try:
            await store.start()
            await asyncio.gather(*(part.start() for part in parts[1:]))
            yield mesh
        finally:
            for part in reversed(parts):
                await part.close()
