"""The port to whatever decides who owns a thing that has one owner at a time."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Term:
    """One ownership.

    Attributes:
        owner: The candidate that has it.
        epoch: Above the epoch of every term before, also when the store was restored from an older
            copy. One candidate never has two terms with the same epoch.
        lease_s: Seconds for which it holds from when it was asked for, unless renewed.
    """

    owner: str
    epoch: int
    lease_s: float


class Election(Protocol):
    """Elections of owners by name. Every method may raise StoreUnavailable; whoever cannot renew in
    time stops by his own clock before the lease has ended.
    """

    async def campaign(self, name: str, candidate: str, *, lease_s: float) -> Term | None:
        """Takes the ownership if it is free or the candidate's own, which is then renewed with its
        epoch; None when somebody else has it.
        """
        ...

    async def renew(self, name: str, term: Term) -> bool:
        """Prolongs a term by its lease from now; False when it has ended. Never begins one."""
        ...

    async def resign(self, name: str, term: Term) -> None:
        """Ends a term at once, if it still is the newest: whoever campaigns next has it."""
        ...

    async def holder(self, name: str) -> Term | None:
        """Whose it is now, with what is left of its lease; None when it is free."""
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...
