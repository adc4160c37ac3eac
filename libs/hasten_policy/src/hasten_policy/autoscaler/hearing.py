"""What routers tell of demand: believed, or left out by name."""

from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from hasten_policy.autoscaler.events import (
    BacklogTold,
    DemandTold,
    Ignored,
    LoadTold,
    ModelDemand,
)
from hasten_policy.scaling.backlog import QueuedWork
from hasten_policy.scaling.demand import Counts, Demand
from hasten_policy.scaling.profiles import Profiles

KEEP_S: Final = 900.0
"""No rule looks further back than this."""
COUNT_MAX: Final = 100_000_000
"""Calls that one router may have been asked for in one message."""
SPAN_S_MAX: Final = 3600.0
FORGOTTEN_S: Final = 300.0
"""A router that was silent for so long is gone, and nobody waits for it."""


@dataclass(slots=True)
class Hearing:
    """Demand, and when each router was heard last.

    Attributes:
        demand: Of all routers.
        profiles: Of the models.
        heard_s: Router to time.
        waiting: Router to calls that it holds.
        asked_s: Model to when it was asked for last.
        queued: Scheduler to when it told, and what waits there.
    """

    demand: Demand = field(default_factory=lambda: Demand(KEEP_S))
    profiles: Profiles = field(default_factory=Profiles)
    heard_s: dict[str, float] = field(default_factory=dict[str, float])
    waiting: dict[str, int] = field(default_factory=dict[str, int])
    asked_s: dict[str, float] = field(default_factory=dict[str, float])
    queued: dict[str, tuple[float, tuple[QueuedWork, ...]]] = field(
        default_factory=dict[str, tuple[float, tuple[QueuedWork, ...]]]
    )

    def told(self, event: DemandTold, now_s: float, workers: int) -> Ignored | None:
        """A router told; what cannot be is left out, and said.

        Args:
            event: What it told.
            now_s: Now.
            workers: That serve, for the size of batches.
        """
        wrong = _wrong(event)
        if wrong:
            return Ignored(event.router_id, wrong)
        self.heard_s[event.router_id] = now_s
        self.waiting[event.router_id] = event.waiting
        calls = refused = late = unprofiled = 0
        load_s = 0.0
        for each in event.models:
            calls, refused, late = calls + each.calls, refused + each.refused, late + each.late
            found_s = self.profiles.load(each.model, each.rows, workers)
            if found_s is None:
                unprofiled += each.calls
            else:
                load_s += found_s
            if each.calls:
                self.asked_s[each.model] = now_s
        self.demand.add(now_s, Counts(calls, load_s, unprofiled, refused, late))
        return None

    def left(self, teller_id: str) -> None:
        """One that told left in order."""
        self.heard_s.pop(teller_id, None)
        self.waiting.pop(teller_id, None)
        self.queued.pop(teller_id, None)

    def backlog_told(self, event: BacklogTold, now_s: float) -> Ignored | None:
        """A scheduler told; what cannot be is left out, and said."""
        if not all(_is_work(each) for each in event.work):
            return Ignored(event.scheduler_id, "absurd work")
        self.queued[event.scheduler_id] = (now_s, event.work)
        for each in event.work:
            self.asked_s[each.model] = now_s
        return None

    def work(self, now_s: float, stale_s: float, workers: int) -> list[QueuedWork]:
        """The tasks that wait, with the seconds that they need by the profiles, as of now."""
        for gone in [each for each, (at_s, _) in self.queued.items() if now_s - at_s > stale_s]:
            del self.queued[gone]
        found: list[QueuedWork] = []
        for at_s, told in self.queued.values():
            for each in told:
                known_s = self.profiles.load(each.model, each.rows, workers)
                found.append(
                    replace(
                        each,
                        work_s=each.work_s if known_s is None else known_s,
                        start_in_s=max(0.0, each.start_in_s - (now_s - at_s)),
                        left_s=max(0.0, each.left_s - (now_s - at_s)),
                    )
                )
        return found

    def fresh(self, now_s: float, stale_s: float) -> bool:
        """Some router told something new enough."""
        return any(now_s - heard_s <= stale_s for heard_s in self.heard_s.values())

    def silent(self, now_s: float, stale_s: float) -> bool:
        """Some router that is not gone has not told for too long: its demand is not known."""
        for router_id in [
            each for each, at_s in self.heard_s.items() if now_s - at_s > FORGOTTEN_S
        ]:
            del self.heard_s[router_id], self.waiting[router_id]
        return any(now_s - heard_s > stale_s for heard_s in self.heard_s.values())

    def wanted_models(self, now_s: float) -> frozenset[str]:
        """Models that were asked for of late."""
        gone = [model for model, at_s in self.asked_s.items() if now_s - at_s > KEEP_S]
        for model in gone:
            del self.asked_s[model]
        return frozenset(self.asked_s)


def _wrong(event: DemandTold) -> str:
    """What cannot be of it; nothing of what can."""
    if not 0.0 < event.span_s <= SPAN_S_MAX:
        return f"counts of {event.span_s:g} s: a clock was set, or messages were lost"
    if event.waiting < 0 or any(not _possible(each) for each in event.models):
        return "absurd counts"
    return ""


def _possible(each: ModelDemand) -> bool:
    counts = (each.calls, each.rows, each.refused, each.late)
    return all(0 <= count <= COUNT_MAX for count in counts)


def _is_work(each: QueuedWork) -> bool:
    counts = (each.tasks, each.rows, each.work_s, each.start_in_s)
    # Written so that NaN is refused too.
    return all(0 <= count <= COUNT_MAX for count in counts) and 0 <= each.left_s <= inf


def load_wrong(load: LoadTold) -> str:
    """What cannot be of a worker's load; nothing of what can."""
    shares = (load.busy, load.memory)
    # Written so that NaN is refused too.
    if not all(0.0 <= share <= 10.0 for share in shares):
        return "shares outside 0 to 1"
    counts = (load.running, load.waiting, load.backlog_s)
    return "" if all(0 <= count <= COUNT_MAX for count in counts) else "absurd counts"
