"""Small model repositories, written for a measurement."""

from pathlib import Path

from onnx import TensorProto, helper

SYNTHETIC = """\
name: "{name}"
backend: "synthetic"
max_batch_size: {batch_max}
input [ {{ name: "INPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
output [ {{ name: "OUTPUT" data_type: TYPE_FP32 dims: [ -1 ] }} ]
dynamic_batching {{ }}
instance_group [ {{ count: {lanes} kind: KIND_CPU }} ]
parameters {{ key: "alpha_ms" value {{ string_value: "{alpha_ms}" }} }}
parameters {{ key: "beta_ms" value {{ string_value: "{beta_ms}" }} }}
parameters {{ key: "noise" value {{ string_value: "{noise}" }} }}
"""


def write_synthetic(  # noqa: PLR0913  (one a parameter of the model)
    models: Path,
    name: str,
    *,
    alpha_ms: float,
    beta_ms: float,
    batch_max: int,
    noise: float = 0.0,
    lanes: int = 1,
) -> None:
    """A model that sleeps alpha + beta * rows milliseconds and echoes INPUT as OUTPUT.

    Args:
        models: The repository.
        name: Of the model.
        alpha_ms: Milliseconds of a batch.
        beta_ms: Milliseconds of a row.
        batch_max: Most rows in a batch.
        noise: Coefficient of variation of the time.
        lanes: Batches of it that may run at once.
    """
    (models / name / "1").mkdir(parents=True)
    (models / name / "config.pbtxt").write_text(
        SYNTHETIC.format(
            name=name,
            alpha_ms=alpha_ms,
            beta_ms=beta_ms,
            batch_max=batch_max,
            noise=noise,
            lanes=lanes,
        )
    )


def write_mean(models: Path, name: str, *, width: int) -> None:
    """A model that takes `width` floats a row and answers their mean: all wire, no work."""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["INPUT"], ["OUTPUT"], axes=[1], keepdims=1)],
        name,
        [helper.make_tensor_value_info("INPUT", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("OUTPUT", TensorProto.FLOAT, ["batch", 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = models / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
