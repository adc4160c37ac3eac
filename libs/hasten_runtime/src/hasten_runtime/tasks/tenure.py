"""Which shards this process owns: it finds its share, takes it, keeps it and hands it over."""

import asyncio
import math
from contextlib import suppress

from hasten_policy.scheduler.spread import spread
from hasten_runtime import logs
from hasten_runtime.alarm import Alarm
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.peers import Peers
from hasten_runtime.tasks.shard_tenure import Candidate, ShardTenure

_log = logs.logger(__name__)


class Tenure:
    """The shards of one process, from `start` to `close`.

    It owns at most the shards that rendezvous gives it among the schedulers that it saw last. A
    shard whose right owner comes is handed over; one whose owner is gone is taken once the lease
    has ended. Each shard is tended by itself: a store that does not answer for one keeps none of
    the others.

    A process can be stopped at any moment and go on much later. Whoever acts as the owner therefore
    calls `look` (or `term`) before each act: it tells what is over before anything else happens.
    What is on its way to the store even so carries a term that the store compares.

    Args:
        candidate: This process; its election is not closed here.
        peers: Not closed here.
        shards: How many there are; the same for all schedulers.
    """

    def __init__(self, candidate: Candidate, peers: Peers, *, shards: int) -> None:
        self._peers = peers
        self._name = candidate.name
        self._times = candidate.times
        self._clock = candidate.clock
        self._alarm = Alarm(self._clock, self.look)
        self._ends_s = math.inf
        self._shards = [
            ShardTenure(shard, candidate, changed=self._changed) for shard in range(shards)
        ]
        self._leaving = False
        self._stir = asyncio.Event()
        self._nudged = False
        self._told: bytes | None = None
        self._announces_s = -math.inf
        self._well = True
        self._tending: list[asyncio.Task[None]] = []
        self._others: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to announce itself and to campaign; shards come through the listener."""
        self._tending = [
            asyncio.create_task(shard.run(), name=f"tenure-{number}")
            for number, shard in enumerate(self._shards)
        ]
        self._others = [
            asyncio.create_task(self._attend(), name="tenure-attend"),
            asyncio.create_task(self._listen(), name="tenure-listen"),
        ]

    def look(self) -> None:
        """Tells what is over by the clock. Costs a comparison where nothing is."""
        now_s = self._clock.now_s()
        if now_s >= self._ends_s:
            for shard in self._shards:
                shard.expire(now_s)

    def term(self, shard: int) -> Term | None:
        """The term in which this process may act for the shard now."""
        self.look()
        return self._shards[shard].term

    async def close(self) -> None:
        """Hands all shards over: they are told as gone at once, and are free when it returns.

        A store that does not answer is waited for once; then the leases end by themselves.
        """
        self._leaving = True
        for shard in self._shards:
            shard.leave()
        self._stir.set()
        await asyncio.gather(*self._tending)
        self._alarm.close()
        if self._others:
            # An announcement on its way is awaited and not cancelled: it could arrive after the
            # withdrawal and undo it.
            attending, listening = self._others
            listening.cancel()
            await asyncio.gather(attending, listening, return_exceptions=True)
            self._others = []
            try:
                await self._peers.withdraw(self._name)
            except StoreUnavailable as error:
                _log.warning(
                    "scheduler.not_withdrawn",
                    reason=str(error),
                    help="others notice by its lease; look at the setting redis_url",
                )

    def _changed(self) -> None:
        self._ends_s = min((shard.ends_s for shard in self._shards), default=math.inf)
        self._alarm.set(self._ends_s)
        if self._news() != self._told:
            self._stir.set()

    def _news(self) -> bytes:
        """What it holds in the store: others hear of a change when something has become free."""
        held = [str(number) for number, shard in enumerate(self._shards) if shard.listed]
        return ",".join(held).encode()

    async def _attend(self) -> None:
        while not self._leaving:
            self._stir.clear()
            nudged, self._nudged = self._nudged, False
            try:
                await self._announce()
                present = await self._peers.present()
            except StoreUnavailable as error:
                # Who was seen last is taken to be there still.
                if self._well:
                    _log.warning(
                        "scheduler.peers_unknown",
                        reason=str(error),
                        help="those seen last count as there; look at the setting redis_url",
                    )
                self._well = False
            else:
                self._well = True
                self._share(present | {self._name}, nudged=nudged)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._times.poll_s):
                    await self._stir.wait()

    async def _announce(self) -> None:
        now_s = self._clock.now_s()
        news = self._news()
        if now_s >= self._announces_s or news != self._told:
            await self._peers.announce(self._name, news, ttl_s=self._times.lease_s)
            self._told = news
            self._announces_s = now_s + self._times.renew_s

    def _share(self, live: set[str], *, nudged: bool) -> None:
        owners = spread(len(self._shards), live)
        for shard, owner in zip(self._shards, owners, strict=True):
            shard.want(owner == self._name, at_once=nudged)

    async def _listen(self) -> None:
        while True:
            try:
                await self._peers.changed(self._times.lease_s)
            except StoreUnavailable:
                await asyncio.sleep(self._times.poll_s)
                continue
            self._nudged = True
            self._stir.set()
