"""What the worker's process does from its arguments to its exit code."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from hasten_runtime import logs, process
from hasten_runtime.settings import load
from hasten_runtime.standard_streams import standard_streams
from hasten_worker.engine.store.model_store import ModelStore
from hasten_worker.life import live
from hasten_worker.settings import WorkerSettings
from hasten_worker.wiring import CannotStart, log_level_setter

EXIT_CANNOT_START: Final = 1

_log = logs.logger(__name__)


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the worker until it is told to leave; returns the exit code."""
    with standard_streams():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    settings = load(WorkerSettings, argv)
    log_level_setter(settings)(settings.telemetry.log_level)

    async def run(stop: asyncio.Event) -> int:
        try:
            return await live(settings, stop, ModelStore)
        except* CannotStart as faults:
            _log.critical("worker.cannot_start", reasons=[str(each) for each in leaves(faults)])
        return EXIT_CANNOT_START

    return process.run(run)


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The exceptions themselves, out of all groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
