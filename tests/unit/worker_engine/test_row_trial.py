from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from hasten_worker.engine.facts import ModelFacts, Values
from hasten_worker.engine.onnx.datatypes import BY_ORT
from hasten_worker.engine.onnx.runner import OnnxRunner
from hasten_worker.engine.onnx.tensor_plan import TensorPlan
from hasten_worker.engine.trial import row_pool, row_trial
from hasten_worker.engine.trial.budget import Budget
from hasten_worker.engine.trial.client import Trial
from hasten_worker.engine.trial.examine import examine
from hasten_worker.engine.trial.exploring import Explorer
from hasten_worker.engine.trial.free_sizes import Frame
from hasten_worker.engine.trial.generated import Generator
from hasten_worker.engine.trial.row_trial import RowTrial, Verdict
from hasten_worker.model import Array, ModelError
from loadtest.row_models import MIXING, ROW_WISE, RowModel
from tests.unit.worker_engine import row_traps, zoo
from tests.unit.worker_engine.row_traps import TRAPS, Trap
from tests.unit.worker_engine.test_trial import task_of


def named(model: RowModel) -> str:
    return model.name


def of_rows(notes: Sequence[str]) -> list[str]:
    """What is noted of rows; a GRU of onnxruntime also dies of an input with nothing in it."""
    return [note for note in notes if "it killed its process" not in note]


@pytest.mark.parametrize("model", ROW_WISE, ids=named)
def test_a_model_of_rows_is_shown_to_be_one(trial: Trial, tmp_path: Path, model: RowModel) -> None:
    facts = trial.examine(task_of(tmp_path, model.make().SerializeToString()))
    assert (facts.rows_max, of_rows(facts.notes)) == (8, [])


@pytest.mark.parametrize("model", MIXING, ids=named)
def test_a_model_that_only_looks_like_it_is_not_batched(
    trial: Trial, tmp_path: Path, model: RowModel
) -> None:
    facts = trial.examine(task_of(tmp_path, model.make().SerializeToString()))
    assert facts.rows_max == 0
    (note,) = of_rows(facts.notes)
    assert note.startswith("served one call at a time, not in batches: ")
    assert facts.sizes, "it is measured all the same"


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.make.__name__)
def test_a_model_that_hides_its_mixing_is_not_batched(
    trial: Trial, tmp_path: Path, trap: Trap
) -> None:
    facts = trial.examine(task_of(tmp_path, trap.make().SerializeToString()))
    assert facts.rows_max == 0
    assert trap.reason in facts.notes[0]


@pytest.mark.parametrize(
    "kind",
    [
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.DOUBLE,
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.BOOL,
        TensorProto.STRING,
    ],
    ids=TensorProto.DataType.Name,
)
@pytest.mark.parametrize("dims", [("n", 3), ("n", "width"), ("n",)], ids=len)
def test_rows_of_every_type_and_rank_are_shown(
    trial: Trial, tmp_path: Path, kind: int, dims: tuple[int | str, ...]
) -> None:
    facts = trial.examine(task_of(tmp_path, zoo.identity(kind, dims)))
    assert (facts.rows_max, facts.notes) == (8, ())


BATCHES = "max_batch_size: 4"


def test_a_batch_size_that_is_written_is_warned_of_when_rows_are_mixed(
    trial: Trial, tmp_path: Path
) -> None:
    mixing = row_traps.second_output().SerializeToString()
    (note,) = trial.examine(task_of(tmp_path, mixing, BATCHES)).notes
    assert note.startswith(
        "max_batch_size is 4, but calls in one batch change each other's answers"
    )
    assert "output 'Z'" in note
    silent = row_traps.always_the_same().SerializeToString()
    (note,) = trial.examine(task_of(tmp_path, silent, BATCHES)).notes
    assert note.startswith("max_batch_size is 4, and it is not shown that")
    only_y = f'{BATCHES} output {{ name: "Y" }}'
    assert trial.examine(task_of(tmp_path, mixing, only_y)).notes == (), "Z is not served"


def test_a_batch_of_one_mixes_nothing(trial: Trial, tmp_path: Path) -> None:
    mixing = row_traps.second_output().SerializeToString()
    for config in ("max_batch_size: 1", "max_batch_size: 0"):
        assert trial.examine(task_of(tmp_path, mixing, config)).notes == ()


def test_a_model_that_kills_the_trial_is_served_without_batches(
    trial: Trial, tmp_path: Path
) -> None:
    facts = trial.examine(task_of(tmp_path, row_traps.divides().SerializeToString()))
    assert facts.values.fill == 1
    assert "it killed the process that tried it (SIGFPE) while" in facts.notes[-1]


def test_what_there_was_no_time_for_is_said(trial: Trial, tmp_path: Path) -> None:
    # No time at all: two, three and the most rows are tried in any case.
    task = task_of(tmp_path, ROW_WISE[0].make().SerializeToString(), rows_s=0.0)
    facts = trial.examine(task)
    (note,) = facts.notes
    assert facts.rows_max == 8
    assert note.endswith("there was no time to try batches of 4, 5, 6, 7 rows")
    other = task_of(tmp_path, ROW_WISE[5].make().SerializeToString(), rows_s=0.0)
    (note,) = trial.examine(other).notes
    assert note.endswith("rows and 7 of the sizes that it takes")
    mixing = task_of(tmp_path, MIXING[0].make().SerializeToString(), rows_s=0.0)
    assert trial.examine(mixing).rows_max == 0


class Doubling:
    """A model that doubles its input, up to a number of rows; keeps the sizes of its batches."""

    def __init__(self, rows_max: int) -> None:
        self.rows_max = rows_max
        self.seen: list[int] = []

    def __call__(self, members: Sequence[Mapping[str, Array]], rows: int) -> list[dict[str, Array]]:
        self.seen.append(rows)
        if rows > self.rows_max:
            raise ModelError("out of memory")
        return [{"Y": member["X"] + member["X"]} for member in members]


PLAN = TensorPlan("X", BY_ORT["tensor(float)"], (3,), (3,))
NOISE = Generator((Frame(PLAN, (3,)),), Values(limits={"X": 2}), batches=True)


def test_all_sizes_of_batches_are_tried() -> None:
    run = Doubling(100)
    verdict = RowTrial(run, NOISE, [{}], 32, Budget(1000.0)).verdict()
    assert verdict == Verdict(32)
    assert set(run.seen) == set(range(1, 33))


def test_a_batch_that_fails_bounds_those_that_are_served() -> None:
    verdict = RowTrial(Doubling(12), NOISE, [{}], 32, Budget(1000.0)).verdict()
    assert (verdict.rows_max, verdict.untried) == (8, "")
    assert verdict.failed == "a batch of 16 rows failed: out of memory"
    verdict = RowTrial(Doubling(1), NOISE, [{}], 32, Budget(1000.0)).verdict()
    assert verdict == Verdict(0, "a batch of 2 rows failed: out of memory", mixed=True)


def test_a_slow_model_is_batched_as_far_as_it_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_trial, "LARGEST_S_MAX", 0.0)
    run = Doubling(100)
    verdict = RowTrial(run, NOISE, [{}], 32, Budget(0.0)).verdict()
    assert (verdict.rows_max, max(run.seen)) == (3, 3)


def rounding(moves: Callable[[Array], bool]) -> row_pool.Run:
    """A model whose kernels round otherwise with the number of rows, visibly so for some rows."""

    def run(members: Sequence[Mapping[str, Array]], rows: int) -> list[dict[str, Array]]:
        return [
            {"Y": member["X"] + (0.01 * rows if moves(member["X"]) else 0.0)} for member in members
        ]

    return run


def test_rounding_of_a_few_rows_is_excused() -> None:
    few = rounding(lambda row: not row.any())
    assert RowTrial(few, NOISE, [{}], 16, Budget(1000.0)).verdict() == Verdict(16)
    most = rounding(lambda row: bool(row.any()))
    verdict = RowTrial(most, NOISE, [{}], 16, Budget(1000.0)).verdict()
    assert (verdict.rows_max, verdict.mixed) == (0, True)


def test_a_row_that_only_its_neighbours_move_is_not_excused() -> None:
    def run(members: Sequence[Mapping[str, Array]], _: int) -> list[dict[str, Array]]:
        loudest = max(float(np.abs(member["X"]).max()) for member in members)
        return [
            {"Y": member["X"] + (0.0 if member["X"].any() else np.float32(loudest))}
            for member in members
        ]

    verdict = RowTrial(run, NOISE, [{}], 16, Budget(1000.0)).verdict()
    assert (verdict.rows_max, verdict.mixed) == (0, True)


def test_where_each_size_is_compiled_only_those_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: set[int] = set()
    run = OnnxRunner.run

    def recorded(runner: OnnxRunner, members: Any, rows: int, options: Any) -> Any:
        ran.add(rows)
        return run(runner, members, rows, options)

    monkeypatch.setattr(OnnxRunner, "run", recorded)
    monkeypatch.setattr(Explorer, "_compiled", lambda _: True)
    found: list[ModelFacts] = []
    task = task_of(tmp_path, zoo.identity(TensorProto.FLOAT, ("n", "width")))
    examine(task, lambda _: None, found.append, lambda _: None)
    assert (found[-1].rows_max, found[-1].sizes) == (8, ({"width": 1},))
    assert ran == {1, 2, 4, 8}
