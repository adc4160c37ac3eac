"""The worker's side of the nursery: has processes forked, and hears how they are."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from hasten_runtime import logs
from hasten_worker.engine.isolation.wire import MESSAGE_BYTES_MAX, to_bytes
from hasten_worker.engine.refusal import GIVEN_UP, ModelRefused

END_S_MAX: Final = 10.0
"""For the nursery to end when nobody needs it."""
_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Use:
    """What the processes of models use.

    Attributes:
        processes: Their number.
        memory_bytes: Their private memory.
        cpu_s: Their processor time, of those that have ended too.
    """

    processes: int = 0
    memory_bytes: int = 0
    cpu_s: float = 0.0


class Forked(Protocol):
    """Hears, on the host's thread, of one process."""

    def forked(self, pid: int) -> None:
        """It has this process id."""
        ...

    def uses(self, memory_bytes: int) -> None:
        """It has so much private memory."""
        ...

    def ended(self, how: str) -> None:
        """It has ended: a few words."""
        ...


_Child = TypeVar("_Child", bound=Forked)


class Host:
    """Starts the nursery when it is first needed, and again if it was lost. For all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._nursery: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._children: dict[int, Forked] = {}
        self._uses: dict[int, tuple[int, float]] = {}
        self._past_cpu_s = 0.0
        self._shut = False

    def start(self) -> None:
        """Starts the nursery ahead of its first child, so that it imports meanwhile.

        Raises:
            ModelRefused: The host is closed, or the nursery cannot be started.
        """
        with self._lock:
            self._running()

    def fork(
        self, order: Path, folder: Path, make: Callable[[int, socket.socket], _Child]
    ) -> _Child:
        """Has a process forked.

        Args:
            order: What it runs.
            folder: Removed by the nursery, if the worker cannot do it.
            make: Makes who hears of it, of its number and of the socket to talk with it.

        Raises:
            ModelRefused: It cannot be done.
        """
        try:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise _not_started(error) from None
        with its, self._lock:
            number = next(self._numbers)
            said = {"fork": number, "order": str(order), "folder": str(folder)}
            child = make(number, ours)
            self._children[number] = child
            try:
                socket.send_fds(self._running(), [to_bytes(said)], [its.fileno()])
            except (OSError, ModelRefused) as error:
                del self._children[number]
                ours.close()
                if isinstance(error, OSError):
                    raise _not_started(error) from None
                raise
        return child

    @property
    def shut(self) -> bool:
        """It was closed, or is being."""
        return self._shut

    def kill(self, number: int) -> None:
        """Ends a process; harmless when it has ended."""
        self._say({"kill": number})

    def drop(self, folder: Path) -> None:
        """The folder is looked after by its owner."""
        self._say({"drop": str(folder)})

    def use(self) -> Use:
        """What the processes use, as of the last second."""
        with self._lock:
            uses = list(self._uses.values())
            return Use(
                len(self._children),
                sum(memory_bytes for memory_bytes, _ in uses),
                self._past_cpu_s + sum(cpu_s for _, cpu_s in uses),
            )

    def close(self) -> None:
        """Ends all processes and the nursery; what is asked for later is refused."""
        with self._lock:
            self._shut = True
            process, nursery, thread = self._process, self._nursery, self._thread
        if nursery is not None:
            with contextlib.suppress(OSError):
                nursery.shutdown(socket.SHUT_WR)
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_S_MAX)
            process.kill()
            process.wait()
        if thread is not None:
            thread.join()

    def _say(self, message: dict[str, Any]) -> None:
        with self._lock:
            if self._nursery is not None:
                with contextlib.suppress(OSError):
                    self._nursery.send(to_bytes(message))

    def _running(self) -> socket.socket:
        if self._shut:
            raise ModelRefused(GIVEN_UP, passing=True)
        if self._nursery is None:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with its:
                self._process = _spawn(its)
            self._nursery = ours
            self._thread = threading.Thread(
                target=self._listen, args=(ours, self._process), name="nursery", daemon=True
            )
            self._thread.start()
        return self._nursery

    def _listen(self, nursery: socket.socket, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            while said := nursery.recv(MESSAGE_BYTES_MAX):
                self._hear(json.loads(said))
        process.wait()
        with self._lock:
            self._nursery = None
            nursery.close()
            children, self._children = self._children, {}
            self._forget_uses()
            shut = self._shut
        if not shut:
            _log.error("nursery.lost", status=process.returncode, processes=len(children))
        for child in children.values():
            child.ended("the process that it was forked of ended")

    def _hear(self, said: dict[str, Any]) -> None:
        match said:
            case {"forked": number, "pid": pid}:
                self._children[number].forked(pid)
            case {"use": uses}:
                with self._lock:
                    self._uses.update({int(each): tuple(its) for each, its in uses.items()})
                for each, (memory_bytes, _) in uses.items():
                    self._children[int(each)].uses(memory_bytes)
            case {"ended": number, "status": status}:
                with self._lock:
                    child = self._children.pop(number)
                    self._past_cpu_s += self._uses.pop(number, (0, 0.0))[1]
                child.ended(how_it_ended(status))

    def _forget_uses(self) -> None:
        self._past_cpu_s += sum(cpu_s for _, cpu_s in self._uses.values())
        self._uses.clear()


def how_it_ended(status: int) -> str:
    """A few words on a wait status."""
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"status {os.waitstatus_to_exitcode(status)}"


def _spawn(its: socket.socket) -> subprocess.Popen[bytes]:
    # A model that takes its process over must not find passwords; one thread is enough there.
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith("HASTEN_")
    } | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "hasten_worker.engine.isolation.nursery"],
            stdin=its.fileno(),
            env=environment,
        )
    except OSError as error:
        raise _not_started(error) from None


def _not_started(error: OSError) -> ModelRefused:
    return ModelRefused(f"no process for models could be started: {error.strerror}", passing=True)
