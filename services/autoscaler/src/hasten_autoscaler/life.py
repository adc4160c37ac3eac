"""Life of one autoscaler process: start, run, leave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from hasten_autoscaler.settings import AutoscalerSettings
from hasten_autoscaler.wiring import Autoscaler, open_autoscaler
from hasten_runtime import process

CLOSE_S: Final = 0.5
"""For connections to close."""


async def live(settings: AutoscalerSettings, stop: asyncio.Event) -> int:
    """Runs one autoscaler until `stop` is set; returns the exit code."""
    async with started(settings) as (autoscaler, address):
        process.announce_ready(
            service="autoscaler",
            address=address,
            metrics_address=autoscaler.metrics.address,
            id=settings.id,
        )
        await stop.wait()
    return 0


@asynccontextmanager
async def started(settings: AutoscalerSettings) -> AsyncIterator[tuple[Autoscaler, str]]:
    """An autoscaler that serves, and its "host:port"; it gives up the lead at the end.

    Raises:
        OSError: One of its addresses cannot be listened at. In a group.
    """
    async with open_autoscaler(settings) as autoscaler, asyncio.TaskGroup() as group:
        jobs: list[asyncio.Task[None]] = []
        try:
            address = await autoscaler.front.start()
            autoscaler.readiness.begin(list)
            autoscaler.front.set_ready(autoscaler.readiness.refresh())
            following = autoscaler.readiness.follow(autoscaler.front.set_ready)
            jobs.append(group.create_task(following, name="readiness"))
            autoscaler.replica.start(autoscaler.candidate)
            yield autoscaler, address
            autoscaler.readiness.leave()
            autoscaler.front.announce_leaving()
        finally:
            await autoscaler.replica.close()
            await autoscaler.front.stop(CLOSE_S)
            for job in jobs:
                job.cancel()
