"""Small ONNX models and repositories for the engine's tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
Dims = Sequence[int | str] | None


def value(name: str, dims: Dims, kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


def model(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    initializers: Sequence[TensorProto] = (),
    opset: int = 20,
) -> ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def add(dims: Dims = ("n", 4), amount: float = 1.0) -> bytes:
    """Y = X + amount; with weights, so that a version can be told by its answer."""
    weights = numpy_helper.from_array(np.full(1, amount, np.float32), "W")
    nodes = [helper.make_node("Add", ["X", "W"], ["Y"])]
    return model(nodes, [value("X", dims)], [value("Y", dims)], [weights]).SerializeToString()


def identity(kind: int, dims: Dims = ("n", 3)) -> bytes:
    nodes = [helper.make_node("Identity", ["X"], ["Y"])]
    made = model(nodes, [value("X", dims, kind)], [value("Y", dims, kind)])
    return made.SerializeToString()


def double_row_sum() -> bytes:
    """Keeps no rows apart: whatever the batch, one row comes out."""
    nodes = [helper.make_node("ReduceSum", ["X", "A"], ["Y"], keepdims=1)]
    axes = numpy_helper.from_array(np.zeros(1, np.int64), "A")
    made = model(nodes, [value("X", ["n", 2])], [value("Y", ["m", 2])], [axes])
    return made.SerializeToString()


def non_zero_rows() -> bytes:
    """Drops rows of zeros: keeps the batch whole only while there are none."""
    nodes = [
        helper.make_node("Cast", ["X"], ["B"], to=TensorProto.BOOL),
        helper.make_node("Compress", ["X", "F"], ["Y"], axis=0),
        helper.make_node("Reshape", ["B", "S"], ["F"]),
    ]
    nodes = [nodes[0], nodes[2], nodes[1]]
    shape = numpy_helper.from_array(np.array([-1], np.int64), "S")
    made = model(nodes, [value("X", ["n", 1])], [value("Y", ["m", 1])], [shape])
    return made.SerializeToString()


def loop(trips: int = 2**62) -> bytes:
    """Adds X to itself `trips` times: by default for ever."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["v", "v"], ["w"]),
        ],
        "body",
        [
            value("i", [], TensorProto.INT64),
            value("go", [], TensorProto.BOOL),
            value("v", ["n", 1]),
        ],
        [value("go_on", [], TensorProto.BOOL), value("w", ["n", 1])],
    )
    nodes = [helper.make_node("Loop", ["T", "C", "X"], ["Y"], body=body)]
    initializers = [
        helper.make_tensor("T", TensorProto.INT64, [], [trips]),
        helper.make_tensor("C", TensorProto.BOOL, [], [True]),
    ]
    made = model(nodes, [value("X", ["n", 1])], [value("Y", ["n", 1])], initializers)
    return made.SerializeToString()


def loop_if_asked() -> bytes:
    """Loops as often as X says: harmless with zeros, endless with 2**62."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["v"], ["w"]),
        ],
        "body",
        [
            value("i", [], TensorProto.INT64),
            value("go", [], TensorProto.BOOL),
            value("v", [1], TensorProto.INT64),
        ],
        [value("go_on", [], TensorProto.BOOL), value("w", [1], TensorProto.INT64)],
    )
    nodes = [
        helper.make_node("Squeeze", ["X"], ["T"]),
        helper.make_node("Loop", ["T", "C", "X"], ["Y"], body=body),
    ]
    made = model(
        nodes,
        [value("X", [1], TensorProto.INT64)],
        [value("Y", [1], TensorProto.INT64)],
        [helper.make_tensor("C", TensorProto.BOOL, [], [True])],
    )
    return made.SerializeToString()


def memory_flood(size_bytes: int) -> bytes:
    """Small on disk, large when it runs."""
    nodes = [
        helper.make_node(
            "ConstantOfShape", ["S"], ["B"], value=helper.make_tensor("v", FLOAT, [1], [1.0])
        ),
        helper.make_node("ReduceSum", ["B"], ["R"], keepdims=0),
        helper.make_node("Add", ["X", "R"], ["Y"]),
    ]
    shape = numpy_helper.from_array(np.array([size_bytes // 4], np.int64), "S")
    made = model(nodes, [value("X", ["n", 1])], [value("Y", ["n", 1])], [shape])
    return made.SerializeToString()


def with_external_data(
    location: str, *, offset: int | None = None, length: int | None = None
) -> bytes:
    """As `add`, with the weights in a file: 16 bytes of FP32."""
    weights = TensorProto(name="W", data_type=FLOAT, dims=[4])
    weights.data_location = TensorProto.EXTERNAL
    entries = {"location": location, "offset": offset, "length": length}
    for key, entry in entries.items():
        if entry is not None:
            weights.external_data.add(key=key, value=str(entry))
    nodes = [helper.make_node("Add", ["X", "W"], ["Y"])]
    made = model(nodes, [value("X", ["n", 4])], [value("Y", ["n", 4])], [weights])
    return made.SerializeToString()


EXTERNAL_WEIGHTS = np.arange(4, dtype=np.float32).tobytes()


def letters_as_numbers() -> bytes:
    """Looks two inputs up in tables of twelve rows each, although both say that they are real
    numbers: noise is nothing that they have.
    """
    nodes = [
        helper.make_node("Cast", ["X"], ["XI"], to=TensorProto.INT64),
        helper.make_node("Cast", ["Z"], ["ZI"], to=TensorProto.INT64),
        helper.make_node("Gather", ["T", "XI"], ["XT"]),
        helper.make_node("Gather", ["T", "ZI"], ["ZT"]),
        helper.make_node("Add", ["XT", "ZT"], ["Y"]),
    ]
    table = numpy_helper.from_array(np.arange(12, dtype=np.float32), "T")
    inputs = [value("X", ["n", 16]), value("Z", ["n", 16])]
    return model(nodes, inputs, [value("Y", ["n", 16])], [table]).SerializeToString()


def zip_map() -> bytes:
    """What scikit-learn's exporter writes without zipmap=False."""
    nodes = [
        helper.make_node("ZipMap", ["X"], ["Y"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]),
        helper.make_node("Identity", ["X"], ["Z"]),
    ]
    opaque = helper.make_value_info(
        "Y",
        helper.make_sequence_type_proto(
            helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, []))
        ),
    )
    made = model(nodes, [value("X", ["n", 3])], [opaque, value("Z", ["n", 3])])
    return made.SerializeToString()


def with_default() -> bytes:
    """Y = X + D, where D may be left out and is then 10."""
    default = numpy_helper.from_array(np.full((1, 2), 10, np.float32), "D")
    nodes = [helper.make_node("Add", ["X", "D"], ["Y"])]
    made = model(
        nodes, [value("X", ["n", 2]), value("D", ["d", 2])], [value("Y", ["n", 2])], [default]
    )
    return made.SerializeToString()


@dataclass(frozen=True)
class Repository:
    """A model repository on disk."""

    path: Path

    def write(
        self,
        name: str,
        content: bytes | Mapping[str, bytes] | None = None,
        *,
        version: int = 1,
        config: str | None = None,
    ) -> Path:
        """Writes one version, and the configuration if given; returns the version's folder."""
        folder = self.path / name / str(version)
        folder.mkdir(parents=True, exist_ok=True)
        files = content if isinstance(content, Mapping) else {"model.onnx": content}
        for file_name, data in files.items():
            if data is not None:
                (folder / file_name).write_bytes(data)
        if config is not None:
            (self.path / name / "config.pbtxt").write_text(config)
        return folder
