"""Life of a service's process: the ready line, signals, the exit code."""

import asyncio
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, Final

import uvloop

from hasten_runtime import logs

_log = logs.logger(__name__)

# Numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
MAPPED_BYTES_MIN: Final = 8 * 1024 * 1024
"""Smaller blocks of memory come from the heap."""
SPARE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Free memory above this at the end of a heap goes back to the system."""
LAST_WORDS_S: Final = 0.2
"""For the log of a process that is told to end at once."""
OPEN_FILES_MAX: Final = 1_048_576
"""More open files than this a process does not ask for: some libraries walk through all numbers."""
HEAPS_MAX: Final = 2
"""Heaps that threads share; each may keep SPARE_BYTES_MAX and what lies between live blocks."""

EXIT_CANNOT_LISTEN: Final = 1
GC_THRESHOLDS: Final = (50_000, 20, 20)

Main = Callable[[asyncio.Event], Awaitable[int | None]]


def announce_ready(**facts: str | int | None) -> None:
    """Writes the one line that standard output carries: {"event":"ready","pid":…, facts}.

    A service whose line nobody gets serves all the same; the line is logged then.
    """
    line = json.dumps({"event": "ready", "pid": os.getpid(), **facts}, separators=(",", ":"))
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        _log.warning("process.ready_not_told", reason=str(error), line=line)


def run(main: Main) -> int:
    """Runs a service until it ends; returns the process's exit code.

    `main` gets an event that the first SIGTERM or SIGINT sets: it should then leave in order
    and return its exit code (None is 0). A second signal ends the process at once with
    128 + its number. An exception is logged and makes the code 1. SIGUSR1 writes to the log where
    every thread and task is; SIGHUP and SIGUSR2 change nothing, which is logged.
    """
    keep_freed_memory()
    raise_open_files_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_supervised(main)) or 0
    except Exception:  # noqa: BLE001  (the last place that can tell the operator)
        _log.critical("process.crashed", exc_info=True)
        return 1


def listening(main: Main, log: Callable[[str], object]) -> Main:
    """As `main`, but an address that it cannot listen at is logged, and the code is
    EXIT_CANNOT_LISTEN.

    Args:
        main: See `run`.
        log: Told the reason.
    """

    async def listened(stop: asyncio.Event) -> int | None:
        code: int | None = EXIT_CANNOT_LISTEN
        try:
            code = await main(stop)
        except* OSError as errors:
            for error in errors.exceptions:
                log(str(error))
        return code

    return listened


def look_for_garbage_seldom() -> None:
    """For a service of many requests, which leave almost nothing to collect: looking for it often
    costs more than it frees.
    """
    gc.set_threshold(*GC_THRESHOLDS)


def keep_freed_memory() -> None:
    """Lets the next message have the memory of the last one.

    By default glibc gives a large free block back to the system at once, so that every message
    of some hundred kilobytes makes the kernel clear its pages anew: a third of such a call's
    CPU in a router. And by default there may be eight heaps for each core, every one of which
    keeps the largest message that one of gRPC's threads has ever unpacked there: with few
    heaps, clients cannot make a process on a large machine keep gigabytes. Elsewhere than on
    glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, HEAPS_MAX)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES_MIN)
        mallopt(_M_TRIM_THRESHOLD, SPARE_BYTES_MAX)


def raise_open_files_limit() -> None:
    """Takes as many open files as the system lets the process have without asking.

    Each connection is one. The soft limit is 1,024 on most systems, for the sake of programs that
    use select(); these services do not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:
            _log.warning("process.open_files_not_raised", open_files_max=soft, reason=str(error))


async def _supervised(main: Main) -> int | None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.set_exception_handler(_report)

    def on_signal(number: int) -> None:
        if stop.is_set():
            logs.drain(LAST_WORDS_S)
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, int(number))
    # By default each of these ends a process, and none of them is meant to: somebody wanted to
    # have the log or the settings read anew, as elsewhere.
    for number in (signal.SIGHUP, signal.SIGUSR2):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, _ignore, number)
    loop.add_signal_handler(signal.SIGUSR1, _say_where_everything_is)
    return await main(stop)


def _ignore(number: signal.Signals) -> None:
    _log.warning("process.signal_ignored", signal=number.name, help="SIGTERM ends the process")


def _say_where_everything_is() -> None:
    """For a process that seems to hang: its threads' and its tasks' stacks."""
    threads = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  (documented, for debuggers)
        name = threads.get(ident, str(ident))
        _log.warning("process.thread", thread=name, stack=traceback.format_stack(frame))
    for task in asyncio.all_tasks():
        _log.warning("process.task", task=task.get_name(), stack=_awaiting(task))


def _awaiting(task: asyncio.Task[Any]) -> list[str]:
    """Where a task waits: each coroutine awaits the next one."""
    places: list[str] = []
    awaited: object = task.get_coro()
    while isinstance(awaited, CoroutineType):
        if awaited.cr_frame is not None:
            places += traceback.format_stack(awaited.cr_frame, limit=1)
        awaited = awaited.cr_await
    return places


def _report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Says which callback or forgotten task failed, with its traceback."""
    _log.error(
        "process.unhandled", message=str(context.get("message")), exc_info=context.get("exception")
    )
