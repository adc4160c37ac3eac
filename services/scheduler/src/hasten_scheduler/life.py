"""Life of one scheduler process: start, run, leave in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from hasten_runtime import logs, process
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.advice import check_redis
from hasten_runtime.redis_store.durability import Durability
from hasten_scheduler.settings import SchedulerSettings
from hasten_scheduler.wiring import Scheduler, open_scheduler

SETTLE_S_MAX: Final = 0.2
"""Longest wait, on the way out, for the store to hear how attempts ended."""
CLOSE_S: Final = 0.5
"""For connections to close."""
SWEEP_S: Final = 600.0
"""Pace of looks for long inputs and outputs that are too old."""
POLL_S: Final = 0.02

_log = logs.logger(__name__)


async def live(settings: SchedulerSettings, stop: asyncio.Event) -> int:
    """Runs one scheduler until `stop` is set; returns the exit code."""
    failed = False

    def fail() -> None:
        nonlocal failed
        failed = True
        stop.set()

    async with started(settings, fail) as (scheduler, address):
        process.announce_ready(
            service="scheduler",
            address=address,
            metrics_address=scheduler.metrics.address,
            id=settings.id,
        )
        await stop.wait()
    return int(failed)


@asynccontextmanager
async def started(
    settings: SchedulerSettings, failed: Callable[[], None]
) -> AsyncIterator[tuple[Scheduler, str]]:
    """A scheduler that serves, and its "host:port"; it leaves in order at the end.

    Raises:
        OSError: One of its addresses cannot be listened at. In a group.
    """
    async with open_scheduler(settings, failed) as scheduler, asyncio.TaskGroup() as group:
        jobs: list[asyncio.Task[None]] = []
        try:
            jobs.append(group.create_task(scheduler.roster.run(), name="roster"))
            with contextlib.suppress(TimeoutError):
                # Whoever submits for a model must not meet a scheduler that knows none.
                async with asyncio.timeout(settings.link.acquaint_s_max):
                    await asyncio.gather(scheduler.roster.acquainted(), scheduler.shards.look())
            scheduler.tenure.start()
            address = await scheduler.front.start()
            scheduler.readiness.begin(scheduler.shards.faults)
            scheduler.front.set_ready(scheduler.readiness.refresh())
            following = scheduler.readiness.follow(scheduler.front.set_ready)
            jobs.append(group.create_task(following, name="readiness"))
            jobs.append(group.create_task(scheduler.schedules.run(), name="schedules"))
            sweeping = _sweep(scheduler, settings.payloads.keep_s)
            jobs.append(group.create_task(sweeping, name="payloads"))
            jobs += [group.create_task(each.run(), name="telling") for each in scheduler.tellers]
            jobs.append(group.create_task(_look_at_store(settings, failed), name="store"))
            yield scheduler, address
            await _leave(scheduler, settings)
        finally:
            await scheduler.tenure.close()
            await scheduler.front.stop(CLOSE_S)
            for job in jobs:
                job.cancel()


async def _look_at_store(settings: SchedulerSettings, failed: Callable[[], None]) -> None:
    """Says what the store costs and can lose. One that cannot keep what was asked for accepts no
    task, so that the process may as well end.
    """
    durability = Durability(settings.queue.durability)
    try:
        sentences = await check_redis(settings.redis_url, durability)
    except ValueError as error:
        _log.critical(
            "store.unfit",
            reason=str(error),
            help="look at the settings redis_url and queue.durability",
        )
        failed()
        return
    for sentence in sentences:
        _log.info("store.checked", advice=sentence)


async def _sweep(scheduler: Scheduler, keep_s: float) -> None:
    """Forgets inputs and outputs that are too old, and files of batches that are no more, again and
    again.
    """
    while True:
        await asyncio.sleep(SWEEP_S)
        try:
            swept = await scheduler.payloads.sweep(keep_s)
            batches = await scheduler.batches.sweep() if scheduler.batches else 0
        except (StoreUnavailable, MeshError) as error:
            _log.warning(
                "payloads.not_swept",
                reason=str(error),
                help="tried again later; look at the setting payloads.folder",
            )
        else:
            _log.info("payloads.swept", files=swept, batches=batches)


async def _leave(scheduler: Scheduler, settings: SchedulerSettings) -> None:
    """Hands the shards over; callers that wait hear of their tasks from whoever has them now."""
    scheduler.readiness.leave()
    scheduler.front.announce_leaving()
    await asyncio.sleep(settings.drain.notice_s)
    scheduler.submitter.begin_drain()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S_MAX):
            await scheduler.owning.idle()
    await scheduler.tenure.close()
    _log.info("drain.handed_over", waiting=scheduler.shards.waiting)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.drain.patience_s):
            while scheduler.shards.waiting:  # noqa: ASYNC110  (on the way out, once)
                await asyncio.sleep(POLL_S)
    for ends in scheduler.shards.ends:
        ends.leave()
    for teller in scheduler.tellers:
        await teller.hush()
