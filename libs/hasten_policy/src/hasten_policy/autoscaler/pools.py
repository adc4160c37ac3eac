"""The pools of one autoscaler: what they offer, and which of them give nobody now."""

from collections.abc import Mapping, Sequence
from typing import Final

from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.offers import Granted, Offer, grant, too_dear

UNNAMED: Final = ""
"""The one pool of an autoscaler that was told of none: the bounds are its bounds."""


class Pools:
    """Offers, and until when each pool is left alone."""

    __slots__ = ("_offers", "_shut")

    def __init__(self) -> None:
        self._offers: Mapping[str, Offer] = {}
        self._shut: dict[str, float] = {}

    def told(self, offers: Sequence[Offer]) -> None:
        """There are these."""
        self._offers = {offer.name: offer for offer in offers}

    def shut(self, pool: str, until_s: float) -> None:
        """One gives nobody until then."""
        self._shut[pool] = max(until_s, self._shut.get(pool, until_s))

    def failed(self, pool: str, until_s: float) -> None:
        """A worker of it never became ready: others are tried before it, where there are any."""
        if len(self._offers) > 1:
            self.shut(pool, until_s)

    def grant(
        self, count: int, present: Mapping[str, int], bounds: Bounds, share_max: float, now_s: float
    ) -> Granted:
        """Where so many workers are to start."""
        if not self._offers:
            shut = now_s < self._shut.get(UNNAMED, now_s)
            return Granted({}, count, "pools_shut") if shut else Granted({UNNAMED: count})
        return grant(
            count,
            tuple(self._offers.values()),
            present,
            shut=[pool for pool, until_s in self._shut.items() if now_s < until_s],
            budget_per_h=bounds.budget_per_h,
            preemptible_share_max=share_max,
        )

    def too_dear(self, present: Mapping[str, int], bounds: Bounds) -> int:
        """Workers that the budget does not pay for."""
        return too_dear(tuple(self._offers.values()), present, bounds.budget_per_h)

    def within(self, bounds: Bounds) -> Bounds:
        """The bounds, the price in them only where no pool has a price of its own."""
        if not self._offers:
            return bounds
        return Bounds(bounds.workers_min, bounds.workers_max, 0.0, 0.0)

    def price_per_h(self, pool: str) -> float:
        """Of a worker there."""
        offer = self._offers.get(pool)
        return offer.price_per_h if offer is not None else 0.0

    def spare(self, present: Mapping[str, int]) -> dict[str, int]:
        """Pool to how many may leave it, by its own floor."""
        return {
            name: max(0, present.get(name, 0) - offer.workers_min)
            for name, offer in self._offers.items()
        }

    def waits_s(self, now_s: float) -> float:
        """Seconds until some pool gives workers again; 0 where one does now."""
        pools = tuple(self._offers) or (UNNAMED,)
        return min(max(0.0, self._shut.get(pool, now_s) - now_s) for pool in pools)
