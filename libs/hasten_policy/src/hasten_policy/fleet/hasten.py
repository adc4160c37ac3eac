"""The shipped balancer: weighted least connections over piggybacked depth, at home first.

score = (calls there + own sends since its report + 1) * seconds per call / (weight * slow start)

The least score wins, ties are broken at random, and a worker without a free credit is out. A
full scan over a periodically shared snapshot herds; depth that rides on every reply does not.
"""

from collections.abc import Iterable
from math import inf
from typing import ClassVar

from hasten_policy.chance import Chance
from hasten_policy.fleet.balancer import Balancer
from hasten_policy.fleet.homes import Homes
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.workers import ModelEntry


class Hasten(Balancer):
    """`pick`, among the homes of a model where that fills batches; two choices when blind."""

    __slots__ = ("_homes",)

    measures: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._homes = Homes()
        self.due_s = self._homes.due_s

    def pick(
        self, key: str, entries: list[ModelEntry], rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """As `Balancer.pick`."""
        del key, now_s
        return pick(entries, rng)

    def choose(
        self, view: ModelView, left_s: float, rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """As `Balancer.choose`."""
        del now_s
        if self.blind:
            return pick_blind(view.open, rng)
        best = pick(view.open, rng)
        if best is None or best.home or not best.worker.queue or left_s == inf or not view.homes:
            return best
        # It would mix with other models there: rather fill a batch at home, if time allows.
        return pick(view.homes, rng)

    def faster(
        self,
        view: ModelView,
        entry: ModelEntry,
        need_s: float,
        rows: int,
        elements: int,
        now_s: float,
    ) -> tuple[float, ModelEntry]:
        """As `Balancer.faster`: the least load is not always the soonest end."""
        for other in view.homes or view.open:
            if len(other.worker.calls) < other.worker.window:
                other_s = other.finish_of_s(now_s, rows, elements)
                if other_s < need_s:
                    need_s, entry = other_s, other
        return need_s, entry

    def renew(self, views: Iterable[ModelView], now_s: float) -> None:
        """As `Balancer.renew`: lays the homes out anew."""
        self._homes.renew(views, now_s)
        self.due_s = self._homes.due_s


def pick(entries: list[ModelEntry], rng: Chance) -> ModelEntry | None:
    """The open entry with the least score among those with a free credit; None if all are full."""
    best: ModelEntry | None = None
    best_score = inf
    ties = 1
    for entry in entries:
        worker = entry.worker
        if len(worker.calls) >= worker.window:
            continue
        score = (worker.queue + 1) * entry.cost_s * worker.inverse_share
        if score < best_score:
            best_score = score
            best = entry
            ties = 1
        elif score == best_score:
            # Every entry of a tie ends up with the same chance.
            ties += 1
            if rng.random() * ties < 1.0:
                best = entry
    return best


def pick_blind(entries: list[ModelEntry], rng: Chance) -> ModelEntry | None:
    """Two random choices by own calls in flight, when most reports are stale.

    Stale depths mislead an argmin; two choices degrade softly (Mitzenmacher, 2001).
    """
    free = [entry for entry in entries if len(entry.worker.calls) < entry.worker.window]
    if not free:
        return None
    weights = [1.0 / (entry.cost_s * entry.worker.inverse_share + 1e-9) for entry in free]
    one, two = rng.choices(free, weights, k=2)
    return one if _own_load_s(one) <= _own_load_s(two) else two


def _own_load_s(entry: ModelEntry) -> float:
    return (len(entry.worker.calls) + 1) * entry.cost_s * entry.worker.inverse_share
