"""Elections in memory, for tests: who meets in one object meets as in one store."""

from dataclasses import dataclass, replace

from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable


@dataclass(frozen=True, slots=True)
class _Held:
    """A term and when its lease ends, on the clock."""

    term: Term
    ends_s: float


class MemoryElection:
    """The `Election` port in memory.

    Attributes:
        available: Set to False to play a dead store.
        held: What the store keeps, by name; put an older copy here to play a restored store.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.available = True
        self.held: dict[str, _Held] = {}
        self._clock = clock or SystemClock()
        self._newest_epoch = 0

    async def campaign(self, name: str, candidate: str, *, lease_s: float) -> Term | None:
        """Takes the ownership, or renews it; see the port."""
        live = self._live(name)
        if live is not None and live.term.owner != candidate:
            return None
        if live is not None:
            term = replace(live.term, lease_s=lease_s)
        else:
            # As server time does: it rises whatever became of the stored copy.
            self._newest_epoch += 1
            term = Term(candidate, self._newest_epoch, lease_s)
        self._hold(name, term)
        return term

    async def renew(self, name: str, term: Term) -> bool:
        """Prolongs a term; see the port."""
        live = self._live(name)
        if live is None or not _same(live.term, term):
            return False
        self._hold(name, term)
        return True

    async def resign(self, name: str, term: Term) -> None:
        """Ends a term; see the port."""
        live = self._live(name)
        if live is not None and _same(live.term, term):
            del self.held[name]

    async def holder(self, name: str) -> Term | None:
        """Whose it is; see the port."""
        live = self._live(name)
        if live is None:
            return None
        return replace(live.term, lease_s=live.ends_s - self._clock.now_s())

    async def close(self) -> None:
        """Nothing to release."""

    def _live(self, name: str) -> _Held | None:
        if not self.available:
            raise StoreUnavailable("the election is not available")
        held = self.held.get(name)
        return held if held is not None and held.ends_s > self._clock.now_s() else None

    def _hold(self, name: str, term: Term) -> None:
        self.held[name] = _Held(term, self._clock.now_s() + term.lease_s)


def _same(one: Term, other: Term) -> bool:
    return (one.owner, one.epoch) == (other.owner, other.epoch)
