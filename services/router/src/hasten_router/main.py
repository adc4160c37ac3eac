"""The router's process: `hasten-router`."""

import asyncio
import gc
import sys
from collections.abc import Sequence
from typing import Final

from hasten_router.life import live
from hasten_router.processes import Supervisor
from hasten_router.settings import RouterSettings
from hasten_runtime import logs, process
from hasten_runtime.settings import load

GC_THRESHOLDS: Final = (50_000, 20, 20)
"""Requests leave almost nothing to collect; looking for it often costs more than it frees."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the router until it is told to leave; returns the exit code."""
    arguments = tuple(sys.argv[1:] if argv is None else argv)
    settings = load(RouterSettings, arguments)
    logs.configure(
        "router",
        level=settings.telemetry.log_level,
        fmt=settings.telemetry.log_format,
        router_id=settings.id,
    )

    # What is imported stays for good: collections need not look through it again and again.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)

    async def run(stop: asyncio.Event) -> int | None:
        if settings.processes > 1:
            return await Supervisor(settings, arguments).run(stop)
        return await live(settings, stop)

    return process.run(run)


if __name__ == "__main__":
    sys.exit(main())
