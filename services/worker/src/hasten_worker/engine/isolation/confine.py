"""What a process that runs a model may not do, and when it ends."""

import ctypes
import os
import resource
import signal
from pathlib import Path
from typing import Final

OPEN_FILES_MAX: Final = 1024
FIRST_TO_GO: Final = 500
"""When memory runs out, processes of models go before the worker does."""
_PR_SET_PDEATHSIG: Final = 1


def end_with(parent: int) -> None:
    """This process is killed when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def confine(*, on_device: bool, memory_bytes_max: int) -> None:
    """Takes from this process what a model has no use for.

    Args:
        on_device: It uses a GPU, whose libraries write caches and map memory by the terabyte.
        memory_bytes_max: Private memory; 0 for any.
    """
    silent = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(silent, handle)
    os.close(silent)
    Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO), encoding="ascii")
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: OPEN_FILES_MAX}
    if not on_device and memory_bytes_max:
        limits[resource.RLIMIT_DATA] = memory_bytes_max
    for kind, wanted in limits.items():
        _, hard = resource.getrlimit(kind)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (value, value))
