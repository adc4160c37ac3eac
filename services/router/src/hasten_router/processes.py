"""Many router processes behind one port: the kernel shares the connections out."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hasten_router.lifeline import Pulse
from hasten_router.settings import RouterSettings
from hasten_runtime import logs, process
from hasten_runtime.grpc_server import listening

BACKOFF_S_MIN: Final = 0.2
BACKOFF_S_MAX: Final = 5.0
HEALTHY_S: Final = 10.0
"""A child that lived this long is started again without delay."""
STARTS_MAX: Final = 5
"""A child that ends this often in a row without ever being ready will not get better."""
STOP_MARGIN_S: Final = 5.0
LINE_BYTES_MAX: Final = 64 * 1024

_log = logs.logger(__name__)


@dataclass(slots=True)
class _Child:
    index: int
    flags: tuple[str, ...]
    start: asyncio.Task[asyncio.subprocess.Process] | None = None
    """Of the process that it has, or is about to have."""
    pulse: Pulse | None = None
    """Of that process."""


class Addresses(NamedTuple):
    """Where clients come in, with the real ports.

    Attributes:
        grpc: "host:port".
        http: The same; "" for no HTTP.
    """

    grpc: str
    http: str


class Supervisor:
    """Starts the children, starts crashed ones again, and stops them all."""

    def __init__(self, settings: RouterSettings, argv: Sequence[str]) -> None:
        self._settings = settings
        self._argv = tuple(argv)
        self._ready: asyncio.Queue[tuple[int, dict[str, Any]]] = asyncio.Queue()
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> int:
        """Runs until `stop` is set; returns the exit code."""
        with reserved_ports(self._settings) as addresses:
            children = [
                _Child(index, child_flags(self._settings, index, addresses))
                for index in range(self._settings.processes)
            ]
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(self._keep(child)) for child in children]
                announcer = group.create_task(self._announce(addresses))
                try:
                    await stop.wait()
                finally:
                    self._stopping = True
                    announcer.cancel()
                    await self._stop(children)
                    for keeper in keepers:
                        keeper.cancel()
        return 0

    async def _announce(self, addresses: Addresses) -> None:
        """The one ready line, once every child has said its own."""
        facts: dict[int, dict[str, Any]] = {}
        while len(facts) < self._settings.processes:  # One that is started again counts once.
            index, said = await self._ready.get()
            facts[index] = said
        metrics = sorted(str(said.get("metrics_address")) for said in facts.values())
        process.announce_ready(
            service="router",
            address=addresses.grpc,
            http_address=addresses.http or None,
            metrics_address=metrics[0],
            processes=self._settings.processes,
        )

    async def _keep(self, child: _Child) -> None:
        backoff_s = BACKOFF_S_MIN
        failed_starts = 0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began_s = loop.time()
            # Whoever is cancelled meanwhile does not leave a process that nobody knows of.
            child.start = asyncio.create_task(self._start(child), name=f"start-{child.index}")
            running = await asyncio.shield(child.start)
            watching = asyncio.create_task(self._watch(child, running), name=f"watch-{child.index}")
            try:
                was_ready = await self._listen(child.index, running)
            finally:
                watching.cancel()
            failed_starts = 0 if was_ready else failed_starts + 1
            code = await running.wait()
            if self._stopping:
                return
            if failed_starts == STARTS_MAX:
                raise RuntimeError(f"process {child.index} does not start: exit code {code}")
            backoff_s = BACKOFF_S_MIN if loop.time() - began_s > HEALTHY_S else backoff_s
            _log.error("child.ended", index=child.index, exit_code=code, again_in_s=backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    async def _start(self, child: _Child) -> asyncio.subprocess.Process:
        if child.pulse is not None:
            child.pulse.close()
        pulse = child.pulse = Pulse()
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hasten_router.main",
                *self._argv,
                *child.flags,
                stdin=pulse.child_end.fileno(),
                stdout=asyncio.subprocess.PIPE,
                # Ctrl-C is for the parent, which passes it on once.
                start_new_session=True,
                limit=LINE_BYTES_MAX,
            )
        finally:
            pulse.child_end.close()

    async def _watch(self, child: _Child, running: asyncio.subprocess.Process) -> None:
        """Ends a child that stands still; it is started again like any that ended."""
        assert child.pulse is not None  # noqa: S101  (it was started)
        await child.pulse.stood_still(self._settings.frozen_s)
        _log.error("child.frozen", index=child.index, pid=running.pid)
        with contextlib.suppress(ProcessLookupError):
            running.kill()

    async def _listen(self, index: int, running: asyncio.subprocess.Process) -> bool:
        """Reads the child's output until it ends; True when it was ready once."""
        assert running.stdout is not None  # noqa: S101  (asked for a pipe)
        was_ready = False
        async for line in running.stdout:
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and said.get("event") == "ready":
                    was_ready = True
                    self._ready.put_nowait((index, said))
        return was_ready

    async def _stop(self, children: Sequence[_Child]) -> None:
        starts = [child.start for child in children if child.start is not None]
        begun = await asyncio.gather(*starts, return_exceptions=True)
        alive = [
            running
            for running in begun
            if not isinstance(running, BaseException) and running.returncode is None
        ]
        for running in alive:
            running.send_signal(signal.SIGTERM)
        drain = self._settings.drain
        try:
            async with asyncio.timeout(drain.notice_s + drain.patience_s + STOP_MARGIN_S):
                await asyncio.gather(*(running.wait() for running in alive))
        except TimeoutError:
            for running in alive:
                if running.returncode is None:
                    _log.error("child.killed", pid=running.pid)
                    running.kill()


def child_flags(settings: RouterSettings, index: int, addresses: Addresses) -> tuple[str, ...]:
    """What a child is told over the parent's own settings."""
    host, _, port = settings.metrics_address.rpartition(":")
    metrics_port = int(port) + index if int(port) else 0
    return (
        "--processes=1",
        "--shared-port=true",
        f"--address={addresses.grpc}",
        f"--http-address={addresses.http}",
        f"--metrics-address={host}:{metrics_port}",
        f"--id={settings.id}-{index}",
    )


@contextlib.contextmanager
def reserved_ports(settings: RouterSettings) -> Iterator[Addresses]:
    """Holds the addresses that the children share."""
    with contextlib.ExitStack() as held:
        grpc = held.enter_context(reserved_port(settings.address, "address"))
        http = settings.http_address
        if http:
            http = held.enter_context(reserved_port(http, "http_address"))
        yield Addresses(grpc, http)


@contextlib.contextmanager
def reserved_port(address: str, setting: str) -> Iterator[str]:
    """Holds the address so that children, and nobody else, can listen there."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with listening(address, setting=setting, variable=f"HASTEN_ROUTER_{setting.upper()}"):
            holder.bind((host.strip("[]"), int(port)))
        # Bound but not listening: it keeps the port and takes no connections.
        yield f"{host}:{holder.getsockname()[1]}"
