"""The nursery: `python -m hasten_worker.engine.isolation.nursery`, one beside each worker.

It has imported all that the process of a model needs, runs no model itself, and forks: a new
process is there in milliseconds, and shares the memory of the libraries with its siblings. It says
how its children end and what they use. When the worker is gone, however it went, it ends them all
and removes their folders.
"""

import contextlib
import gc
import json
import os
import selectors
import shutil
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hasten_worker.engine.isolation.child import be_child
from hasten_worker.engine.isolation.confine import end_with
from hasten_worker.engine.isolation.wire import MESSAGE_BYTES_MAX, to_bytes

LOOK_S: Final = 1.0
"""Between two looks at what the children use."""
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class _Forked:
    """A child.

    Attributes:
        number: The worker's name for it.
        pid: Its process.
        handle: Becomes readable when it has ended.
    """

    number: int
    pid: int
    handle: int


class _Nursery:
    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._children: dict[int, _Forked] = {}
        self._folders: set[Path] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(worker, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until the worker is gone."""
        look_s = time.monotonic() + LOOK_S
        while True:
            wait_s = max(0.0, look_s - time.monotonic()) if self._children else None
            for key, _ in self._selector.select(wait_s):
                if key.data is not None:
                    self._reap(key.data)
                    continue
                said, passed, _, _ = socket.recv_fds(self._worker, MESSAGE_BYTES_MAX, 1)
                if not said:
                    return
                self._obey(json.loads(said), passed)
            if self._children and time.monotonic() >= look_s:
                look_s = time.monotonic() + LOOK_S
                uses = {child.number: use(child.pid) for child in self._children.values()}
                self._tell({"use": uses})

    def close(self) -> None:
        """Nothing of a child is left, and of its files neither."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)
        for child in self._children.values():
            os.waitpid(child.pid, 0)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _obey(self, said: dict[str, Any], passed: list[int]) -> None:
        match said:
            case {"fork": number, "order": order, "folder": folder}:
                self._folders.add(Path(folder))
                self._fork(number, Path(order), passed[0])
            case {"kill": number}:
                child = self._children.get(number)
                if child is not None:
                    os.kill(child.pid, signal.SIGKILL)
            case {"drop": folder}:
                self._folders.discard(Path(folder))

    def _fork(self, number: int, order: Path, control: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                end_with(parent)
                self._selector.close()
                self._worker.close()
                for sibling in self._children.values():
                    os.close(sibling.handle)
                be_child(order, socket.socket(fileno=control))
            finally:
                os._exit(1)
        os.close(control)
        child = self._children[number] = _Forked(number, pid, os.pidfd_open(pid))
        self._selector.register(child.handle, selectors.EVENT_READ, child)
        self._tell({"forked": number, "pid": pid})

    def _reap(self, child: _Forked) -> None:
        _, status = os.waitpid(child.pid, 0)
        self._selector.unregister(child.handle)
        os.close(child.handle)
        del self._children[child.number]
        self._tell({"ended": child.number, "status": status})

    def _tell(self, message: dict[str, Any]) -> None:
        # A worker that is gone is noticed where it is listened to.
        with contextlib.suppress(OSError):
            self._worker.send(to_bytes(message))


def use(pid: int) -> tuple[int, float]:
    """Bytes of private memory and seconds of processor time of a process; 0 of one that is gone."""
    try:
        size = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        times = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0, 0.0
    # Resident pages without those of files and of shared memory, which is the worker's too.
    return (int(size[1]) - int(size[2])) * _PAGE_BYTES, (int(times[11]) + int(times[12])) / _TICKS


def main() -> None:
    """Serves the worker at standard input."""
    # Who stops the worker by a signal to all its processes means the worker: it says when.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    # No collection, here or in a fork, looks through (and thereby copies) what was imported.
    gc.freeze()
    nursery = _Nursery(socket.socket(fileno=os.dup(0)))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        nursery.serve()
    finally:
        nursery.close()


if __name__ == "__main__":
    main()
