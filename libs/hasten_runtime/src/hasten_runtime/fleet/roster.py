"""Who gets a link: follows discovery, one link for each worker in its view."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hasten_runtime import logs
from hasten_runtime.discovery.port import Discovery, Instance, View
from hasten_runtime.fleet.link import FrameLink
from hasten_runtime.fleet.port import LinkListener

if TYPE_CHECKING:
    from hasten.common.v1.load_pb2 import WorkerState

WORKER_SERVICE = "worker"

GRACE_LOOK_S = 0.5
"""Pace of looks at a worker that the registry does not name."""

_log = logs.logger(__name__)

OpenLink = Callable[[str, str], FrameLink]
"""Makes the link to a worker, by name and address."""


@dataclass(frozen=True, slots=True)
class RosterLimits:
    """Bounds of the roster.

    Attributes:
        workers_max: Most workers linked; more are logged and left out.
        leave_grace_s: A worker that vanished from the view but still answers keeps its place
            for this long: a registry that forgets is likelier than a worker that leaves
            without a word on its own link. While it says itself that the registry does not take
            its announcement, it keeps its place.
        leave_patience_s: Longest wait, after that, for its last answers; and how long a worker
            that the registry did not take may be down before it is given up.
    """

    workers_max: int = 1024
    leave_grace_s: float = 10.0
    leave_patience_s: float = 60.0


class Roster:
    """Keeps one link for each worker that discovery knows."""

    def __init__(
        self,
        discovery: Discovery,
        listener: LinkListener,
        open_link: OpenLink,
        limits: RosterLimits | None = None,
    ) -> None:
        self._discovery = discovery
        self._listener = listener
        self._open_link = open_link
        self._limits = limits or RosterLimits()
        self._links: dict[str, FrameLink] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._viewed = asyncio.Event()

    async def run(self) -> None:
        """Follows discovery until cancelled; then closes every link."""
        async with asyncio.TaskGroup() as group:
            try:
                async for view in self._discovery.watch(WORKER_SERVICE):
                    self._apply(view, group)
                    self._viewed.set()
            finally:
                for worker_id in list(self._links):
                    self._drop(worker_id, "this process is leaving")

    async def acquainted(self) -> None:
        """Waits until each worker of the first view has told its state, or has left."""
        await self._viewed.wait()
        await asyncio.gather(*(link.acquainted() for link in self.links()))

    def age_s(self) -> float:
        """Seconds since discovery last answered; math.inf before the first time."""
        return self._discovery.age_s(WORKER_SERVICE)

    def links(self) -> list[FrameLink]:
        """All links, connected or not, by worker."""
        return [self._links[worker_id] for worker_id in sorted(self._links)]

    def states(self) -> "dict[str, WorkerState]":
        """The last full report of each worker whose link is open, by worker."""
        return {
            link.worker_id: link.state
            for link in self.links()
            if link.connected and link.state is not None
        }

    def link(self, worker_id: str) -> FrameLink | None:
        """The link to one worker, if it is known."""
        return self._links.get(worker_id)

    def _apply(self, view: View, group: asyncio.TaskGroup) -> None:
        present = {instance.instance_id: instance for instance in view.instances}
        for worker_id in sorted(self._links.keys() - present.keys()):
            self._missing(worker_id, group)
        for worker_id, instance in present.items():
            leaving = self._leaving.pop(worker_id, None)
            if leaving is not None:
                leaving.cancel()
            link = self._links.get(worker_id)
            if link is not None and (link.address != instance.address or link.quiesced):
                self._drop(worker_id, f"it is now at {instance.address}")
                link = None
            if link is None:
                self._take(instance, group)
            elif link.weight != instance.weight:
                self._weigh(link, instance.weight)

    def _weigh(self, link: FrameLink, weight: float) -> None:
        """The worker stays with another weight; a link that is down says it when it opens again."""
        link.weight = weight
        _log.info("roster.weighed", worker_id=link.worker_id, weight=weight)
        if link.connected:
            self._listener.weighed(link.worker_id, weight)

    def _take(self, instance: Instance, group: asyncio.TaskGroup) -> None:
        worker_id, address = instance.instance_id, instance.address
        if len(self._links) >= self._limits.workers_max:
            _log.error("roster.full", worker_id=worker_id, workers_max=self._limits.workers_max)
            return
        try:
            link = self._open_link(worker_id, address)
        except ValueError as error:
            # One that cannot be called must not keep the others from being linked.
            _log.error("roster.not_linked", worker_id=worker_id, address=address, reason=str(error))
            return
        link.weight = instance.weight
        self._links[worker_id] = link
        self._runs[worker_id] = group.create_task(_keep(link), name=f"link-{worker_id}")
        _log.info("roster.joined", worker_id=worker_id, address=address)

    def _missing(self, worker_id: str, group: asyncio.TaskGroup) -> None:
        """A worker is not in the view: gone if its link is down, else given time to return."""
        link = self._links[worker_id]
        if not link.connected and not link.unannounced:
            self._drop(worker_id, "it left")
        elif worker_id not in self._leaving:
            self._leaving[worker_id] = group.create_task(
                self._let_go(worker_id), name=f"let-go-{worker_id}"
            )

    async def _let_go(self, worker_id: str) -> None:
        link = self._links[worker_id]
        await self._grace(link)
        if link.connected:
            link.quiesced = True
            self._listener.quiesced(worker_id)
            try:
                async with asyncio.timeout(self._limits.leave_patience_s):
                    await link.quiet()
            except TimeoutError:
                _log.warning("roster.impatient", worker_id=worker_id)
        del self._leaving[worker_id]
        self._drop(worker_id, "it left")

    async def _grace(self, link: FrameLink) -> None:
        """Returns when the worker has been away for long enough, or its link is down."""
        left_s = self._limits.leave_grace_s
        down_s = 0.0
        while left_s > 0:
            pause_s = min(left_s, GRACE_LOOK_S)
            await asyncio.sleep(pause_s)
            down_s = 0.0 if link.connected else down_s + pause_s
            # A registry that is full or read-only forgets whoever cannot renew.
            excused = link.unannounced and down_s < self._limits.leave_patience_s
            if not link.connected and not excused:
                return
            left_s = self._limits.leave_grace_s if excused else left_s - pause_s

    def _drop(self, worker_id: str, cause: str) -> None:
        leaving = self._leaving.pop(worker_id, None)
        if leaving is not None:
            leaving.cancel()
        self._links.pop(worker_id).close(cause)
        self._runs.pop(worker_id).cancel()
        _log.info("roster.left", worker_id=worker_id, cause=cause)


async def _keep(link: FrameLink) -> None:
    try:
        await link.run()
    finally:
        await link.channel.close()
