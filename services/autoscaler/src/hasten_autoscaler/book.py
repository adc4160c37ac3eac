"""Decisions as they are kept and told, and all else that a plan says beside the machine's view."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.stored_state_pb2 import StoredState
from hasten_autoscaler import views
from hasten_policy.autoscaler.events import Desired
from hasten_policy.autoscaler.views import PoolView
from hasten_policy.scaling.verdict import Court, Verdict

KEPT: Final = 512
"""Decisions in memory."""
STORED: Final = 24
"""Of them in a checkpoint."""
IGNORED_MAX: Final = 32
"""Subjects that were left out and have counts of their own."""


class Book:
    """Keeps the decisions of a pool, over changes of the leader.

    Attributes:
        held: Why the number stays as it is; "" where it may change.
        shortage: Why workers cannot be had; "" where they can.
        starts_failed: That never became ready.
        ignored: What was told and left out.
        changed: Set, and replaced, with each new decision or verdict.
    """

    def __init__(self) -> None:
        self.held = ""
        self.shortage = ""
        self.starts_failed = 0
        self.ignored: Counter[str] = Counter()
        self.changed = asyncio.Event()
        self._decisions: deque[pb.Decision] = deque(maxlen=KEPT)
        self._court = Court()
        self._last_shown: tuple[int, str] | None = None

    # --- what happens -----------------------------------------------------------------------

    def begin(self, stored: StoredState | None) -> None:
        """A term begins, with what the leader before left."""
        self.held = self.shortage = ""
        self._court = Court()
        self._last_shown = None
        if stored is not None:
            self.follow(stored.decisions)

    def follow(self, decisions: Iterable[pb.Decision]) -> None:
        """These were made, by whoever leads; those that are known already may have a verdict."""
        known = {each.number: each for each in self._decisions}
        for decision in decisions:
            mine = known.get(decision.number)
            if mine is not None:
                mine.CopyFrom(decision)
            elif decision.number > self.newest:
                self._decisions.append(decision)
                self._wake()

    def decided(self, desired: Desired, view: PoolView) -> pb.Decision | None:
        """The machine decided; the decision, if it differs from the one before."""
        if desired.workers <= view.sight.ready + view.sight.starting:
            self.shortage = ""
        first = desired.reasons[0].kind if desired.reasons else ""
        shown = (desired.workers, first)
        if shown == self._last_shown:
            return None
        before = self._decisions[-1].desired if self._decisions else desired.ready
        self._last_shown = shown
        decision = pb.Decision(
            number=self.newest + 1,
            at_s=time.time(),
            desired=desired.workers,
            before=before,
            ready=desired.ready,
            starting=desired.starting,
            draining=desired.draining,
            mode=views.MODES[view.mode],
            rule=view.rule,
            reasons=[views.because_to_wire(each) for each in desired.reasons],
            load=view.sight.load(views.WINDOW_S),
        )
        self._decisions.append(decision)
        self._court.decided(decision.number, view.sight)
        self._wake()
        return decision

    def judge(self, view: PoolView) -> list[Verdict]:
        """Verdicts whose time has come, noted at their decisions."""
        found = self._court.due(view.sight)
        for verdict in found:
            for decision in self._decisions:
                if decision.number == verdict.number:
                    decision.verdict.CopyFrom(views.verdict_to_wire(verdict))
        if found:
            self._wake()
        return found

    def ignore(self, subject: str, why: str) -> bool:
        """Something was left out; True for the first of its kind."""
        key = f"{subject}: {why}"
        if key not in self.ignored and len(self.ignored) >= IGNORED_MAX:
            key = "others"
        self.ignored[key] += 1
        return self.ignored[key] == 1

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    # --- what is known ----------------------------------------------------------------------

    @property
    def newest(self) -> int:
        """Number of the last decision; 0 before the first."""
        return self._decisions[-1].number if self._decisions else 0

    def find(self, number: int, count: int) -> Sequence[pb.Decision]:
        """So many decisions up to a number, 0 for the last, the newest first."""
        upto = [each for each in self._decisions if not number or each.number <= number]
        return upto[::-1][: max(1, count)]

    def after(self, number: int) -> Sequence[pb.Decision]:
        """The decisions from a number on, oldest first."""
        return [each for each in self._decisions if each.number >= number]

    def fill_in(self, plan: pb.GetPlanResponse) -> None:
        """What a plan says beside the machine's view."""
        plan.held, plan.starts_failed = self.held, self.starts_failed
        plan.ignored.update(self.ignored)
        plan.short = max(0, plan.desired - plan.ready - plan.starting)
        plan.shortage = self.shortage if plan.short else ""
        if self._decisions:
            plan.last.CopyFrom(self._decisions[-1])

    def stored(self) -> Sequence[pb.Decision]:
        """Those that go into a checkpoint, oldest first."""
        return list(self._decisions)[-STORED:]
