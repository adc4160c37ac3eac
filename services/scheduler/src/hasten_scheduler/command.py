"""What the scheduler's process does from its arguments to its exit code."""

import asyncio
import gc
import sys
from collections.abc import Sequence
from typing import Final

from hasten_runtime import logs, process
from hasten_runtime.settings import load
from hasten_runtime.standard_streams import standard_streams
from hasten_scheduler.life import live
from hasten_scheduler.settings import SchedulerSettings

_log = logs.logger(__name__)

EXIT_CANNOT_LISTEN: Final = 1
GC_THRESHOLDS: Final = (50_000, 20, 20)
"""Requests leave almost nothing to collect; looking for it often costs more than it frees."""


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the scheduler until it is told to leave; returns the exit code."""
    with standard_streams():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    settings = load(SchedulerSettings, tuple(sys.argv[1:] if argv is None else argv))
    logs.configure(
        "scheduler",
        level=settings.telemetry.log_level,
        fmt=settings.telemetry.log_format,
        scheduler_id=settings.id,
    )

    gc.set_threshold(*GC_THRESHOLDS)

    async def run(stop: asyncio.Event) -> int:
        code = EXIT_CANNOT_LISTEN
        try:
            code = await live(settings, stop)
        except* OSError as errors:
            for error in errors.exceptions:
                _log.critical("scheduler.cannot_listen", reason=str(error))
        return code

    return process.run(run)
