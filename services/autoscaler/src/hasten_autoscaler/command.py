"""What the autoscaler's process does from its arguments to its exit code."""

import asyncio
import sys
from collections.abc import Sequence

from hasten_autoscaler.life import live
from hasten_autoscaler.settings import AutoscalerSettings
from hasten_runtime import logs, process
from hasten_runtime.settings import load
from hasten_runtime.standard_streams import standard_streams

_log = logs.logger(__name__)


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the autoscaler until it is told to leave; returns the exit code."""
    with standard_streams():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    settings = load(AutoscalerSettings, tuple(sys.argv[1:] if argv is None else argv))
    logs.configure(
        "autoscaler",
        level=settings.telemetry.log_level,
        fmt=settings.telemetry.log_format,
        autoscaler_id=settings.id,
    )

    async def run(stop: asyncio.Event) -> int:
        return await live(settings, stop)

    return process.run(process.listening(run, _cannot_listen))


def _cannot_listen(reason: str) -> None:
    _log.critical("autoscaler.cannot_listen", reason=reason)
