"""What a balancer decides."""

from collections.abc import Iterable
from math import inf
from typing import ClassVar

from hasten_policy.chance import Chance
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord


class Balancer:
    """Which worker gets a call.

    Attributes:
        blind: Most workers are silent, and what they said last is old.
        due_s: When `renew` wants to be called.
        measures: It multiplies a worker's weight with seconds that it measures; others take the
            weight for the worker's speed.
    """

    __slots__ = ("blind", "due_s")

    measures: ClassVar[bool] = False

    def __init__(self) -> None:
        self.blind = False
        self.due_s = inf

    def pick(
        self, key: str, entries: list[ModelEntry], rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """One of `entries` with a free credit; None when there is none.

        Args:
            key: What the call asked for, as `ModelView.key`.
            entries: Open workers that have it, in any order.
            rng: Source of random choices.
            now_s: Now.
        """
        raise NotImplementedError

    def choose(
        self, view: ModelView, left_s: float, rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """The worker for a new call; None when every open one is full.

        Args:
            view: What the call asked for.
            left_s: Seconds until its deadline; math.inf without one.
            rng: Source of random choices.
            now_s: Now.
        """
        del left_s
        return self.pick(view.key, view.open, rng, now_s)

    def faster(
        self,
        view: ModelView,
        entry: ModelEntry,
        need_s: float,
        rows: int,
        elements: int,
        now_s: float,
    ) -> tuple[float, ModelEntry]:
        """The choice for a call that would be too late at its first choice, and its seconds there.

        Args:
            view: What the call asked for.
            entry: The first choice.
            need_s: Predicted seconds there.
            rows: Of the call.
            elements: Of the call.
            now_s: Now.
        """
        del view, rows, elements, now_s
        return need_s, entry

    def renew(self, views: Iterable[ModelView], now_s: float) -> None:
        """Its time, `due_s`, has come."""

    def answered(self, worker: WorkerRecord, trip_s: float, now_s: float) -> None:
        """The worker answered a call `trip_s` after it was sent."""
