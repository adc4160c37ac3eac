"""A small repository of real ONNX and synthetic models."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper

Array = npt.NDArray[np.float32]

ECHOES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "INT8": TensorProto.INT8,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
OPSET = [helper.make_opsetid("", 17)]

SLOW = """\
name: "{name}"
backend: "synthetic"
max_batch_size: {batch_max}
input [ {{ name: "INPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
output [ {{ name: "OUTPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
parameters {{ key: "alpha_ms" value {{ string_value: "{alpha_ms}" }} }}
"""
SPINNER = """\
name: "spinner"
backend: "onnxruntime"
max_batch_size: 0
parameters { key: "hasten.run_timeout_ms" value { string_value: "1000" } }
parameters { key: "hasten.warm_up" value { string_value: "false" } }
"""


def save(models: Path, name: str, model: ModelProto, config: str = "") -> None:
    folder = models / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    if config:
        (models / name / "config.pbtxt").write_text(config)


def echo(element: int) -> ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["INPUT"], ["OUTPUT"])],
        "echo",
        [helper.make_tensor_value_info("INPUT", element, ["batch", "width"])],
        [helper.make_tensor_value_info("OUTPUT", element, ["batch", "width"])],
    )
    return helper.make_model(graph, opset_imports=OPSET, ir_version=8)


def spinner() -> ModelProto:
    """Counts up to INPUT, one by one: as long as the caller wishes."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["sum_in", "one"], ["sum_out"]),
            helper.make_node("Identity", ["go_on_in"], ["go_on_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_in", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("go_on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.INT64, [1]),
        ],
    )
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array([0], np.int64), "zero"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    graph = helper.make_graph(
        [helper.make_node("Loop", ["INPUT", "yes", "zero"], ["OUTPUT"], body=body)],
        "spinner",
        [helper.make_tensor_value_info("INPUT", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("OUTPUT", TensorProto.INT64, [1])],
        initializer=constants,
    )
    return helper.make_model(graph, opset_imports=OPSET, ir_version=8)


def stubborn() -> ModelProto:
    """Compares each of its boxes with every other, in one node: nothing can stop it half way.

    It must be one node. onnxruntime looks between nodes whether a run was terminated, and a node
    that merely prepares a large input takes longer than the run's limit on a busy machine.
    """
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", ["BOXES", "SCORES", "kept_max"], ["OUTPUT"])],
        "stubborn",
        [
            helper.make_tensor_value_info("BOXES", TensorProto.FLOAT, [1, "boxes", 4]),
            helper.make_tensor_value_info("SCORES", TensorProto.FLOAT, [1, 1, "boxes"]),
        ],
        [helper.make_tensor_value_info("OUTPUT", TensorProto.INT64, ["kept", 3])],
        initializer=[numpy_helper.from_array(np.array([2**31], np.int64), "kept_max")],
    )
    return helper.make_model(graph, opset_imports=OPSET, ir_version=8)


def stubborn_inputs(boxes: int = 100_000) -> dict[str, Array]:
    """Boxes of which none overlaps another, so that all are kept and all are compared."""
    corners = np.arange(boxes, dtype=np.float32) * 2
    return {
        "BOXES": np.stack([corners, corners, corners + 1, corners + 1], axis=1)[np.newaxis],
        "SCORES": np.ones((1, 1, boxes), np.float32),
    }


def write_stubborn(models: Path) -> None:
    config = SPINNER.replace("spinner", "stubborn").replace('"1000"', '"50"')
    config += 'parameters { key: "intra_op_thread_count" value { string_value: "1" } }\n'
    save(models, "stubborn", stubborn(), config)


def write_repository(models: Path) -> None:
    for datatype, element in ECHOES.items():
        save(models, f"echo_{datatype.lower()}", echo(element))
    save(models, "spinner", spinner(), SPINNER)
    write_slow(models, "slow", alpha_ms=300)
    write_slow(models, "crowd", alpha_ms=20, batch_max=8)


def write_slow(models: Path, name: str, *, alpha_ms: int, batch_max: int = 1) -> None:
    (models / name / "1").mkdir(parents=True)
    text = SLOW.format(name=name, alpha_ms=alpha_ms, batch_max=batch_max)
    (models / name / "config.pbtxt").write_text(text)
