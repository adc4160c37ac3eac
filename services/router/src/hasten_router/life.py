"""Life of one router process: start, run, leave in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from hasten_router.processes import parent_gone
from hasten_router.settings import RouterSettings
from hasten_router.wiring import Router, open_router
from hasten_runtime import logs, process
from hasten_runtime.readiness import REFRESH_S

FAREWELL_S: Final = 0.2
"""Between the last call's end and the closing of connections: whoever comes is told why, and
no call meets a connection that is just closing."""
CLOSE_S: Final = 0.5
"""For connections to close."""

_log = logs.logger(__name__)


async def live(settings: RouterSettings, stop: asyncio.Event) -> int:
    """Runs one router until `stop` is set; returns the exit code."""
    async with started(settings) as (router, address), asyncio.TaskGroup() as group:
        parent = group.create_task(_leave_with_parent(settings, stop), name="parent")
        process.announce_ready(
            service="router",
            address=address,
            metrics_address=router.metrics.address,
            id=settings.id,
        )
        await stop.wait()
        parent.cancel()
    return 0


@asynccontextmanager
async def started(settings: RouterSettings) -> AsyncIterator[tuple[Router, str]]:
    """A router that serves, and its "host:port"; it leaves in order at the end.

    Raises:
        OSError: One of its addresses cannot be listened at.
    """
    async with open_router(settings) as router, asyncio.TaskGroup() as group:
        await router.keeper.restore(router.shell)
        jobs = [group.create_task(router.roster.run(), name="roster")]
        try:
            with contextlib.suppress(TimeoutError):
                # Whoever connects to one of several processes at one port must not meet the one
                # that knows nobody yet.
                async with asyncio.timeout(settings.link.acquaint_s_max):
                    await router.roster.acquainted()
            address = await router.front.start()
            router.readiness.begin(router.outlook.faults)
            router.front.set_ready(router.readiness.refresh())
            jobs.append(group.create_task(_watch_readiness(router), name="readiness"))
            jobs.append(group.create_task(router.keeper.run(), name="keeper"))
            yield router, address
            await _leave(router, settings)
        finally:
            await router.front.stop(CLOSE_S)
            for job in jobs:
                job.cancel()


async def _leave(router: Router, settings: RouterSettings) -> None:
    """Says that it leaves, still takes calls for a while, then finishes what it has."""
    _log.info("router.draining", notice_s=settings.drain.notice_s)
    router.readiness.leave()
    router.front.announce_leaving()
    await asyncio.sleep(settings.drain.notice_s)
    router.shell.refuse_new()
    try:
        async with asyncio.timeout(settings.drain.patience_s):
            await router.shell.idle()
    except TimeoutError:
        _log.warning("router.impatient", patience_s=settings.drain.patience_s)
    await asyncio.sleep(FAREWELL_S)
    await router.keeper.save()


async def _watch_readiness(router: Router) -> None:
    while True:
        router.front.set_ready(router.readiness.refresh())
        await asyncio.sleep(REFRESH_S)


async def _leave_with_parent(settings: RouterSettings, stop: asyncio.Event) -> None:
    if settings.shared_port:
        await parent_gone()
        stop.set()
