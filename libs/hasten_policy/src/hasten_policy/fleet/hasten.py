"""The shipped balancer: least load by measured seconds, at home first."""

from collections.abc import Iterable
from math import inf
from typing import ClassVar

from hasten_policy.chance import Chance
from hasten_policy.fleet.balancer import Balancer
from hasten_policy.fleet.homes import Homes
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.pick import pick, pick_blind
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
