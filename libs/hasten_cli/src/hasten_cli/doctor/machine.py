"""This machine's limits: open files, disk, memory."""

import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil

from hasten_cli.doctor.finding import Finding, Status, fail, ok, warn

MIB: Final = 2**20
OPEN_FILES_GOOD: Final = 8192
OPEN_FILES_MIN: Final = 1024
DISK_GOOD_BYTES: Final = 1024 * MIB
DISK_MIN_BYTES: Final = 128 * MIB
MEMORY_GOOD_BYTES: Final = 1024 * MIB
MEMORY_MIN_BYTES: Final = 256 * MIB
SHARED_GOOD_BYTES: Final = 64 * MIB
SHARED: Final = Path("/dev/shm")  # noqa: S108  (the system's own folder of shared memory)
_CGROUP: Final = Path("/sys/fs/cgroup")


def file_findings(limits: Callable[[], tuple[int, int]]) -> Iterator[Finding]:
    """The limit of open files: services raise the soft one to the hard one by themselves.

    Args:
        limits: (soft, hard), as resource.getrlimit.
    """
    soft, hard = limits()
    reach = OPEN_FILES_GOOD if hard == resource.RLIM_INFINITY else hard
    what = f"{_number(soft)}, which services raise up to {_number(hard)}; each connection is one"
    next_step = f"raise the hard limit to {OPEN_FILES_GOOD}: ulimit -Hn, LimitNOFILE= or --ulimit"
    if reach >= OPEN_FILES_GOOD:
        yield ok("open files", what)
    elif reach >= OPEN_FILES_MIN:
        yield warn("open files", what, next_step)
    else:
        yield fail("open files", what, next_step)


def open_files_limits() -> tuple[int, int]:
    """Soft and hard."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def disk_findings(folder: Path, free_bytes: Callable[[Path], int]) -> Iterator[Finding]:
    """Room where run folders are made, and private copies of models."""
    free = free_bytes(folder)
    what = f"{_size(free)} free in {folder}, where runs keep logs, Redis' file and models' copies"
    next_step = "make room there, or set TMPDIR to a larger disk"
    yield _graded("disk", free, (DISK_GOOD_BYTES, DISK_MIN_BYTES), what, next_step)


def run_parent() -> Path:
    """The folder in which run folders are made."""
    return Path(tempfile.gettempdir())


def disk_free_bytes(folder: Path) -> int:
    """What this user may still write there."""
    return shutil.disk_usage(folder).free


def memory_findings(available_bytes: Callable[[], int]) -> Iterator[Finding]:
    """Memory for a mesh, whose models come on top."""
    free = available_bytes()
    what = f"{_size(free)} available; each model takes its own on top of the mesh"
    next_step = "end other programs, raise the container's limit, or run fewer --workers"
    yield _graded("memory", free, (MEMORY_GOOD_BYTES, MEMORY_MIN_BYTES), what, next_step)


def memory_available_bytes(group: Path = _CGROUP) -> int:
    """What the machine has, or the limit of this process's container leaves, if that is less."""
    machine = int(psutil.virtual_memory().available)
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):
        return machine
    return min(machine, max(0, int(limit) - used)) if limit.isdigit() else machine


def shared_findings(folder: Path, free_bytes: Callable[[Path], int]) -> Iterator[Finding]:
    """Memory that clients and workers, and workers and models' processes, share."""
    if not hasattr(os, "memfd_create"):
        yield fail(
            "shared memory",
            "this system has no memfd_create: models cannot run in processes of their own",
            "run models in threads: HASTEN_WORKER_ISOLATION=thread",
        )
        return
    if not os.access(folder, os.R_OK | os.W_OK):
        yield warn(
            "shared memory",
            f"{folder} is not there or not writable: clients cannot share tensors by it",
            "mount a tmpfs there, or send tensors in messages",
        )
        return
    free = free_bytes(folder)
    what = f"{_size(free)} free in {folder}, for tensors that clients share"
    next_step = "raise it: docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm"
    yield _graded("shared memory", free, (SHARED_GOOD_BYTES, 0), what, next_step)


def _graded(check: str, value: int, bounds: tuple[int, int], what: str, next_step: str) -> Finding:
    """Well from the first bound on, a failure below the second."""
    good, least = bounds
    if value >= good:
        return ok(check, what)
    return Finding(check, Status.WARN if value >= least else Status.FAIL, what, next_step)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / MIB:.0f} MiB"


def _number(limit: int) -> str:
    return "any number" if limit == resource.RLIM_INFINITY else str(limit)
