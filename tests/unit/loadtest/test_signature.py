"""Inputs that a model takes are found, whatever its signature leaves open."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from loadtest.signature import Generator, Hints, Inputs, NoInputs, Tensor, tensors_of

Dims = list[Any]


def opened(
    tmp_path: Path, given: dict[str, tuple[int, Dims]], *nodes: onnx.NodeProto, **weights: Any
) -> ort.InferenceSession:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in given.items()],
        [helper.make_tensor_value_info("y", TensorProto.UNDEFINED, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    return ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])


def generator(session: ort.InferenceSession, hints: Hints | None = None) -> Generator:
    return Generator(tensors_of(session), lambda given: session.run(None, given), hints)


def test_ids_go_up_to_the_last_word_that_the_model_knows_or_near_it(tmp_path: Path) -> None:
    session = opened(
        tmp_path,
        {"ids": (TensorProto.INT64, ["batch", "length"])},
        helper.make_node("Gather", ["words", "ids"], ["y"]),
        words=np.zeros((70, 2), np.float32),
    )
    found = generator(session)
    seen = [found.inputs(found.sizes(1)[0])["ids"] for _ in range(50)]
    assert max(int(ids.max()) for ids in seen) == 60
    assert min(int(ids.min()) for ids in seen) == 0
    assert len({bytes(ids) for ids in seen}) == 50


def test_sizes_that_do_not_go_together_are_passed_over(tmp_path: Path) -> None:
    session = opened(
        tmp_path,
        {"x": (TensorProto.FLOAT, ["batch", None, "?"])},
        helper.make_node("Reshape", ["x", "shape"], ["folded"]),
        helper.make_node("Conv", ["folded", "kernel"], ["y"]),
        shape=np.array([0, 1, -1]),
        kernel=np.zeros((1, 1, 200), np.float32),
    )
    found = generator(session).sizes(4)
    assert len(found) == 4
    assert all(sizes["x.1"] * sizes["x.2"] >= 200 for sizes in found)
    assert len({tuple(sizes.items()) for sizes in found}) == 4


def test_hints_say_what_nobody_can_guess(tmp_path: Path) -> None:
    session = opened(
        tmp_path,
        {
            "x": (TensorProto.FLOAT, [None, "samples"]),
            "state": (TensorProto.FLOAT, [None, "samples"]),
            "rate": (TensorProto.FLOAT, []),
        },
        helper.make_node("Add", ["x", "state"], ["sum"]),
        helper.make_node("Mul", ["sum", "rate"], ["y"]),
    )
    hints = Hints(
        {"samples": [7, 9], "x.0": [2], "state.0": "x.0"},
        {"rate": {"values": [16000.0]}, "state": {"low": 5.0, "high": 6.0}},
    )
    found = generator(session, hints)
    assert found.sizes(9) == [
        {"samples": 7, "x.0": 2, "state.0": 2},
        {"samples": 9, "x.0": 2, "state.0": 2},
    ]
    inputs = found.inputs(found.sizes(2)[1])
    assert inputs["rate"].shape == ()
    assert inputs["rate"] == 16000.0
    assert inputs["state"].shape == inputs["x"].shape == (2, 9)
    assert 5.0 <= inputs["state"].min() <= inputs["state"].max() <= 6.0


def test_masks_lengths_and_text_mean_something() -> None:
    tensors = [
        Tensor("mask", "bool", ("batch", "width")),
        Tensor("attention_mask", "int64", ("batch", "width")),
        Tensor("x_lengths", "int64", ("batch",)),
        Tensor("said", "string", ("batch",)),
        Tensor("half", "float16", ("batch", 3)),
    ]
    given: list[Inputs] = []

    def run(inputs: Inputs) -> list[np.ndarray[Any, Any]]:
        given.append(inputs)
        return []

    found = Generator(tensors, run, Hints(values={"x_lengths": {"kind": "length", "of": "width"}}))
    [sizes] = found.sizes(1)
    inputs = found.inputs(sizes)
    for name in ("mask", "attention_mask"):
        rows = inputs[name].astype(int)
        assert (np.diff(rows, axis=1) <= 0).all()
        assert (rows.sum(axis=1) >= sizes["width"] // 2).all()
    assert (inputs["x_lengths"] >= 1).all()
    assert (inputs["x_lengths"] <= sizes["width"]).all()
    assert {type(word) for word in inputs["said"].flat} == {bytes}
    assert inputs["half"].dtype == np.float16


def test_a_model_that_runs_on_nothing_says_what_it_said() -> None:
    def run(_: Inputs) -> list[np.ndarray[Any, Any]]:
        raise RuntimeError("not\n on Mondays")

    with pytest.raises(NoInputs, match="not on Mondays"):
        Generator([Tensor("x", "float", ("n", "m"))], run)


def test_an_answer_that_is_no_number_at_all_is_no_answer() -> None:
    def run(inputs: Inputs) -> list[np.ndarray[Any, Any]]:
        return [np.full(inputs["x"].shape, np.nan if inputs["x"].size < 3 else 1.0)]

    found = Generator([Tensor("x", "float", ("n",))], run)
    assert found.sizes(1) == [{"n": 3}]
