from pathlib import Path

import pytest
from onnx import TensorProto

from hasten_worker.engine.intake_client import Intake
from loadtest.row_models import MIXING, ROW_WISE, RowModel
from tests.unit.worker_engine import row_traps, zoo
from tests.unit.worker_engine.row_traps import TRAPS, Trap
from tests.unit.worker_engine.test_intake import task_of


def named(model: RowModel) -> str:
    return model.name


@pytest.mark.parametrize("model", ROW_WISE, ids=named)
def test_a_model_of_rows_is_shown_to_be_one(
    intake: Intake, tmp_path: Path, model: RowModel
) -> None:
    facts = intake.examine(task_of(tmp_path, model.make().SerializeToString()))
    assert (facts.rows_max, facts.notes) == (8, ())


@pytest.mark.parametrize("model", MIXING, ids=named)
def test_a_model_that_only_looks_like_it_is_not_batched(
    intake: Intake, tmp_path: Path, model: RowModel
) -> None:
    facts = intake.examine(task_of(tmp_path, model.make().SerializeToString()))
    assert facts.rows_max == 0
    (note,) = facts.notes
    assert note.startswith("served one call at a time, not in batches: ")
    assert facts.sizes, "it is measured all the same"


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.make.__name__)
def test_a_model_that_hides_its_mixing_is_not_batched(
    intake: Intake, tmp_path: Path, trap: Trap
) -> None:
    facts = intake.examine(task_of(tmp_path, trap.make().SerializeToString()))
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
    intake: Intake, tmp_path: Path, kind: int, dims: tuple[int | str, ...]
) -> None:
    facts = intake.examine(task_of(tmp_path, zoo.identity(kind, dims)))
    assert (facts.rows_max, facts.notes) == (8, ())


BATCHES = "max_batch_size: 4"


def test_a_batch_size_that_is_written_is_warned_of_when_rows_are_mixed(
    intake: Intake, tmp_path: Path
) -> None:
    mixing = row_traps.second_output().SerializeToString()
    (note,) = intake.examine(task_of(tmp_path, mixing, BATCHES)).notes
    assert note.startswith(
        "max_batch_size is 4, but calls in one batch change each other's answers"
    )
    assert "output 'Z'" in note
    silent = row_traps.always_the_same().SerializeToString()
    (note,) = intake.examine(task_of(tmp_path, silent, BATCHES)).notes
    assert note.startswith("max_batch_size is 4, and it is not shown that")
    only_y = f'{BATCHES} output {{ name: "Y" }}'
    assert intake.examine(task_of(tmp_path, mixing, only_y)).notes == (), "Z is not served"


def test_a_batch_of_one_mixes_nothing(intake: Intake, tmp_path: Path) -> None:
    mixing = row_traps.second_output().SerializeToString()
    for config in ("max_batch_size: 1", "max_batch_size: 0"):
        assert intake.examine(task_of(tmp_path, mixing, config)).notes == ()


def test_a_model_that_kills_the_trial_is_served_without_batches(
    intake: Intake, tmp_path: Path
) -> None:
    facts = intake.examine(task_of(tmp_path, row_traps.divides().SerializeToString()))
    assert facts.values.fill == 1
    assert "it killed the process that tried it (SIGFPE) while" in facts.notes[-1]


def test_a_slow_model_is_batched_as_far_as_there_was_time(intake: Intake, tmp_path: Path) -> None:
    # No time at all: two and three rows are tried in any case.
    task = task_of(tmp_path, ROW_WISE[0].make().SerializeToString(), trial_s=0.0)
    facts = intake.examine(task)
    assert facts.rows_max == 3
    other = task_of(tmp_path, ROW_WISE[5].make().SerializeToString(), trial_s=0.0)
    (note,) = intake.examine(other).notes
    assert "there was no time to try" in note
    mixing = task_of(tmp_path, MIXING[0].make().SerializeToString(), trial_s=0.0)
    assert intake.examine(mixing).rows_max == 0
