"""The worker's process: `hasten-worker`."""

import asyncio
import sys
from collections.abc import Sequence

from hasten_runtime import process
from hasten_runtime.settings import load
from hasten_worker.engine.store import ModelStore
from hasten_worker.life import live
from hasten_worker.settings import WorkerSettings
from hasten_worker.wiring import log_level_setter


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the worker until it is told to leave; returns the exit code."""
    settings = load(WorkerSettings, argv)
    log_level_setter(settings)(settings.telemetry.log_level)

    async def run(stop: asyncio.Event) -> int:
        return await live(settings, stop, ModelStore)

    return process.run(run)


if __name__ == "__main__":
    sys.exit(main())
