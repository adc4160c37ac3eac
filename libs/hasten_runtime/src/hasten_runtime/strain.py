"""How long a thread has had no idle moment.

A loop that takes calls one by one cannot see how many wait in the transport. But as long as it
is never idle, some may; and the oldest of them came, at the earliest, when it was idle last.
"""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Final

LOOK_S: Final = 0.005
"""Least seconds between two looks at what was used: a look costs two system calls."""
IDLE_SHARE: Final = 0.3
"""A thread that waited for more than this share of a stretch was idle in it. A loop that is fed
by another thread waits for it a little even when it has more to do than it can.
"""


class ThreadUse:
    """Seconds that the calling thread has run, or waited for a core.

    Waiting for a core is no idleness: on a machine that others use too, a thread that has too
    much to do waits more than it runs. Where the kernel does not tell, only running counts.
    """

    def __init__(self) -> None:
        self._stat: int | None = None
        with contextlib.suppress(OSError):
            self._stat = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self) -> float:
        """Seconds so far. To be called on the thread that made this."""
        used_s = time.thread_time()
        if self._stat is not None:
            with contextlib.suppress(OSError, ValueError, IndexError):
                used_s += int(os.pread(self._stat, 96, 0).split()[1]) / 1e9
        return used_s

    def close(self) -> None:
        """Lets the kernel's file go."""
        if self._stat is not None:
            os.close(self._stat)
            self._stat = None


class Strain:
    """Since when a thread has had no idle moment, looked at now and then.

    Args:
        used_s: Seconds that the thread has run or wanted to, so far.
        now_s: Now.
    """

    __slots__ = ("_looked_s", "_since_s", "_use_s", "_used_s")

    def __init__(self, used_s: Callable[[], float], *, now_s: float) -> None:
        self._used_s = used_s
        self._use_s = used_s()
        self._looked_s = self._since_s = now_s

    def busy_s(self, now_s: float) -> float:
        """Seconds without an idle moment; LOOK_S of them may be missed, or be too many."""
        passed_s = now_s - self._looked_s
        if passed_s >= LOOK_S:
            use_s = self._used_s()
            if use_s - self._use_s < (1.0 - IDLE_SHARE) * passed_s:
                self._since_s = now_s
            self._use_s = use_s
            self._looked_s = now_s
        return now_s - self._since_s
