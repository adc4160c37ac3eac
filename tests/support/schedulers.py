"""Make-believe schedulers that own shards, on one loop in virtual time, with a store to share."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from hasten_runtime.election.memory import MemoryElection
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.peers import MemoryBoard, MemoryPeers
from hasten_runtime.tasks.shard_tenure import Candidate, TenureTimes
from hasten_runtime.tasks.tenure import Tenure
from tests.support.stalling import StallingLoop, elsewhere, inside

T = TypeVar("T")

CALL_TIMEOUT_S = 1.0
"""Of the stores' clients."""
ACT_S = 0.1
"""Between two acts of an owner."""


class LoopClock:
    """The running loop's time."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class Wire:
    """Between the processes and their store.

    Attributes:
        chance: For delays and losses.
        delay_s: Longest way of a message.
        loss: Share of calls of which request or reply is lost.
        hangs: Requests are taken and not answered.
    """

    chance: random.Random
    delay_s: float = 0.005
    loss: float = 0.0
    hangs: bool = False

    async def call(self, work: Callable[[], T]) -> T:
        """The store does the work in its own time; who stands still gets the answer late."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        asyncio.create_task(self._travel(work, answer), context=elsewhere())  # noqa: RUF006  (awaited through its answer)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await answer
        except TimeoutError as error:
            raise StoreUnavailable("no answer") from error

    async def _travel(self, work: Callable[[], T], answer: "asyncio.Future[T]") -> None:
        fate = self.chance.random()
        await asyncio.sleep(self.chance.uniform(0, self.delay_s))
        if self.hangs or fate < self.loss / 2:
            return
        try:
            result = work()
        except StoreUnavailable as error:
            if not answer.done():
                answer.set_exception(error)
            return
        await asyncio.sleep(self.chance.uniform(0, self.delay_s))
        if fate >= self.loss and not answer.done():
            answer.set_result(result)


@dataclass
class World:
    """The store, and all who were owners.

    Attributes:
        owners: Who acts as the owner, by shard, as listeners were told.
        epochs: Of all terms that were taken, by shard, in order.
        acts: Acts as an owner.
        went_on_s: When a process went on after it stood still.
        faults: What should never be, noted: an exception would end up in the code under test.
    """

    wire: Wire
    loop: StallingLoop
    shards: int
    clock: LoopClock = field(default_factory=LoopClock)
    owners: dict[int, set[str]] = field(default_factory=dict)
    epochs: dict[int, list[int]] = field(default_factory=dict)
    acts: int = 0
    went_on_s: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.election = MemoryElection(self.clock)
        self.board = MemoryBoard(self.clock)

    def set_available(self, available: bool) -> None:
        self.election.available = self.board.available = available

    def expect(self, holds: bool, otherwise: str) -> None:
        """Notes a fault if something does not hold."""
        if not holds:
            self.faults.append(f"{self.clock.now_s():.3f}: {otherwise}")

    def stop(self, name: str) -> None:
        """SIGSTOP."""
        self.loop.stop_process(name)

    def go_on(self, name: str) -> None:
        """SIGCONT."""
        if self.loop.is_stopped(name):
            self.went_on_s[name] = self.clock.now_s()
            self.loop.continue_process(name)

    def owner(self, shard: int) -> str:
        """Who acts as the owner, "" for nobody.

        Whoever stands still does not act, nor does he at the moment at which he goes on: he has
        to look at the clock first.
        """
        now_s = self.clock.now_s()
        acting = [
            name
            for name in self.owners.get(shard, ())
            if not self.loop.is_stopped(name) and self.went_on_s.get(name) != now_s
        ]
        self.expect(len(acting) <= 1, f"shard {shard} has owners {acting}")
        return acting[0] if acting else ""


class Scheduler:
    """One make-believe process, which acts as the owner of what it has every now and then."""

    def __init__(self, world: World, name: str, times: TenureTimes | None = None) -> None:
        self.name = name
        self.held: dict[int, Term] = {}
        self.closed = False
        self._world = world
        with inside(name):
            self.tenure = Tenure(
                Candidate(
                    name,
                    _RemoteElection(world),
                    self,
                    times=times or TenureTimes(),
                    clock=world.clock,
                ),
                _RemotePeers(world),
                shards=world.shards,
            )
            self.tenure.start()
            self._acting = asyncio.create_task(self._act())

    def taken(self, shard: int, term: Term) -> None:
        world = self._world
        world.expect(shard not in self.held, f"{self.name} has {shard} twice")
        world.expect(term.owner == self.name, f"{self.name} has {term}")
        epochs = world.epochs.setdefault(shard, [])
        world.expect(not epochs or term.epoch > epochs[-1], f"{term} after {epochs}")
        epochs.append(term.epoch)
        self.held[shard] = term
        world.owners.setdefault(shard, set()).add(self.name)
        self._check(shard, term)

    def gone(self, shard: int) -> None:
        self._world.expect(shard in self.held, f"{self.name} never had {shard}")
        del self.held[shard]
        self._world.owners[shard].discard(self.name)

    def close(self) -> "asyncio.Task[None]":
        """Begins to leave in order."""
        self.closed = True
        with inside(self.name):
            return asyncio.create_task(self._close())

    async def _close(self) -> None:
        await self.tenure.close()
        self._acting.cancel()
        with suppress(asyncio.CancelledError):
            await self._acting

    async def _act(self) -> None:
        while True:
            await asyncio.sleep(ACT_S)
            for shard in range(self._world.shards):
                term = self.tenure.term(shard)
                self._world.expect(term == self.held.get(shard), f"{term} was not told")
                if term is not None:
                    self._check(shard, term)

    def _check(self, shard: int, term: Term) -> None:
        """Acts as the owner: it is the only one, and the store would say so too."""
        world = self._world
        world.acts += 1
        owner = world.owner(shard)
        world.expect(owner in {self.name, ""}, f"{self.name} acts where {owner} is the owner")
        held = world.election.held.get(f"q:{shard}")
        world.expect(
            held is not None
            and (held.term.owner, held.term.epoch) == (term.owner, term.epoch)
            and held.ends_s > world.clock.now_s(),
            f"{self.name} acts with {term}, but {held} holds",
        )


class _RemoteElection:
    """The election, at the other end of a wire."""

    def __init__(self, world: World) -> None:
        self._wire = world.wire
        self._store = world.election

    async def campaign(self, name: str, candidate: str, *, lease_s: float) -> Term | None:
        return await self._wire.call(
            lambda: _now(self._store.campaign(name, candidate, lease_s=lease_s))
        )

    async def renew(self, name: str, term: Term) -> bool:
        return await self._wire.call(lambda: _now(self._store.renew(name, term)))

    async def resign(self, name: str, term: Term) -> None:
        await self._wire.call(lambda: _now(self._store.resign(name, term)))

    async def holder(self, name: str) -> Term | None:
        return await self._wire.call(lambda: _now(self._store.holder(name)))

    async def close(self) -> None:
        pass


class _RemotePeers(MemoryPeers):
    """The board, at the other end of a wire; its nudges come at once."""

    def __init__(self, world: World) -> None:
        super().__init__(world.board)
        self._wire = world.wire

    async def announce(self, name: str, news: bytes, *, ttl_s: float) -> None:
        await self._wire.call(lambda: self._board.put(name, news, ttl_s))

    async def withdraw(self, name: str) -> None:
        await self._wire.call(lambda: self._board.remove(name))

    async def present(self) -> set[str]:
        return await self._wire.call(self._board.names)


def _now(coroutine: "Coroutine[None, None, T]") -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")
