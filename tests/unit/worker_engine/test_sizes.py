"""Models with free sizes, as the trial finds sizes for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.trial.client import Trial
from loadtest.row_models import convolution, detector
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.row_traps import ints, made, number
from tests.unit.worker_engine.test_trial import refusal, task_of
from tests.unit.worker_engine.zoo import value

INT64 = TensorProto.INT64


def examined(trial: Trial, folder: Path, model: ModelProto, config: str = "") -> ModelFacts:
    return trial.examine(task_of(folder, model.SerializeToString(), config))


def voice() -> ModelProto:
    """As Silero's: frames of 256 samples, a state whose second dimension is the batch, a rate."""
    return made(
        [
            ("Reshape", ["input", "frame"], ["framed"], {}),
            ("ReduceMean", ["framed", "last"], ["loud"], {"keepdims": 1}),
            ("ReduceSum", ["state", "outer"], ["before"], {"keepdims": 0}),
            ("Add", ["loud", "before"], ["sum"], {}),
            ("Cast", ["sr"], ["rate"], {"to": TensorProto.FLOAT}),
            ("Div", ["sum", "rate"], ["output"], {}),
            ("Identity", ["state"], ["stateN"], {}),
        ],
        [
            value("input", [None, None]),
            value("state", [2, None, 1]),
            value("sr", [], INT64),
        ],
        [value("output", [None, 1]), value("stateN", [2, None, 1])],
        [ints("frame", 0, 256), ints("last", 1), ints("outer", 0)],
    )


def features() -> ModelProto:
    """37 features of any number of frames."""
    weights = numpy_helper.from_array(np.ones((37, 5), np.float32), "W")
    return made(
        [("MatMul", ["X", "W"], ["Y"], {})],
        [value("X", ["n", "frames", "features"])],
        [value("Y", ["n", "frames", 5])],
        [weights],
    )


def three_of_one_length() -> ModelProto:
    """Ids, mask and types without names for their dimensions, as some exporters leave them."""
    table = numpy_helper.from_array(np.arange(40, dtype=np.float32).reshape(10, 4), "T")
    return made(
        [
            ("Gather", ["T", "ids"], ["e"], {}),
            ("Add", ["mask", "types"], ["both"], {}),
            ("Cast", ["both"], ["f"], {"to": TensorProto.FLOAT}),
            ("Unsqueeze", ["f", "last"], ["u"], {}),
            ("Mul", ["e", "u"], ["Y"], {}),
        ],
        [value(name, [None, None], INT64) for name in ("ids", "mask", "types")],
        [value("Y", [None, None, 4])],
        [table, ints("last", 2)],
    )


def never() -> ModelProto:
    """Wants a multiple of 11 · 13 · 17 numbers."""
    return made(
        [
            ("Reshape", ["X", "odd"], ["o"], {}),
            ("Shape", ["X"], ["s"], {}),
            ("Reshape", ["o", "s"], ["Y"], {}),
        ],
        [value("X", ["n", "w"])],
        [value("Y", ["n", "v"])],
        [ints("odd", 11, 13, 17, -1)],
    )


def test_a_convolution_of_any_size_runs_with_its_kernel_s(trial: Trial, tmp_path: Path) -> None:
    facts = examined(trial, tmp_path, convolution())
    assert facts.rows_max == 8
    assert facts.sizes == tuple({"h": size, "w": size} for size in (16, 64, 256))


def test_a_detector_runs_with_what_its_strides_divide(trial: Trial, tmp_path: Path) -> None:
    facts = examined(trial, tmp_path, detector())
    assert facts.rows_max == 8
    assert facts.sizes == tuple({"h": size, "w": size} for size in (64, 256))


def test_the_same_with_an_ordinary_triton_configuration(trial: Trial, tmp_path: Path) -> None:
    config = """
        max_batch_size: 8
        input { name: "X" data_type: TYPE_FP32 dims: [ 3, -1, -1 ] }
        output { name: "Y" data_type: TYPE_FP32 dims: [ 6, -1 ] }
    """
    facts = examined(trial, tmp_path, detector(), config)
    assert (facts.notes, facts.sizes[0]) == ((), {"h": 64, "w": 64})
    whole = config.replace("max_batch_size: 8", "max_batch_size: 0")
    whole = whole.replace("[ 3,", "[ -1, 3,").replace("[ 6,", "[ -1, 6,")
    facts = examined(trial, tmp_path, detector(), whole)
    assert (facts.notes, facts.sizes[0]) == ((), {"n": 1, "h": 64, "w": 64})
    fixed = config.replace("-1, -1 ]", "96, -1 ]")
    assert examined(trial, tmp_path, detector(), fixed).sizes[0] == {"w": 64}


def test_a_voice_detector_of_frames_with_a_state_runs(trial: Trial, tmp_path: Path) -> None:
    facts = examined(trial, tmp_path, voice())
    assert facts.sizes[0] == {"input[-2]": 1, "input[-1]": 256, "state[-2]": 1}
    (note,) = facts.notes
    assert note.endswith("not in batches: input 'state' has a fixed first dimension 2")


def test_sizes_of_weights_are_tried(trial: Trial, tmp_path: Path) -> None:
    facts = examined(trial, tmp_path, features())
    assert facts.rows_max == 8
    assert facts.sizes == tuple({"frames": size, "features": 37} for size in (1, 16, 64, 256))


def test_a_mask_stays_a_mask_where_more_makes_no_numbers(trial: Trial, tmp_path: Path) -> None:
    model = made(
        [
            ("Cast", ["mask"], ["m"], {"to": TensorProto.FLOAT}),
            ("Sub", ["one", "m"], ["hidden"], {}),
            ("Mul", ["hidden", "least"], ["bias"], {}),
            ("Mul", ["bias", "two"], ["wide"], {}),
            ("Add", ["X", "wide"], ["s"], {}),
            ("Softmax", ["s"], ["Y"], {}),
        ],
        [value("X", ["n", "words"]), value("mask", ["n", "words"], INT64)],
        [value("Y", ["n", "words"])],
        [number("one", 1.0), number("least", -3e38), number("two", 2.0)],
    )
    facts = examined(trial, tmp_path, model)
    assert facts.rows_max == 8
    assert facts.values.limits["mask"] == 2


@pytest.mark.parametrize("size", [1, 16, 64, 256])
def test_inputs_of_one_length_get_equal_ones_without_a_name(
    trial: Trial, tmp_path: Path, size: int
) -> None:
    facts = examined(trial, tmp_path, three_of_one_length())
    assert facts.rows_max == 8
    assert {"ids[-1]": size, "mask[-1]": size, "types[-1]": size} in facts.sizes
    assert facts.values.limits == {"ids": 8, "mask": 256, "types": 256}


def test_what_no_size_fits_is_served_all_the_same(trial: Trial, tmp_path: Path) -> None:
    facts = examined(trial, tmp_path, never())
    assert (facts.rows_max, facts.sizes) == (0, ())
    unbatched, unmeasured = facts.notes
    assert "it does not run with one row (" in unbatched
    assert unmeasured.startswith("no run of generated inputs with ")
    assert "learnt from real calls" in unmeasured
    config = 'max_batch_size: 4 input { name: "X" dims: -1 } output { name: "Y" dims: -1 }'
    (unmeasured,) = examined(trial, tmp_path, never(), config).notes
    assert unmeasured.startswith("no run of generated inputs with ")


def test_an_output_without_a_shape_gets_that_of_a_run(trial: Trial, tmp_path: Path) -> None:
    grown = helper.make_graph(
        [helper.make_node("Unsqueeze", ["X", "last"], ["A"])], "grown", [], [value("A", None)]
    )
    same = helper.make_graph(
        [helper.make_node("Neg", ["X"], ["B"])], "same", [], [value("B", None)]
    )
    model = made(
        [("If", ["go"], ["Y"], {"then_branch": grown, "else_branch": same})],
        [value("X", ["n", 3]), value("go", ["m"], TensorProto.BOOL)],
        [value("Y", None)],
        [ints("last", 1)],
    )
    facts = examined(trial, tmp_path, model)
    assert facts.outputs[0].dims == (-1, -1, -1)
    unlisted = refusal(trial, task_of(tmp_path, model.SerializeToString(), warm_up=False))
    assert "does not say the shape of output 'Y'" in unlisted


def test_a_model_of_several_files_may_be_a_folder(trial: Trial, tmp_path: Path) -> None:
    folder = tmp_path / "1" / "model.onnx"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(zoo.with_external_data("weights.bin"))
    (folder / "weights.bin").write_bytes(zoo.EXTERNAL_WEIGHTS)
    task = task_of(tmp_path, None)
    assert trial.examine(task).rows_max == 8
    (folder / "model.onnx").rename(folder / "net.onnx")
    assert trial.examine(task).rows_max == 8, "the only one there is"
    (folder / "other.onnx").write_bytes(b"")
    assert "'net.onnx', 'other.onnx'" in refusal(trial, task)
    for path in folder.glob("*.onnx"):
        path.unlink()
    assert "is a folder without a file 'model.onnx': there is no file" in refusal(trial, task)


def test_what_the_checker_does_not_like_is_served_with_a_warning(
    trial: Trial, tmp_path: Path
) -> None:
    model = ModelProto.FromString(zoo.add())
    model.graph.name = ""
    facts = examined(trial, tmp_path, model)
    (note,) = facts.notes
    assert note.startswith("onnx's checker warns: ")
    assert facts.rows_max == 8


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (TensorProto.FLOAT8E4M3FN, "float8e4m3fn is an 8-bit float, and the inference protocol"),
        (TensorProto.INT4, "int4 packs several elements into a byte"),
    ],
)
def test_small_types_get_a_sentence_of_their_own(
    trial: Trial, tmp_path: Path, kind: int, sentence: str
) -> None:
    model = made(
        [("Cast", ["X"], ["Y"], {"to": TensorProto.FLOAT})],
        [value("X", ["n", 2], kind)],
        [value("Y", ["n", 2])],
    )
    model.opset_import[0].version = 21
    assert sentence in refusal(trial, task_of(tmp_path, model.SerializeToString()))


def test_an_optional_input_gets_a_sentence_of_its_own(trial: Trial, tmp_path: Path) -> None:
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(zoo.FLOAT, ["n", 2]))
    model = made(
        [("OptionalHasElement", ["X"], ["Y"], {})],
        [helper.make_value_info("X", kind)],
        [value("Y", [], TensorProto.BOOL)],
    )
    task = task_of(tmp_path, model.SerializeToString())
    assert "an optional type may be absent, which no request can say" in refusal(trial, task)


def test_a_search_ends_when_its_time_is_over(trial: Trial, tmp_path: Path) -> None:
    task = replace(task_of(tmp_path, never().SerializeToString()), search_s=0.0)
    assert "with 1 sets of sizes" in trial.examine(task).notes[1]
