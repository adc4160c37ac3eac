"""One child process: start, ready line, log, stop."""

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from hasten_cli.local.plan import ServiceSpec
from hasten_cli.local.run_folder import RunFolder

LINE_SIZE_BYTES_MAX: Final = 64 * 1024
LOG_SIZE_BYTES_MAX: Final = 32 * 1024 * 1024
TAIL_SIZE_BYTES: Final = 8 * 1024
TAIL_LINES: Final = 15
KILL_S_MAX: Final = 5.0

_PR_SET_PDEATHSIG: Final = 1
# Resolved before any fork: in the child only the call itself is made.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class EndedEarlyError(Exception):
    """The process ended before it said that it is ready."""


class Child:
    """A process that leads a group of its own and dies with the supervisor.

    Its standard error goes to a log file in the run folder, and so does what it writes on
    standard output beside the ready line.
    """

    def __init__(self, spec: ServiceSpec, folder: RunFolder) -> None:
        self.spec = spec
        self._folder = folder
        self._log = folder.logs / f"{spec.name}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 before the start."""
        return 0 if self._process is None else self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Starts the process. Raises OSError if the program cannot be run."""
        supervisor = os.getpid()

        def die_with_supervisor() -> None:
            if _prctl is not None:
                _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != supervisor:
                    os._exit(1)

        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                env=dict(self.spec.environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self.spec.announces else log,
                stderr=log,
                # Ctrl-C at the terminal is for the supervisor alone, which stops in order.
                start_new_session=True,
                preexec_fn=die_with_supervisor,
                limit=LINE_SIZE_BYTES_MAX,
            )
        self._folder.began(self.pid)
        if self.spec.announces:
            self._reader = asyncio.create_task(self._read(), name=f"read-{self.spec.name}")

    async def announced(self) -> Mapping[str, Any]:
        """The facts of its ready line. Raises EndedEarlyError if it ends without one."""
        ended = asyncio.create_task(self.wait())
        try:
            either: set[asyncio.Future[Any]] = {ended, self._ready}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._ready.done():
                return self._ready.result()
            raise EndedEarlyError(f"{self.spec.name} ended with {self.how_it_ended}")
        finally:
            ended.cancel()

    async def wait(self) -> int:
        """Waits until it has ended and its output is read; its exit status."""
        process = self._started()
        status = await process.wait()
        if self._reader is not None:
            # A grandchild may hold the pipe open; its group is ended with it.
            self._signal_group(signal.SIGKILL)
            await asyncio.wait({self._reader}, timeout=KILL_S_MAX)
        return status

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after the service's patience; returns when it has ended."""
        if self._process is None:
            return
        if self.exit_status is None:
            self._signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), self.spec.stop_s_max)
            except TimeoutError:
                self.kill()
        await self._process.wait()
        self._signal_group(signal.SIGKILL)
        self._folder.ended(self.pid)
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})

    def kill(self) -> None:
        """SIGKILL to the whole group, at once."""
        if self._process is not None:
            self._signal_group(signal.SIGKILL)

    @property
    def how_it_ended(self) -> str:
        """Exit status or signal, in words."""
        status = self.exit_status
        if status is not None and status < 0:
            return f"signal {signal.Signals(-status).name}"
        return f"status {status}"

    def log_tail(self) -> str:
        """The last lines of its log."""
        try:
            with self._log.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - TAIL_SIZE_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-TAIL_LINES:])

    def bound_log(self) -> None:
        """Empties a log that has grown over its limit; the process goes on appending."""
        try:
            if self._log.stat().st_size > LOG_SIZE_BYTES_MAX:
                os.truncate(self._log, 0)
        except FileNotFoundError:
            return

    async def _read(self) -> None:
        """Finds the ready line; keeps everything else in the log."""
        stdout = self._started().stdout
        if stdout is None:
            return
        with self._log.open("ab", buffering=0) as log:
            while True:
                try:
                    line = await stdout.readline()
                except ValueError:  # A line over the limit; asyncio has dropped it.
                    continue
                if not line:
                    return
                facts = _ready_facts(line)
                if facts is None or self._ready.done():
                    # A full disk must not end the reading: the service would wait for it.
                    with suppress(OSError):
                        log.write(line)
                else:
                    self._ready.set_result(facts)

    def _signal(self, number: signal.Signals) -> None:
        try:
            self._started().send_signal(number)
        except ProcessLookupError:
            return

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.spec.name} was not started")
        return self._process


def _ready_facts(line: bytes) -> Mapping[str, Any] | None:
    """The facts of a ready line; None for any other line."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and said.get("event") == "ready" else None
