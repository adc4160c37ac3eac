"""What a schedule does at a time: which turns it starts, leaves out, holds back and ends.

A *turn* is one time of the schedule, named by it in microseconds since 1970-01-01T00:00Z. What was
decided about a turn is decided for good: `next_us` only grows, whatever the clock does. So a clock
that is put back repeats nothing, and one that is put forward is a while without anybody, after
which the catch-up rule says what becomes of the turns that passed.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from hasten_policy.scheduler.jobs.periods.rhythm import Rhythm, newest_us

CATCH_UP_MAX: Final = 1000
"""Missed turns that "all" starts at most, the newest ones."""
HELD_MAX: Final = 100
"""Turns that wait for the one before them; more are left out."""
OPEN_MAX: Final = 1000
"""Turns of one schedule that are started and not ended; no more are started."""
LATE_US: Final = 60_000_000
"""A turn that is come to later than this is missed, ..."""
LATE_SHARE: Final = 0.5
"""... or later than this share of the least time between two turns."""
KEEP_US: Final = 3_600_000_000
"""What became of a turn is kept for so long where nobody says."""
AHEAD_US: Final = 2_000_000
"""Turns that cannot overlap are handed over so long before their time, those of a short period
together: then they start in time although their scheduler is busy, and cost it little.
"""


class CatchUp(Enum):
    """What becomes of missed turns."""

    SKIP = "skip"
    """They are left out."""
    ONE = "one"
    """The newest one is started, for all of them."""
    ALL = "all"
    """Each is started, the oldest first."""


class Overlap(Enum):
    """What becomes of a turn whose time comes while one before it has not ended."""

    ALLOW = "allow"
    """It is started beside it."""
    SKIP = "skip"
    """It is left out."""
    WAIT = "wait"
    """It is started when that one has ended."""
    CANCEL_PREVIOUS = "cancel_previous"
    """That one is cancelled, and it is started."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a schedule is.

    Attributes:
        rhythm: Its times.
        catch_up: What becomes of missed turns.
        overlap: What becomes of turns that would overlap.
        deadline_us: A turn must have ended so long after its time, a missed one so long after its
            start; 0 for never.
        hard: It has a reservation.
        keep_us: What became of a turn is kept for so long.
    """

    rhythm: Rhythm
    catch_up: CatchUp = CatchUp.SKIP
    overlap: Overlap = Overlap.SKIP
    deadline_us: int = 0
    hard: bool = False
    keep_us: int = KEEP_US

    @property
    def late_us(self) -> int:
        """A turn that is come to later than this is missed."""
        return min(LATE_US, int(self.rhythm.gap_us * LATE_SHARE))

    @property
    def ahead_us(self) -> int:
        """How long before its time a turn is handed over: only where the one before it does not
        matter, because it may go on, or has ended by its deadline, which missed turns have not.
        """
        ends = 0 < self.deadline_us <= self.rhythm.gap_us and self.catch_up is CatchUp.SKIP
        return AHEAD_US if ends or self.overlap is Overlap.ALLOW else 0


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a schedule's turns.

    Attributes:
        started: Handed over as tasks.
        done: Of those: have an answer.
        failed: Of those: ended without one.
        cancelled: Of those: were cancelled.
        missed: Left out, as nobody came to them in time.
        overlapped: Left out, as one before them had not ended, or too many had not.
    """

    started: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    missed: int = 0
    overlapped: int = 0


OUTCOMES: Final = ("started", "done", "failed", "cancelled", "missed", "overlapped")
"""Names of the counts."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a schedule is.

    Attributes:
        decided_us: All turns up to this time are decided.
        open_us: Turns that were started and have not ended, in order.
        held_us: Turns that wait for one of those, in order.
        asked_us: Turns that people want besides, at their times or as soon as that is over.
        pending_us: Of the open ones, those of which it is not known whether they were handed over.
        handed_us: When those were to be.
        counts: Of the others.
    """

    decided_us: int
    open_us: tuple[int, ...] = ()
    held_us: tuple[int, ...] = ()
    asked_us: tuple[int, ...] = ()
    counts: Counts = Counts()
    pending_us: tuple[int, ...] = ()
    handed_us: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn to start.

    Attributes:
        at_us: Its time, which names it.
        start_us: It must not start before.
        due_us: It must have ended; 0 for no deadline.
        reserved: It has a part in the schedule's reservation.
    """

    at_us: int
    start_us: int
    due_us: int
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What a schedule does now.

    Attributes:
        start: Turns to hand over, in order.
        cancel: Turns to end.
        progress: How far it is when that is done.
        wake_us: When it is to be asked again; before that only when a turn ends.
    """

    start: tuple[Turn, ...]
    cancel: tuple[int, ...]
    progress: Progress
    wake_us: int


class Ending(Enum):
    """How a turn ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


def ended(progress: Progress, at_us: int, ending: Ending) -> Progress:
    """A turn has ended; a second time this changes nothing."""
    if at_us not in progress.open_us:
        return progress
    counts = progress.counts
    number: int = getattr(counts, ending.value)
    counts = replace(counts, **{ending.value: number + 1})
    still = tuple(each for each in progress.open_us if each != at_us)
    pending_us = tuple(each for each in progress.pending_us if each != at_us)
    return replace(progress, open_us=still, counts=counts, pending_us=pending_us)


def hold(progress: Progress, now_us: int, plan: Plan | None) -> tuple[Progress, tuple[int, ...]]:
    """Takes back turns that were handed over before their time and are not to be.

    Args:
        progress: How far the schedule is.
        now_us: Now.
        plan: What the schedule is now, whose turns stay; None when it is paused.

    Returns:
        How far it is then, and the turns to cancel.
    """
    early = tuple(
        at_us
        for at_us in progress.open_us
        if at_us > now_us and (plan is None or plan.rhythm.next_us(at_us - 1) != at_us)
    )
    decided_us = min(progress.decided_us, now_us) if early else progress.decided_us
    counts = replace(progress.counts, started=progress.counts.started - len(early))
    open_us = tuple(at_us for at_us in progress.open_us if at_us not in early)
    held_us = () if plan is None else progress.held_us
    pending_us = tuple(at_us for at_us in progress.pending_us if at_us not in early)
    onward = replace(
        progress,
        decided_us=decided_us,
        open_us=open_us,
        held_us=held_us,
        counts=counts,
        pending_us=pending_us,
    )
    return onward, early


def step(plan: Plan, progress: Progress, now_us: int) -> Step:
    """What a schedule does now.

    Args:
        plan: What it is.
        progress: How far it is.
        now_us: Now.
    """
    until_us = max(progress.decided_us, now_us + plan.ahead_us)
    times_us, missed = _due(plan, progress.decided_us, until_us, now_us)
    state = _Deciding(plan, progress, now_us)
    for at_us in progress.asked_us:
        state.start_turn(at_us, asked=True)
    for at_us in (*progress.held_us, *times_us):
        state.decide(at_us, fresh=at_us > progress.decided_us)
    counts = state.counts
    counts = replace(
        counts, missed=counts.missed + missed, started=counts.started + len(state.start)
    )
    onward = state.progress(until_us, tuple(state.held_us), counts)
    next_us = plan.rhythm.next_us(until_us) - plan.ahead_us
    # Of a short period several turns are handed over at once.
    wake_us = max(next_us, now_us + plan.ahead_us // 2)
    return Step(tuple(state.start), tuple(state.cancel), onward, wake_us)


def step_paused(plan: Plan, progress: Progress, now_us: int) -> Step:
    """What a paused schedule does: what people ask for, and nothing else. Its times go by."""
    state = _Deciding(plan, progress, now_us)
    for at_us in progress.asked_us:
        state.start_turn(at_us, asked=True)
    counts = replace(state.counts, started=state.counts.started + len(state.start))
    decided_us = max(progress.decided_us, now_us)
    onward = state.progress(decided_us, progress.held_us, counts)
    return Step(tuple(state.start), (), onward, 0)


def again(plan: Plan, progress: Progress, now_us: int) -> tuple[Turn, ...]:
    """Turns to hand over anew, as it is not known whether they were: whoever takes them finds the
    first. After `keep_us` nobody might, and they are not.
    """
    if progress.handed_us + plan.keep_us <= now_us:
        return ()
    state = _Deciding(plan, replace(progress, open_us=()), now_us)
    for at_us in progress.pending_us:
        state.start_turn(at_us)
    return tuple(state.start)


def _due(plan: Plan, decided_us: int, until_us: int, now_us: int) -> tuple[list[int], int]:
    """The turns to decide that are not left out as missed, and how many are.

    The number is too small where more were missed than anybody should count.
    """
    times_us, every = newest_us(plan.rhythm, decided_us, until_us, CATCH_UP_MAX)
    timely = [at_us for at_us in times_us if at_us >= now_us - plan.late_us]
    missed = times_us[: len(times_us) - len(timely)]
    over = 0 if every else 1
    if plan.catch_up is CatchUp.ALL:
        return times_us, over
    if plan.catch_up is CatchUp.ONE and missed:
        return [missed[-1], *timely], len(missed) - 1 + over
    return timely, len(missed) + over


class _Deciding:
    """The turns that are started, held back and left out, one after another."""

    def __init__(self, plan: Plan, progress: Progress, now_us: int) -> None:
        self._plan = plan
        self._before = progress
        self._now_us = now_us
        self.open_us = list(progress.open_us)
        self.held_us: list[int] = []
        self.counts = progress.counts
        self.start: list[Turn] = []
        self.cancel: list[int] = []

    def progress(self, decided_us: int, held_us: tuple[int, ...], counts: Counts) -> Progress:
        """How far the schedule is when that is done."""
        open_us = tuple(sorted(self.open_us))
        before = self._before
        if not self.start:
            pending_us = tuple(at_us for at_us in before.pending_us if at_us in open_us)
            return Progress(decided_us, open_us, held_us, (), counts, pending_us, before.handed_us)
        pending_us = tuple(turn.at_us for turn in self.start)
        return Progress(decided_us, open_us, held_us, (), counts, pending_us, self._now_us)

    def decide(self, at_us: int, *, fresh: bool) -> None:
        """Decides about the next turn; one that is not fresh has been held back."""
        overlap = self._plan.overlap
        if len(self.open_us) >= OPEN_MAX:
            self._leave_out()
        elif self._plan.ahead_us or not self.open_us:
            self.start_turn(at_us)
        elif overlap is Overlap.WAIT:
            if fresh and len(self.held_us) >= HELD_MAX:
                self._leave_out()
            else:
                self.held_us.append(at_us)
        elif overlap is Overlap.CANCEL_PREVIOUS:
            self._cancel_open()
            self.start_turn(at_us)
        else:
            self._leave_out()

    def start_turn(self, at_us: int, *, asked: bool = False) -> None:
        """Starts a turn, unless it is started."""
        if at_us in self.open_us:
            return
        plan = self._plan
        missed = at_us < self._now_us - plan.late_us
        start_us = self._now_us if missed else at_us
        due_us = start_us + plan.deadline_us if plan.deadline_us else 0
        reserved = plan.hard and not asked
        self.start.append(Turn(at_us, start_us, due_us, reserved))
        self.open_us.append(at_us)

    def _cancel_open(self) -> None:
        """Ends those that are open; those that were to start only now are left out instead."""
        new = {turn.at_us for turn in self.start}
        old = [at_us for at_us in self.open_us if at_us not in new]
        counts = self.counts
        self.counts = replace(
            counts, cancelled=counts.cancelled + len(old), overlapped=counts.overlapped + len(new)
        )
        self.cancel += old
        self.start.clear()
        self.open_us.clear()

    def _leave_out(self) -> None:
        self.counts = replace(self.counts, overlapped=self.counts.overlapped + 1)
