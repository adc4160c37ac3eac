"""A long trial goes on where it was ended, and never mixes two trials."""

from pathlib import Path

import pytest

from loadtest.task_history import Verdict
from loadtest.task_soak import OtherTrial, Round, soak, totals

SHAPE = {"tasks": 10, "seed": 1}


def verdict(number: int) -> Verdict:
    faults = ("1 accepted and lost: task-3",) if number == 1 else ()
    return Verdict(faults, 10, 10 - len(faults), 0, 0, len(faults), 0, 1.0 + number)


class Ended(Exception):  # noqa: N818  (somebody ends the trial)
    pass


def test_it_goes_on_after_the_last_round_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "soak.jsonl"
    ran: list[int] = []

    def run(number: int) -> tuple[Verdict, int]:
        if number == 2 and ran.count(2) == 0:
            ran.append(2)
            raise Ended
        ran.append(number)
        return verdict(number), 5

    with pytest.raises(Ended):
        list(soak(path, SHAPE, 3, run))
    with path.open("a") as file:
        file.write('{"number": 2, "ver')  # It was ended while it wrote.
    rounds = list(soak(path, SHAPE, 3, run))
    assert ran == [0, 1, 2, 2]
    assert rounds == [Round(number, verdict(number), 5) for number in range(3)]
    assert list(soak(path, SHAPE, 3, run)) == rounds
    assert ran == [0, 1, 2, 2]
    together = totals(rounds)
    assert (together.rounds, together.hits) == (3, 15)
    assert (together.verdict.accepted, together.verdict.lost) == (30, 1)
    assert together.verdict.executions == pytest.approx(2.0)
    assert together.verdict.faults == ("round 1: 1 accepted and lost: task-3",)


def test_a_file_of_another_trial_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "soak.jsonl"
    list(soak(path, SHAPE, 1, lambda number: (verdict(number), 5)))
    before = path.read_text()
    with pytest.raises(OtherTrial, match="another shape"):
        list(soak(path, {**SHAPE, "seed": 2}, 1, lambda number: (verdict(number), 5)))
    assert path.read_text() == before
