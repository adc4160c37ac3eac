"""Extreme inputs are tried in the end, and what they do is a thing to know, not to refuse."""

from pathlib import Path

import pytest

from hasten_worker.engine.trial.client import Trial
from tests.unit.worker_engine import killers, zoo
from tests.unit.worker_engine.test_trial import task_of


def test_inputs_that_end_the_process_are_named(trial: Trial, tmp_path: Path) -> None:
    facts = trial.examine(task_of(tmp_path, killers.division()))
    bad = "with the least number in one input and minus one in the next it killed its process"
    assert [note for note in facts.notes if "killed" in note] == [f"{bad} (SIGFPE)"]
    # All else was found out as of any model.
    assert facts.rows_max > 0


@pytest.mark.parametrize("content", [zoo.add(), zoo.letters_as_numbers(), zoo.with_default()])
def test_models_that_stand_them_are_said_nothing_of(
    trial: Trial, tmp_path: Path, content: bytes
) -> None:
    facts = trial.examine(task_of(tmp_path, content))
    assert not [note for note in facts.notes if note.startswith("with ")]


def test_a_run_that_does_not_end_is_named(trial: Trial, tmp_path: Path) -> None:
    facts = trial.examine(task_of(tmp_path, zoo.loop_if_asked(), "max_batch_size: 0"))
    notes = [note for note in facts.notes if note.startswith("with ")]
    assert notes == ["with the greatest number everywhere a run did not end within 1 s"]
