"""Models for tests of tasks."""

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper


def write_picky(models: Path, name: str) -> None:
    """Answers the row of a table with the number INPUT, and fails where there is no such row."""
    table = numpy_helper.from_array(np.arange(4, dtype=np.float32), "TABLE")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["TABLE", "INPUT"], ["OUTPUT"], axis=0)],
        name,
        [helper.make_tensor_value_info("INPUT", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("OUTPUT", TensorProto.FLOAT, [1])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    _write(models, name, model, batch_max=0)


def write_table(models: Path, name: str) -> None:
    """As `write_picky`, of rows that share batches."""
    table = numpy_helper.from_array(np.arange(4, dtype=np.float32), "TABLE")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["TABLE", "INPUT"], ["OUTPUT"], axis=0)],
        name,
        [helper.make_tensor_value_info("INPUT", TensorProto.INT64, ["batch", 1])],
        [helper.make_tensor_value_info("OUTPUT", TensorProto.FLOAT, ["batch", 1])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    _write(models, name, model, batch_max=8)


def _write(models: Path, name: str, model: ModelProto, *, batch_max: int) -> None:
    folder = models / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (models / name / "config.pbtxt").write_text(
        f'name: "{name}"\nplatform: "onnxruntime_onnx"\nmax_batch_size: {batch_max}\n'
    )
