"""Discovery over any registry: keeps announcements alive, and views despite trouble."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from hasten_runtime import logs
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.discovery.announcement import Announcement
from hasten_runtime.discovery.feed import Feed
from hasten_runtime.discovery.port import Instance, Registration, View
from hasten_runtime.discovery.registry import Registry, RegistryTrouble

_log = logs.logger(__name__)

READ_PAUSE_S: Final = 0.05
"""Least time between two reads: a burst of changes becomes one view."""
RETRY_MIN_S: Final = 0.1
RETRY_MAX_S: Final = 1.0
"""A dead registry is asked once in this time, give or take a quarter."""
CANCEL_AGAIN_S: Final = 0.5


@dataclass(slots=True)
class _Watch:
    feed: Feed
    task: asyncio.Task[None]
    watchers: int


class RegistryDiscovery:
    """The `Discovery` port over a `Registry`. All watchers of a service share one reader.

    A watcher that is slow sees the newest view next, not each one in between.

    Args:
        registry: Closed with the discovery.
        renew_s: Seconds between two renewals of an announcement.
        settle_s: How long instances that a troubled registry has lost are kept; longer than an
            announcement takes to be renewed and seen.
        clock: For ages only.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        renew_s: float = 1.0,
        settle_s: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        self._registry = registry
        self._renew_s = renew_s
        self._settle_s = settle_s
        self._clock = clock or SystemClock()
        self._announcements: list[Announcement] = []
        self._watches: dict[str, _Watch] = {}
        self._closed = False

    async def register(self, instance: Instance) -> Registration:
        """Announces the instance and keeps it announced; see the port.

        Returns after the first attempt, which takes a few seconds when the registry hangs.
        Raises ValueError for an instance that is registered already, RuntimeError once closed.
        """
        self._check_open()
        self._announcements = [known for known in self._announcements if not known.closed]
        key = (instance.service, instance.instance_id)
        if any(known.key == key for known in self._announcements):
            raise ValueError(f"{instance.service} {instance.instance_id!r} is registered already")
        announcement = Announcement(self._registry, instance, renew_s=self._renew_s)
        self._announcements.append(announcement)
        await announcement.start()
        return announcement

    async def watch(self, service: str) -> AsyncIterator[View]:
        """Yields the present view, then each change; see the port.

        Where the registry is dead from the start, the first view is empty and not fresh.
        """
        feed = self._join(service)
        view: View | None = None
        try:
            while (view := await feed.after(view)) is not None:
                yield view
        finally:
            await self._leave(service, feed)

    def age_s(self, service: str) -> float:
        """Seconds since the registry last answered the watch; math.inf before the first."""
        watch = self._watches.get(service)
        return float("inf") if watch is None else watch.feed.age_s

    async def close(self) -> None:
        """Withdraws all registrations, ends all watches, releases connections. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*(known.close() for known in self._announcements))
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.feed.close()
            await _end(watch.task)
        await self._registry.close()

    def _join(self, service: str) -> Feed:
        self._check_open()
        watch = self._watches.get(service)
        if watch is None:
            feed = Feed(self._clock, settle_s=self._settle_s)
            task = asyncio.create_task(self._follow(service, feed), name=f"watch-{service}")
            watch = self._watches[service] = _Watch(feed, task, watchers=0)
        watch.watchers += 1
        return watch.feed

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the discovery is closed")

    async def _leave(self, service: str, feed: Feed) -> None:
        watch = self._watches.get(service)
        if watch is None or watch.feed is not feed:
            return
        watch.watchers -= 1
        if watch.watchers == 0:
            del self._watches[service]
            await _end(watch.task)

    async def _follow(self, service: str, feed: Feed) -> None:
        """Reads until cancelled. A bug ends the watch loudly and not in silence."""
        reader = self._registry.reader(service)
        failures = 0
        try:
            while True:
                try:
                    instances = await reader.read()
                except RegistryTrouble as trouble:
                    feed.failed()
                    failures += 1
                    if failures == 1:
                        _log.warning(
                            "discovery.trouble",
                            watched=service,
                            reason=str(trouble),
                            help="who was known last is kept; look at the setting"
                            " discovery.address",
                        )
                    await asyncio.sleep(_retry_s(failures))
                    continue
                if failures:
                    _log.info("discovery.recovered", watched=service, failures=failures)
                    failures = 0
                feed.answered(instances)
                await asyncio.sleep(READ_PAUSE_S)
        except Exception as error:
            feed.close(error)
            raise
        finally:
            await reader.close()


def _retry_s(failures: int) -> float:
    longest_s = min(RETRY_MAX_S, RETRY_MIN_S * 2.0 ** min(failures - 1, 8))
    # Many processes must not ask a registry that has just come back in step.
    return longest_s * random.uniform(0.75, 1.25)  # noqa: S311  (no secret)


async def _end(task: asyncio.Task[None]) -> None:
    # Again and again: before Python 3.12 a library's `wait_for` can swallow a cancellation.
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_S)
