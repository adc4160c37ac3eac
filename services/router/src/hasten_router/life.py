"""Life of one router process: start, run, leave in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Final

from hasten_router.lifeline import parent_gone
from hasten_router.settings import RouterSettings
from hasten_router.wiring import Router, open_router
from hasten_runtime import logs, process

FAREWELL_S: Final = 0.2
"""Between the last call's end and the closing of connections: whoever comes is told why, and
no call meets a connection that is just closing."""
CLOSE_S: Final = 0.5
"""For connections to close."""

_log = logs.logger(__name__)


class Stopped(Exception):  # noqa: N818  (no error: the operator's wish)
    """The router was told to leave before it listened."""


async def live(settings: RouterSettings, stop: asyncio.Event) -> int:
    """Runs one router until `stop` is set; returns the exit code."""
    parent = asyncio.create_task(_leave_with_parent(settings, stop), name="parent")
    try:
        async with started(settings, stop) as (router, address):
            process.announce_ready(
                service="router",
                address=address,
                http_address=router.http.address if router.http is not None else None,
                metrics_address=router.metrics.address,
                id=settings.id,
            )
            await stop.wait()
    except* Stopped:
        _log.info("router.stopped", help="it was told to, before it listened")
    finally:
        parent.cancel()
        await asyncio.wait({parent})
    return 0


@asynccontextmanager
async def started(
    settings: RouterSettings, stop: asyncio.Event | None = None
) -> AsyncIterator[tuple[Router, str]]:
    """A router that serves, and its "host:port"; it leaves in order at the end.

    Args:
        settings: The router's.
        stop: Set when it should leave; until it listens, it does so at once.

    Raises:
        OSError: One of its addresses cannot be listened at.
        Stopped: `stop` came before it listened. Like the others, in a group.
    """
    async with open_router(settings) as router, asyncio.TaskGroup() as group:
        jobs = []
        try:
            await _unless(stop, router.checkpoints.restore(router.shell))
            jobs.append(group.create_task(router.roster.run(), name="roster"))
            await _unless(stop, _acquainted(router, settings))
            address = await router.front.start()
            if router.http is not None:
                await router.http.start()
            router.readiness.begin(router.mesh.faults)
            router.front.set_ready(router.readiness.refresh())
            following = router.readiness.follow(router.front.set_ready)
            jobs.append(group.create_task(following, name="readiness"))
            jobs.append(group.create_task(router.checkpoints.run(), name="checkpoints"))
            jobs.append(group.create_task(router.teller.run(), name="demand"))
            yield router, address
            await router.leaving.drain()
            await asyncio.sleep(FAREWELL_S)
            await router.checkpoints.save()
            await router.teller.hush()
        finally:
            if router.http is not None:
                await router.http.stop(CLOSE_S)
            await router.front.stop(CLOSE_S)
            for job in jobs:
                job.cancel()


async def _acquainted(router: Router, settings: RouterSettings) -> None:
    """Knows the workers that are there, or has waited long enough for them."""
    with contextlib.suppress(TimeoutError):
        # Whoever connects to one of several processes at one port must not meet the one
        # that knows nobody yet.
        async with asyncio.timeout(settings.link.acquaint_s_max):
            await router.roster.acquainted()


async def _unless(stop: asyncio.Event | None, action: Coroutine[None, None, None]) -> None:
    """Carries the action out. Raises Stopped, with the action cancelled, if `stop` comes first."""
    if stop is None:
        await action
        return
    acting, stopping = asyncio.create_task(action), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({acting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            raise Stopped
        await acting
    finally:
        acting.cancel()
        stopping.cancel()
        await asyncio.wait({acting, stopping})


async def _leave_with_parent(settings: RouterSettings, stop: asyncio.Event) -> None:
    if settings.shared_port:
        await parent_gone()
        stop.set()
