"""One shard, as one process gets, keeps and gives up its ownership."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from hasten_runtime import logs
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.election.port import Election, Term
from hasten_runtime.load_store import StoreUnavailable

_log = logs.logger(__name__)


class TenureListener(Protocol):
    """Whoever acts as the owner of shards. It is told in pairs, and must not wait."""

    def taken(self, shard: int, term: Term) -> None:
        """This process owns the shard from now on."""
        ...

    def gone(self, shard: int) -> None:
        """It owns the shard no more. Told before somebody else can own it."""
        ...


@dataclass(frozen=True, slots=True)
class TenureTimes:
    """How long things take.

    Attributes:
        lease_s: Life of an ownership, and of a scheduler's announcement.
        renew_s: Both are renewed so often.
        poll_s: Who is there, and whether a wanted shard is free, is asked so often at least; and
            after trouble whatever failed is tried again.
        margin_s: An owner stops so long before its lease ends: clocks run at different speeds, and
            whoever is told that a shard is gone needs a moment.
    """

    lease_s: float = 3.0
    renew_s: float = 1.0
    poll_s: float = 0.25
    margin_s: float = 0.3

    def __post_init__(self) -> None:
        """Raises ValueError for times that would end a lease between two renewals."""
        if not 0 < self.renew_s < self.lease_s - self.margin_s:
            raise ValueError("a lease must be renewed before its margin begins")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A process that can own shards.

    Attributes:
        name: Of this process and no other, not even of its predecessor.
        election: Says whose a shard is.
        listener: Told of what is taken and gone.
        times: How long things take.
        clock: Monotonic.
    """

    name: str
    election: Election
    listener: TenureListener
    times: TenureTimes = field(default_factory=TenureTimes)
    clock: Clock = field(default_factory=SystemClock)


class ShardTenure:
    """Campaigns for a shard while it is wanted, and keeps it until it is not.

    What it holds ends by this process's clock, `margin_s` before the lease could: that began when
    the store heard of it, and here it counts from when the store was asked. So an answer that comes
    late, to a process that stood still, prolongs nothing.

    Attributes:
        term: The ownership; None while there is none.
        ends_s: When the process stops being the owner unless the lease is renewed; math.inf when it
            is none.

    Args:
        shard: Its number.
        candidate: Whose tenure it is.
        changed: Called when `term`, `ends_s` or `listed` changed.
        name: What is owned, for the election; "" for a shard of the tasks.
    """

    def __init__(
        self,
        shard: int,
        candidate: Candidate,
        *,
        changed: Callable[[], None],
        name: str = "",
    ) -> None:
        self.term: Term | None = None
        self.ends_s = math.inf
        self._shard = shard
        self._name = name or f"q:{shard}"
        self._candidate = candidate
        self._election = candidate.election
        self._listener = candidate.listener
        self._times = candidate.times
        self._clock = candidate.clock
        self._changed = changed
        self._wanted = False
        self._leaving = False
        self._renews_s = math.inf
        # Given up here, but the store may not know: it ends before this process begins another, so
        # that no two of its terms have one epoch.
        self._unended: Term | None = None
        self._stir = asyncio.Event()
        self._well = True

    @property
    def listed(self) -> bool:
        """In the store the shard is this process's, as far as is known here."""
        return self.term is not None or self._unended is not None

    def want(self, wanted: bool = True, *, at_once: bool) -> None:  # noqa: FBT001, FBT002  (it is the subject)
        """Whether the shard should be this process's; at_once: it may have become free."""
        if self._leaving:
            return
        if wanted != self._wanted or (at_once and wanted and self.term is None):
            self._stir.set()
        self._wanted = wanted

    def expire(self, now_s: float) -> None:
        """Stops being the owner if its time is over."""
        if now_s >= self.ends_s:
            _log.warning("shard.lease_not_renewed", name=self._name)
            self._give_up()

    def leave(self) -> None:
        """Stops being the owner now, and lets `run` end once the store knows or does not answer."""
        self._leaving = True
        self._wanted = False
        self._give_up()
        self._stir.set()

    async def run(self) -> None:
        """Tends the shard until `leave`."""
        while True:
            self._stir.clear()
            pause_s = self._times.poll_s
            try:
                await self._step()
            except StoreUnavailable as error:
                if self._well:
                    _log.warning(
                        "shard.store_away",
                        name=self._name,
                        reason=str(error),
                        help="its work waits until it is back; look at the setting redis_url",
                    )
                self._well = False
            except Exception:  # noqa: BLE001  (a shard that nobody tends would have no owner)
                _log.exception("shard.fault", name=self._name)
            else:
                self._well = True
                pause_s = self._pause_s()
            if self._leaving and self.term is None and (self._unended is None or not self._well):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(None if pause_s == math.inf else pause_s):
                    await self._stir.wait()

    async def _step(self) -> None:
        if self.term is not None and not self._wanted:
            _log.info("shard.handed_over", name=self._name)
            self._give_up()
        if self._unended is not None:
            await self._end(self._unended)
        elif self.term is not None:
            if self._clock.now_s() >= self._renews_s:
                await self._renew(self.term)
        elif self._wanted:
            await self._campaign()

    def _pause_s(self) -> float:
        if self._unended is not None:
            return 0.0
        if self.term is not None:
            return max(0.0, self._renews_s - self._clock.now_s())
        return self._times.poll_s if self._wanted else math.inf

    async def _end(self, term: Term) -> None:
        await self._election.resign(self._name, term)
        if self._unended is term:
            self._unended = None
        self._changed()
        # A shard that is wanted again is campaigned for at once.
        self._stir.set()

    async def _renew(self, term: Term) -> None:
        asked_s = self._clock.now_s()
        renewed = await self._election.renew(self._name, term)
        if self.term is not term:
            return  # Its time was over before the answer came: it is told as gone already.
        if renewed:
            self._holds_from(asked_s)
        else:
            _log.warning("shard.lost", name=self._name, epoch=term.epoch)
            self._give_up()
            self._unended = None
            self._stir.set()

    async def _campaign(self) -> None:
        asked_s = self._clock.now_s()
        term = await self._election.campaign(
            self._name, self._candidate.name, lease_s=self._times.lease_s
        )
        if term is None:
            return
        if not self._wanted or self._clock.now_s() >= asked_s + self._kept_s:
            self._unended = term
            return
        self.term = term
        self._holds_from(asked_s)
        _log.info("shard.taken", name=self._name, epoch=term.epoch)
        try:
            self._listener.taken(self._shard, term)
        except BaseException:
            # It was not told, and will not be told that the shard is gone.
            self._forget()
            raise

    @property
    def _kept_s(self) -> float:
        return self._times.lease_s - self._times.margin_s

    def _holds_from(self, asked_s: float) -> None:
        self.ends_s = asked_s + self._kept_s
        self._renews_s = asked_s + self._times.renew_s
        self._changed()

    def _give_up(self) -> None:
        if self.term is not None:
            self._forget()
            self._listener.gone(self._shard)

    def _forget(self) -> None:
        self._unended = self.term
        self.term = None
        self.ends_s = self._renews_s = math.inf
        self._changed()
        self._stir.set()
