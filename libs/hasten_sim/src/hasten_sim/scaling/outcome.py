"""Adds up what a scaling rule makes of a run."""

from typing import Final

from hasten_sim.scaling_figures import Decision, ScalingFigures

REVERSED_S: Final = 600.0
"""A change that the next one takes back within this time was none that was needed."""
SHORT_OVER_S: Final = 10.0
"""Demand is compared with the workers over so long: within a second it is noise."""


class Outcome:
    """Adds up what happens to a pool.

    Args:
        begin_s: Counts from here on.
        end_s: And up to here.
    """

    def __init__(self, begin_s: float, end_s: float) -> None:
        self._begin_s = begin_s
        self._end_s = end_s
        self._paid = 0
        self._paid_since_s = begin_s
        self._replica_s = 0.0
        self._changes = self._reversals = 0
        self._last: tuple[float, int] | None = None
        self._shortage_max = 0.0
        self._short: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._decisions: list[Decision] = []

    def paid(self, now_s: float, workers: int) -> None:
        """So many workers are paid for from now on."""
        until_s = min(max(now_s, self._begin_s), self._end_s)
        self._replica_s += self._paid * (until_s - self._paid_since_s)
        self._paid, self._paid_since_s = workers, until_s

    def decided(self, now_s: float, desired: int, ready: int) -> None:
        """The machine decided."""
        before = self._decisions[-1].desired if self._decisions else desired
        self._decisions.append(Decision(now_s, desired, ready))
        step = desired - before
        if not step or not self._begin_s <= now_s <= self._end_s:
            return
        self._changes += 1
        if self._last is not None:
            at_s, last = self._last
            self._reversals += step * last < 0 and now_s - at_s <= REVERSED_S
        self._last = (now_s, step)

    def demanded(self, now_s: float, span_s: float, load_s: float, ready: int) -> None:
        """So many worker seconds were asked for, of so many workers, in the time since then."""
        if now_s <= self._begin_s or now_s > self._end_s:
            return
        passed_s, asked_s, there_s = self._short
        passed_s, asked_s, there_s = passed_s + span_s, asked_s + load_s, there_s + ready * span_s
        if passed_s >= SHORT_OVER_S:
            self._shortage_max = max(self._shortage_max, (asked_s - there_s) / passed_s)
            passed_s = asked_s = there_s = 0.0
        self._short = (passed_s, asked_s, there_s)

    def figures(self, rule: str, price_per_h: float) -> ScalingFigures:
        """At the end."""
        self.paid(self._end_s, self._paid)
        return ScalingFigures(
            rule=rule,
            replica_s=self._replica_s,
            price_per_h=price_per_h,
            changes=self._changes,
            reversals=self._reversals,
            shortage_max=self._shortage_max,
            decisions=tuple(self._decisions),
        )
