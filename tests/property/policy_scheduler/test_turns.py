"""The turns of a schedule: none is decided twice or lost, whatever the clock and its owner do."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.scheduler.jobs.periods.rhythm import Every
from hasten_policy.scheduler.jobs.periods.turns import (
    CATCH_UP_MAX,
    HELD_MAX,
    CatchUp,
    Ending,
    Overlap,
    Plan,
    Progress,
    Step,
    again,
    ended,
    hold,
    step,
    step_paused,
)

SECOND = 1_000_000
BEGIN = 1000 * SECOND

plans = st.builds(
    Plan,
    st.builds(Every, st.sampled_from([100_000, SECOND, 10 * SECOND, 3600 * SECOND])),
    st.sampled_from(CatchUp),
    st.sampled_from(Overlap),
    st.sampled_from([0, 50_000, SECOND, 100 * SECOND]),
)


class Schedule:
    """A plan carried out: what was started, ended and cancelled."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.progress = Progress(BEGIN)
        self.now = BEGIN
        self.started: list[int] = []
        self.running: set[int] = set()
        self.beside = 0

    def step(self) -> Step:
        taken = step(self.plan, self.progress, self.now)
        self.progress = taken.progress
        for at in taken.cancel:
            self.running.discard(at)
        for turn in taken.start:
            assert turn.at_us not in self.started
            self.started.append(turn.at_us)
            self.running.add(turn.at_us)
        self.beside = max(self.beside, len(self.running))
        return taken

    def end(self, at: int) -> None:
        self.running.discard(at)
        self.progress = ended(self.progress, at, Ending.DONE)


@given(plans, st.data())
def test_every_turn_is_decided_once_whatever_the_clock_does(
    plan: Plan, data: st.DataObject
) -> None:
    found = Schedule(plan)
    period = plan.rhythm.gap_us
    furthest = BEGIN
    for _ in range(data.draw(st.integers(1, 12), label="steps")):
        jump = data.draw(st.integers(-3600 * SECOND, 5 * period), label="clock")
        found.now = max(0, found.now + jump)
        decided = found.progress.decided_us
        found.step()
        assert found.progress.decided_us >= decided
        furthest = max(furthest, found.now + plan.ahead_us)
        ends = data.draw(st.booleans(), label="ends")
        if found.running and ends:
            found.end(min(found.running))
    assert found.progress.decided_us == furthest
    counts = found.progress.counts
    passed = furthest // period - BEGIN // period
    held = len(found.progress.held_us)
    assert counts.started + counts.missed + counts.overlapped + held == passed
    assert counts.started == len(found.started)
    assert all(at % period == 0 and BEGIN < at <= furthest for at in found.started)
    if plan.overlap is not Overlap.ALLOW and not plan.ahead_us:
        assert found.beside <= 1


@given(plans, st.integers(0, 20))
def test_an_owner_that_dies_before_it_has_written_decides_the_same_again(
    plan: Plan, late: int
) -> None:
    now = BEGIN + late * plan.rhythm.gap_us + 1
    first, again = (step(plan, Progress(BEGIN), now) for _ in range(2))
    assert first == again


@given(st.sampled_from(CatchUp), st.integers(1, 50))
def test_missed_turns_are_caught_up_with_by_the_rule(catch_up: CatchUp, missed: int) -> None:
    plan = Plan(Every(10 * SECOND), catch_up, Overlap.ALLOW, deadline_us=SECOND)
    now = BEGIN + missed * 10 * SECOND + 6 * SECOND
    taken = step(plan, Progress(BEGIN), now)
    times = [turn.at_us for turn in taken.start]
    every = [BEGIN + number * 10 * SECOND for number in range(1, missed + 1)]
    expected = {CatchUp.SKIP: [], CatchUp.ONE: every[-1:], CatchUp.ALL: every}[catch_up]
    assert times == expected
    # A missed turn's time begins when it is started: else it would be over already.
    assert all(turn.due_us == now + SECOND for turn in taken.start)
    assert taken.progress.counts.missed == missed - len(expected)
    assert taken.wake_us > now


def test_of_very_many_missed_turns_the_newest_are_started() -> None:
    plan = Plan(Every(SECOND), CatchUp.ALL, Overlap.ALLOW)
    taken = step(plan, Progress(BEGIN), BEGIN + 100_000 * SECOND)
    assert len(taken.start) == CATCH_UP_MAX
    assert taken.start[-1].at_us == BEGIN + 100_002 * SECOND
    assert taken.progress.counts.missed >= 1


def test_turns_that_overlap_are_left_out_held_back_or_end_the_one_before() -> None:
    def after_three(overlap: Overlap) -> Schedule:
        found = Schedule(Plan(Every(10 * SECOND), CatchUp.SKIP, overlap))
        for _ in range(3):
            found.now += 10 * SECOND
            found.step()
        return found

    one, two, three = (BEGIN + number * 10 * SECOND for number in (1, 2, 3))
    skipping = after_three(Overlap.SKIP)
    assert skipping.started == [one]
    assert skipping.progress.counts.overlapped == 2
    waiting = after_three(Overlap.WAIT)
    assert waiting.started == [one]
    assert waiting.progress.held_us == (two, three)
    waiting.end(one)
    waiting.step()
    assert waiting.started == [one, two]
    waiting.end(two)
    waiting.step()
    assert waiting.started == [one, two, three]
    cancelling = after_three(Overlap.CANCEL_PREVIOUS)
    assert cancelling.started == [one, two, three]
    assert cancelling.running == {three}
    allowing = after_three(Overlap.ALLOW)
    assert allowing.running == {one, two, three}


def test_no_more_turns_are_held_back_than_a_limit() -> None:
    found = Schedule(Plan(Every(10 * SECOND), CatchUp.ALL, Overlap.WAIT))
    found.now += 10 * SECOND * (HELD_MAX + 21)
    found.step()
    assert len(found.progress.held_us) == HELD_MAX
    assert found.progress.counts.overlapped == 20


def test_turns_that_cannot_overlap_are_handed_over_before_their_time() -> None:
    plan = Plan(Every(100_000), deadline_us=100_000, hard=True)
    found = Schedule(plan)
    taken = found.step()
    assert [turn.at_us for turn in taken.start] == [BEGIN + n * 100_000 for n in range(1, 21)]
    assert all(turn.reserved and turn.start_us == turn.at_us for turn in taken.start)
    # One wake for ten turns, and the turns of a second lie in store.
    assert taken.wake_us == BEGIN + SECOND
    found.now = taken.wake_us
    assert len(found.step().start) == 10


def test_a_pause_takes_back_what_has_not_begun_and_asked_turns_go_on() -> None:
    plan = Plan(Every(SECOND), deadline_us=SECOND)
    found = Schedule(plan)
    found.now += SECOND
    found.step()
    assert found.started == [BEGIN + SECOND, BEGIN + 2 * SECOND, BEGIN + 3 * SECOND]
    held, early = hold(found.progress, found.now, None)
    assert early == (BEGIN + 2 * SECOND, BEGIN + 3 * SECOND)
    assert held.open_us == (BEGIN + SECOND,)
    assert held.counts.started == 1
    assert hold(held, found.now, None) == (held, ())
    assert hold(found.progress, found.now, plan) == (found.progress, ())
    other = Plan(Every(2 * SECOND), deadline_us=SECOND)
    kept, stray = hold(found.progress, found.now, other)
    assert stray == (BEGIN + 3 * SECOND,)
    assert kept.open_us == (BEGIN + SECOND, BEGIN + 2 * SECOND)
    asked = replace(held, asked_us=(found.now + 7,))
    paused = step_paused(plan, asked, found.now + 10 * SECOND)
    assert [turn.at_us for turn in paused.start] == [found.now + 7]
    assert not paused.start[0].reserved
    # Times that went by under the pause are nobody's.
    resumed = step(plan, paused.progress, found.now + 10 * SECOND)
    assert resumed.progress.counts.missed == 0


def test_an_end_that_is_told_twice_counts_once() -> None:
    progress = Progress(BEGIN, open_us=(1, 2))
    once = ended(progress, 1, Ending.FAILED)
    assert once.counts.failed == 1
    assert once.open_us == (2,)
    assert ended(once, 1, Ending.DONE) is once


def test_turns_that_nobody_knows_the_fate_of_are_handed_over_anew_while_it_is_kept() -> None:
    plan = Plan(Every(10 * SECOND), keep_us=60 * SECOND)
    found = Schedule(plan)
    found.now += 10 * SECOND
    taken = found.step()
    assert taken.progress.pending_us == (found.now,)
    assert again(plan, taken.progress, found.now + 59 * SECOND)[0].at_us == found.now
    assert again(plan, taken.progress, found.now + 60 * SECOND) == ()
    assert again(plan, ended(taken.progress, found.now, Ending.DONE), found.now) == ()
