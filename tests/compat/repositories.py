"""Three repositories as people have them for Triton: their config.pbtxt is served unchanged."""

from pathlib import Path

from onnx import ModelProto, TensorProto, helper

OPSET = [helper.make_opsetid("", 17)]

# A vision model: labels, a fixed picture, batches of preferred sizes, a short queue delay.
VISION_CONFIG = """\
name: "densenet_like"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  {
    name: "data_0"
    data_type: TYPE_FP32
    format: FORMAT_NCHW
    dims: [ 3, 4, 4 ]
  }
]
output [
  {
    name: "fc6_1"
    data_type: TYPE_FP32
    dims: [ 3 ]
    label_filename: "densenet_labels.txt"
  }
]
instance_group [
  {
    count: 1
    kind: KIND_CPU
  }
]
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 100
}
"""

# A text encoder: several int64 inputs of free length, optimisation settings, warm-up.
TEXT_CONFIG = """\
name: "bert_like"
backend: "onnxruntime"
max_batch_size: 16
input [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }
]
output [ { name: "pooled" data_type: TYPE_FP32 dims: [ 1 ] } ]
version_policy: { latest: { num_versions: 1 } }
optimization { graph { level: 1 } }
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
model_warmup [
  {
    name: "short"
    batch_size: 1
    inputs {
      key: "input_ids"
      value: { data_type: TYPE_INT64 dims: [ 8 ] zero_data: true }
    }
    inputs {
      key: "attention_mask"
      value: { data_type: TYPE_INT64 dims: [ 8 ] zero_data: true }
    }
  }
]
dynamic_batching { default_queue_policy { max_queue_size: 64 } }
"""

# A score without batching, two versions side by side, an output that is reshaped.
SCORE_CONFIG = """\
name: "score"
platform: "onnxruntime_onnx"
max_batch_size: 0
input [ { name: "features" data_type: TYPE_FP64 dims: [ 4 ] } ]
output [ { name: "score" data_type: TYPE_FP64 dims: [ 1 ] } ]
version_policy: { specific: { versions: [ 1, 3 ] } }
"""


def _model(
    graph_name: str, nodes: list[object], inputs: list[object], outputs: list[object]
) -> ModelProto:
    graph = helper.make_graph(nodes, graph_name, inputs, outputs)
    return helper.make_model(graph, opset_imports=OPSET, ir_version=8)


def _write(models: Path, name: str, versions: dict[int, ModelProto], config: str) -> None:
    for version, model in versions.items():
        folder = models / name / str(version)
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
    (models / name / "config.pbtxt").write_text(config)


def vision() -> ModelProto:
    """Mean of each colour channel: (batch, 3, 4, 4) -> (batch, 3)."""
    return _model(
        "densenet_like",
        [helper.make_node("ReduceMean", ["data_0"], ["fc6_1"], axes=[2, 3], keepdims=0)],
        [helper.make_tensor_value_info("data_0", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("fc6_1", TensorProto.FLOAT, ["n", 3])],
    )


def text() -> ModelProto:
    """Sum of the ids where the mask is one: two (batch, length) -> (batch, 1)."""
    return _model(
        "bert_like",
        [
            helper.make_node("Mul", ["input_ids", "attention_mask"], ["masked"]),
            helper.make_node("Cast", ["masked"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["pooled"], axes=[1], keepdims=1),
        ],
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "length"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", "length"]),
        ],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["n", 1])],
    )


def score(kind: str) -> ModelProto:
    """Sum or largest of four numbers: (4,) -> (1,)."""
    reduce = (
        helper.make_node("ReduceMax", ["features"], ["score"], keepdims=1)
        if kind == "max"
        else helper.make_node("ReduceMean", ["features"], ["score"], keepdims=1)
    )
    return _model(
        f"score_{kind}",
        [reduce],
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, [4])],
        [helper.make_tensor_value_info("score", TensorProto.DOUBLE, [1])],
    )


def write_repository(models: Path) -> None:
    """All three, in one repository."""
    _write(models, "densenet_like", {1: vision()}, VISION_CONFIG)
    (models / "densenet_like" / "densenet_labels.txt").write_text("red\ngreen\nblue\n")
    _write(models, "bert_like", {1: text(), 7: text()}, TEXT_CONFIG)
    _write(models, "score", {1: score("max"), 2: score("mean"), 3: score("mean")}, SCORE_CONFIG)


ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}

BF16_CONFIG = """\
name: "echo_bf16"
backend: "synthetic"
max_batch_size: 8
input [ { name: "INPUT" data_type: TYPE_BF16 dims: [ -1 ] } ]
output [ { name: "OUTPUT" data_type: TYPE_BF16 dims: [ -1 ] } ]
parameters { key: "alpha_ms" value { string_value: "1" } }
"""


def write_echoes(models: Path) -> None:
    """One model a datatype that answers its input, without any config.pbtxt."""
    for datatype, element in ONNX_TYPES.items():
        graph = _model(
            f"echo_{datatype.lower()}",
            [helper.make_node("Identity", ["INPUT"], ["OUTPUT"])],
            [helper.make_tensor_value_info("INPUT", element, ["n", "width"])],
            [helper.make_tensor_value_info("OUTPUT", element, ["n", "width"])],
        )
        folder = models / f"echo_{datatype.lower()}" / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
    (models / "echo_bf16" / "1").mkdir(parents=True)
    (models / "echo_bf16" / "config.pbtxt").write_text(BF16_CONFIG)
