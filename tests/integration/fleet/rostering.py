"""A roster over discovery in memory, and a listener that writes down what it hears."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from hasten_policy.load import WorkerReport
from hasten_runtime.clock import SystemClock
from hasten_runtime.discovery.port import Discovery, Instance
from hasten_runtime.fakes import Board, memory_discovery
from hasten_runtime.fleet.link import FrameLink, LinkContext, LinkLimits
from hasten_runtime.fleet.port import Reply, WorkerLink
from hasten_runtime.fleet.roster import Roster, RosterLimits
from tests.support.fake_worker import request
from tests.support.rpc import channel_to
from tests.support.sendable import Sent

SILENCE_S = 1.0


class Record:
    """A listener that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.causes: list[str] = []
        self.received = 0

    def joined(self, link: WorkerLink) -> None:
        self.heard.append(("joined", link.address))

    def weighed(self, worker_id: str, weight: float) -> None:
        self.heard.append((f"weighed {weight:g}", worker_id))

    def replied(self, worker_id: str, replies: Iterable[Reply]) -> None:
        self.heard.extend(("replied", worker_id) for _ in replies)

    def reported(self, worker_id: str, report: WorkerReport) -> None:
        self.received = report.load.received
        if ("reported", worker_id) not in self.heard[-1:]:
            self.heard.append(("reported", worker_id))

    def quiesced(self, worker_id: str) -> None:
        self.heard.append(("quiesced", worker_id))

    def lost(self, worker_id: str, cause: str, ran: Sequence[int] = ()) -> None:
        del ran
        self.causes.append(cause)
        self.heard.append(("lost", worker_id))


@asynccontextmanager
async def roster_of(
    record: Record, limits: RosterLimits, *, connect_s_max: float = 60.0
) -> AsyncIterator[tuple[Roster, "Announcer"]]:
    board = Board()
    discovery = memory_discovery(board, ttl_s=1.0, renew_s=0.1, settle_s=0.0)
    announcer = Announcer(board)
    shared = LinkContext(
        record,
        SystemClock(),
        "router",
        LinkLimits(
            connect_s_max=connect_s_max,
            silence_s_max=SILENCE_S,
            backoff_s_min=0.01,
            backoff_s_max=0.05,
        ),
    )
    roster = Roster(
        discovery,
        record,
        lambda name, address: FrameLink(name, address, channel_to(address), shared),
        limits,
    )
    running = asyncio.create_task(roster.run())
    try:
        yield roster, announcer
    finally:
        running.cancel()
        await asyncio.wait([running])
        await discovery.close()
        await announcer.close()


class Announcer:
    """Announces workers by name and address, each as a process of its own would."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._processes: dict[str, Discovery] = {}
        self._ended: list[Discovery] = []

    async def announce(self, name: str, address: str, **facts: str) -> None:
        """The worker is at this address now; a former process of that name says nothing more."""
        process = memory_discovery(self._board, ttl_s=60.0, renew_s=30.0, settle_s=0.0)
        await process.register(Instance("worker", name, address, facts))
        if name in self._processes:
            self._ended.append(self._processes[name])
        self._processes[name] = process

    async def withdraw(self, name: str) -> None:
        """The worker leaves the registry."""
        await self._processes.pop(name).close()

    async def close(self) -> None:
        for process in (*self._processes.values(), *self._ended):
            await process.close()


def a_call(call_id: int) -> Sent:
    return Sent(call_id, request().SerializeToString())
