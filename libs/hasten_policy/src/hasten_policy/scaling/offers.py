"""Several pools behind one number: where the next workers come from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from hasten_policy.groups import refuse_negative

HAIR: Final = 1e-9
"""0.3 pays for three workers of 0.1."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one pool offers. A worker of any pool is taken to do as much as one of another.

    Attributes:
        name: Of the pool.
        workers_min: So many stay there, whoever is dearer.
        workers_max: Never more of it.
        price_per_h: What one of its workers costs an hour; 0 where nobody counts.
        preemptible: Its owner may take workers back at any time.
    """

    name: str
    workers_min: int = 0
    workers_max: int = 64
    price_per_h: float = 1.0
    preemptible: bool = False

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.workers_min > self.workers_max:
            raise ValueError(
                f"workers_min {self.workers_min} is above workers_max {self.workers_max}"
            )


@dataclass(frozen=True, slots=True)
class Granted:
    """Where workers are to start.

    Attributes:
        by_pool: Pool to how many; in the order of asking.
        missing: That could be had nowhere.
        why: What kept them: "budget", "pools_shut" or "pools_full"; "" for nothing.
    """

    by_pool: Mapping[str, int]
    missing: int = 0
    why: str = ""


def grant(
    count: int,
    offers: Sequence[Offer],
    present: Mapping[str, int],
    *,
    shut: Collection[str] = (),
    budget_per_h: float = 0.0,
    preemptible_share_max: float = 0.5,
) -> Granted:
    """Divides workers that are to start among the pools.

    A pool below its own floor comes first, then the cheapest that is open and has room. A
    preemptible one stands back while more than a share of all workers would be in such, unless
    there is no other: one that may be taken back is better than none. The budget holds for
    whatever is started, and for those who are there already.

    Args:
        count: Workers that are wanted beside those who are there.
        offers: The pools.
        present: Pool to workers that are there or start.
        shut: Pools that refuse, or do not answer.
        budget_per_h: For all of them; 0 for no limit.
        preemptible_share_max: Of all workers.
    """
    there = {offer.name: present.get(offer.name, 0) for offer in offers}
    found: dict[str, int] = {}
    left = (budget_per_h or inf) + HAIR
    left -= sum(there[offer.name] * offer.price_per_h for offer in offers)
    for granted in range(count):
        best, why = _best(offers, there, shut, left, preemptible_share_max)
        if best is None:
            return Granted(found, count - granted, why)
        there[best.name] += 1
        found[best.name] = found.get(best.name, 0) + 1
        left -= best.price_per_h
    return Granted(found)


def _best(
    offers: Sequence[Offer],
    there: Mapping[str, int],
    shut: Collection[str],
    left_per_h: float,
    share_max: float,
) -> tuple[Offer | None, str]:
    """The pool that the next worker comes from; without one, what keeps it."""
    room = [offer for offer in offers if there[offer.name] < offer.workers_max]
    if not room:
        return None, "pools_full"
    room = [offer for offer in room if offer.name not in shut]
    if not room:
        return None, "pools_shut"
    room = [offer for offer in room if offer.price_per_h <= left_per_h]
    if not room:
        return None, "budget"
    at_risk = sum(there[offer.name] for offer in offers if offer.preemptible)
    too_many = (at_risk + 1) / (sum(there.values()) + 1) > share_max

    def order(offer: Offer) -> tuple[bool, bool, float, str]:
        below = there[offer.name] < offer.workers_min
        return not below, offer.preemptible and too_many, offer.price_per_h, offer.name

    return min(room, key=order), ""


def too_dear(offers: Sequence[Offer], present: Mapping[str, int], budget_per_h: float) -> int:
    """Workers that have to go until the budget pays for the others, the dearest first."""
    if not budget_per_h:
        return 0
    cost = sum(present.get(offer.name, 0) * offer.price_per_h for offer in offers)
    gone = 0
    for offer in sorted(offers, key=lambda offer: -offer.price_per_h):
        for _ in range(present.get(offer.name, 0)):
            if cost <= budget_per_h + HAIR:
                return gone
            cost -= offer.price_per_h
            gone += 1
    return gone
