"""Busy neighbours: processes that take what they can get of every core."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# It ends when its standard input does, so that no neighbour outlives a measurement that was killed.
_BURN: Final = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    pass
"""


@contextmanager
def burning(each_core: int) -> Iterator[None]:
    """Runs so many busy processes a core until the block ends."""
    many = each_core * len(os.sched_getaffinity(0))
    command = [sys.executable, "-S", "-c", _BURN]
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += (subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(many))
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.communicate()
