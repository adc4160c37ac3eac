"""What the story of the inspection line says, and what it calls broken."""

from datetime import UTC, datetime, timedelta

from loadtest.line_story import PERIOD, TurnSeen, judge

BEGIN = datetime(2026, 12, 1, 8, tzinfo=UTC)
KILLED = BEGIN + timedelta(seconds=4.1)


def turns(*outcomes: tuple[str, int]) -> list[TurnSeen]:
    """So many turns of each outcome, one after the other."""
    row = [outcome for outcome, count in outcomes for _ in range(count)]
    return [
        TurnSeen(BEGIN + PERIOD * number, outcome, int(outcome != "left out"))
        for number, outcome in enumerate(row)
    ]


WHOLE = turns(("done", 21), ("failed: DEADLINE_PASSED", 8), ("left out", 10), ("done", 20))


def test_turns_are_told_in_rows_and_the_death_between_them() -> None:
    told = judge(WHOLE, KILLED, 49)
    assert told.faults == ()
    assert told.lines == (
        "08:00:00.00  done                        21 turns to 08:00:04.00",
        "08:00:04.10  the owner is killed",
        "08:00:04.20  failed: DEADLINE_PASSED      8 turns to 08:00:05.60",
        "08:00:05.80  left out                    10 turns to 08:00:07.60",
        "08:00:07.80  done                        20 turns to 08:00:11.60",
    )
    assert (told.turns, told.done, told.around_death, told.runs_max) == (59, 41, 18, 1)


def test_a_late_turn_while_an_owner_lived_is_a_broken_promise() -> None:
    late = turns(("done", 5), ("failed: DEADLINE_PASSED", 1), ("done", 20))
    (fault,) = judge(late, KILLED, 26).faults
    assert fault == "the turn of 08:00:01.00 was failed: DEADLINE_PASSED"


def test_turns_that_are_missing_or_there_twice_are_broken_promises() -> None:
    assert judge([*WHOLE[:3], *WHOLE[4:]], KILLED, 48).faults
    assert "a turn was made twice" in judge([*WHOLE, WHOLE[-1]], KILLED, 50).faults
    assert judge(WHOLE, KILLED, 50).faults == ("the schedule counts 50 runs, there are 49",)
