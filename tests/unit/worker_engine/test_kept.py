"""Examinations are kept, and never for something else than what was examined."""

from dataclasses import replace
from pathlib import Path

import pytest

from hasten_worker.engine.config.text import config_from_text
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import TrialLimits
from hasten_worker.engine.trial import kept
from hasten_worker.engine.trial.client import Trial
from hasten_worker.engine.trial.kept import Kept
from hasten_worker.engine.trial.task import Task
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.test_trial import task_of


@pytest.fixture
def task(tmp_path: Path) -> Task:
    folder = tmp_path / "model"
    folder.mkdir()
    return task_of(folder, zoo.add())


@pytest.fixture
def known(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept")


def test_what_was_examined_is_not_examined_again(
    trial: Trial, task: Task, known: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    answer = trial._answer

    def counted(task: Task) -> dict[str, object]:
        nonlocal asked
        asked += 1
        return answer(task)

    monkeypatch.setattr(trial, "_kept", known)
    monkeypatch.setattr(trial, "_answer", counted)
    first = trial.examine(task)
    assert trial.examine(task) == first
    # Another worker has a private copy of its own.
    other = task.folder.parent / "other"
    task.folder.rename(other)
    assert trial.examine(replace(task, folder=other)) == first
    assert asked == 1


def test_a_process_is_started_ahead_only_when_nothing_is_known(task: Task, known: Kept) -> None:
    fresh = Trial(TrialLimits(), known)
    fresh.start()
    assert fresh._process is not None
    known.keep(known.key(task), fresh.examine(task))
    fresh.close()
    again = Trial(TrialLimits(), known)
    again.start()
    assert again._process is None
    assert again.examine(task)
    assert again._process is None
    again.close()


def test_whatever_an_examination_depends_on_is_in_its_name(
    task: Task, known: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = task.folder / "1" / "model.onnx"
    names = [known.key(task)]
    names += [
        known.key(replace(task, **{field: value}))  # type: ignore[arg-type]  # fields of several types
        for field, value in {
            "version": "2",
            "batch_max_default": 16,
            "rows_s": 0.5,
            "search_s": 0.5,
            "run_s_max": 1.0,
            "warm_up": False,
            "written": config_from_text("max_batch_size: 4"),
        }.items()
    ]
    monkeypatch.setattr(kept.ort, "__version__", "another")
    names.append(known.key(task))
    monkeypatch.setattr(kept, "_own_code", lambda: "other code")
    names.append(known.key(task))
    model.write_bytes(model.read_bytes() + b"\0")
    names.append(known.key(task))
    (task.folder / "1" / "weights.bin").write_bytes(b"w")
    names.append(known.key(task))
    (task.folder / "1" / "weights.bin").rename(task.folder / "1" / "weights.dat")
    names.append(known.key(task))
    assert len(set(names)) == len(names)


def test_refusals_and_what_did_not_come_to_its_end_are_not_kept(
    trial: Trial, tmp_path: Path, known: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_kept", known)
    for name, content in {"bad": b"no model", "crash": zoo.add()}.items():
        (tmp_path / name).mkdir()
        task = task_of(tmp_path / name, content)
        if name == "bad":
            with pytest.raises(ModelRefused):
                trial.examine(task)
        else:
            found = trial._answer(task)
            monkeypatch.setattr(trial, "_answer", lambda _, found=found: {**found, "whole": False})
            trial.examine(task)
    assert not known.any()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"inputs": 1}'])
def test_a_file_that_cannot_be_read_is_as_good_as_none(
    trial: Trial, task: Task, known: Kept, content: bytes
) -> None:
    known.keep(known.key(task), trial.examine(task))
    (file,) = (task.folder.parent / "kept").iterdir()
    file.write_bytes(content)
    assert known.find(known.key(task)) is None
    known.keep(known.key(task), trial.examine(task))
    assert known.find(known.key(task)) is not None


def test_a_folder_that_cannot_be_written_hurts_nobody(trial: Trial, task: Task) -> None:
    place = task.folder.parent / "a file"
    place.write_text("not a folder")
    for unusable in (Kept(place), Kept(None)):
        assert unusable.find(unusable.key(task)) is None
        unusable.keep(unusable.key(task), trial.examine(task))
        assert unusable.find(unusable.key(task)) is None
        assert not unusable.any()


def test_those_not_used_for_longest_go_first(
    trial: Trial, task: Task, known: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "KEPT_MAX", 2)
    facts = trial.examine(task)
    for number, name in enumerate(("a", "b", "c")):
        known.keep(name, facts)
        times = (number * 10.0, number * 10.0)
        kept.os.utime(task.folder.parent / "kept" / name, times)
        if name == "b":
            assert known.find("a") is not None
    assert [known.find(name) is not None for name in ("a", "b", "c")] == [True, False, True]
