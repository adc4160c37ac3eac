"""Elections by leases in Redis, beside the data that the owner moves."""

from typing import Any, Final

from hasten_runtime.election.epochs import KnownEpochs
from hasten_runtime.election.port import Term
from hasten_runtime.redis_store.client import RedisClients, bounded
from hasten_runtime.redis_store.scripts import script

MS: Final = 1000


class RedisElection:
    """The `Election` port over Redis; does no IO before its first call.

    Key: `{<namespace>:<name>}:owner`, a hash of owner, epoch, until_ms and lease_ms, in one cluster
    slot with all keys that begin with the same tag, so that their scripts can look at it. It is
    never removed, as the epoch goes on rising from it. Times are the server's, of one clock.

    Args:
        url: As `open_redis` takes it.
        namespace: Meshes with different ones do not see each other.
    """

    def __init__(self, url: str, *, namespace: str = "hasten") -> None:
        self._clients = RedisClients(url)
        self._namespace = namespace
        self._known = KnownEpochs()

    async def campaign(self, name: str, candidate: str, *, lease_s: float) -> Term | None:
        """Takes the ownership, or renews it; see the port."""
        known = self._known.newest(name)
        async with bounded():
            epoch = await self._run("campaign", name, candidate, _ms(lease_s), known)
        if not epoch:
            return None
        self._known.note(name, epoch)
        return Term(candidate, epoch, lease_s)

    async def renew(self, name: str, term: Term) -> bool:
        """Prolongs a term; see the port."""
        async with bounded():
            renewed = await self._run("renew", name, term.owner, term.epoch, _ms(term.lease_s))
        return bool(renewed)

    async def resign(self, name: str, term: Term) -> None:
        """Ends a term; see the port."""
        async with bounded():
            await self._run("resign", name, term.owner, term.epoch)

    async def holder(self, name: str) -> Term | None:
        """Whose it is; see the port."""
        async with bounded():
            held = await self._run("holder", name)
        if not held:
            return None
        owner, epoch, left_ms = held
        self._known.note(name, epoch)
        return Term(owner.decode(errors="replace"), epoch, int(left_ms) / MS)

    async def close(self) -> None:
        """Releases connections."""
        await self._clients.aclose()

    async def _run(self, what: str, name: str, *args: str | float) -> Any:  # noqa: ANN401  (as Redis says)
        key = f"{{{self._namespace}:{name}}}:owner"
        return await script(self._clients.of(key), f"election_{what}")([key], list(args))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * MS))
