"""Where lines of the log go: nobody who writes one waits, and nobody fails for it.

A full disk, a pipe that nobody reads, a terminal that was stopped: each would otherwise hold up
or end the process that has something to say about it.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

WAITING_CHARS_MAX: Final = 1024 * 1024
"""Lines that wait to be written; further ones are dropped and counted."""
DRAIN_S_MAX: Final = 1.0
"""Longest wait, at the end of the process, for what is still to be written."""


class LogSink:
    """Writes to a file descriptor on a thread of its own.

    Args:
        descriptor: Where to.
        lost_line: Makes the line that says how many lines could not be written.
    """

    def __init__(self, descriptor: int, lost_line: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._lost_line = lost_line
        self._waiting: deque[str] = deque()
        self._chars = 0
        self._lost = 0
        self._idle = True
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Takes a text to be written soon. Never waits for whoever reads it, never raises."""
        with self._changed:
            if self._chars + len(text) > WAITING_CHARS_MAX:
                self._lost += 1
                return len(text)
            self._waiting.append(text)
            self._chars += len(text)
            self._idle = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                with contextlib.suppress(RuntimeError):  # The interpreter ends.
                    self._thread.start()
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Of no effect: see `drain`."""

    def drain(self, timeout_s: float = DRAIN_S_MAX) -> bool:
        """Waits until everything is written, at most timeout_s; False when it is not."""
        ends_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._idle:
                left_s = ends_s - time.monotonic()
                if left_s <= 0 or self._thread is None or not self._thread.is_alive():
                    return False
                self._changed.wait(left_s)
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._idle = True
                    self._changed.notify_all()
                    self._changed.wait()
                texts = list(self._waiting)
                self._waiting.clear()
                self._chars = 0
                lost, self._lost = self._lost, 0
            if lost:
                texts.append(self._lost_line(lost))
            if not self._written("".join(texts)):
                with self._changed:
                    self._lost += lost + len(texts) - bool(lost)

    def _written(self, text: str) -> bool:
        data = memoryview(text.encode(errors="backslashreplace"))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:  # A full disk, a reader that has gone: there is nobody to tell.
            return False
        return True


class PatientStream:
    """A stream whose trouble is nobody's who writes to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes, if that is possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()
