"""What no rule may pass: bounds and budget, and how fast and how often the number changes."""

from collections import deque
from dataclasses import dataclass
from math import floor
from typing import Final

from hasten_policy.groups import refuse_negative
from hasten_policy.scaling.sight import Because
from hasten_policy.scaling.windows import MaxWindow

HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many workers a pool may have. What contradicts itself is refused when it is built.

    Attributes:
        workers_min: Never fewer.
        workers_max: Never more.
        price_per_h: What a worker costs an hour, in the operator's unit.
        budget_per_h: Never more than this an hour for all of them; 0 for no limit.
    """

    workers_min: int = 1
    workers_max: int = 64
    price_per_h: float = 1.0
    budget_per_h: float = 0.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.workers_max < 1:
            raise ValueError("workers_max must be at least 1")
        if self.workers_min > self.workers_max:
            raise ValueError(
                f"workers_min {self.workers_min} is above workers_max {self.workers_max}"
            )
        if self.workers_min > self.most:
            raise ValueError(
                f"budget_per_h pays for {self.most} workers, fewer than workers_min "
                f"{self.workers_min}"
            )

    @property
    def most(self) -> int:
        """Workers that bounds and budget allow."""
        if not (self.budget_per_h and self.price_per_h):
            return self.workers_max
        # A hair more: 0.3 pays for three workers of 0.1.
        return min(self.workers_max, floor(self.budget_per_h / self.price_per_h + 1e-9))


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """Parameters of the limits.

    Attributes:
        up_factor: One step up leads to at most so many times as many workers, or up_step more.
        up_step: See up_factor.
        down_share: In down_span_s at most this share of the workers leaves, and one may always.
        down_span_s: See down_share.
        changes_per_h_max: The number changes at most so often in an hour. A change of bounds is
            carried out beyond that.
    """

    up_factor: float = 2.0
    up_step: int = 4
    down_share: float = 0.25
    down_span_s: float = 60.0
    changes_per_h_max: int = 120

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.up_factor < 1 or self.up_step < 1:
            raise ValueError("up_factor and up_step must be at least 1")
        if self.changes_per_h_max < 1:
            raise ValueError("changes_per_h_max must be at least 1")


class Limits:
    """Applied last to whatever is wanted, for whatever reason."""

    __slots__ = ("_changes", "_policy", "_recent")

    def __init__(self, policy: LimitPolicy) -> None:
        self._policy = policy
        self._changes: deque[float] = deque()
        self._recent = MaxWindow(policy.down_span_s)

    def apply(
        self, now_s: float, desired: int, wanted: int, bounds: Bounds
    ) -> tuple[int, list[Because]]:
        """What may be had of what is wanted.

        Args:
            now_s: Now.
            desired: What was decided last.
            wanted: What is wanted now.
            bounds: Of the pool.

        Returns:
            The number, always within the bounds, and a reason for each limit that was reached.
        """
        reasons: list[Because] = []
        found = self._paced(now_s, desired, wanted, reasons)
        within = max(bounds.workers_min, min(bounds.most, found))
        if within < found:
            kind = "budget" if bounds.most < bounds.workers_max else "workers_max"
            reasons.append(Because(kind, within, (("not_granted", float(found - within)),)))
        elif within > found:
            reasons.append(Because("workers_min", within))
        if within != desired and not self._forced(desired, bounds):
            self._changes.append(now_s)
        self._recent.add(now_s, within)
        return within, reasons

    @staticmethod
    def _forced(desired: int, bounds: Bounds) -> bool:
        return not bounds.workers_min <= desired <= bounds.most

    def _paced(self, now_s: float, desired: int, wanted: int, reasons: list[Because]) -> int:
        """Not too far and not too often."""
        policy = self._policy
        recent = self._recent.add(now_s, desired)
        most = max(int(desired * policy.up_factor), desired + policy.up_step)
        least = min(desired, recent - max(1, int(recent * policy.down_share)))
        found = max(least, min(most, wanted))
        if found != wanted:
            kind = "step_up" if wanted > found else "step_down"
            reasons.append(Because(kind, found, (("wanted", float(wanted)),)))
        while self._changes and self._changes[0] <= now_s - HOUR_S:
            self._changes.popleft()
        if found != desired and len(self._changes) >= policy.changes_per_h_max:
            reasons.append(Because("changes_per_h", desired, (("wanted", float(found)),)))
            return desired
        return found
