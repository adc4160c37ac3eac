"""Small models that keep the rows of a batch apart, and others that only look like it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT: Final = TensorProto.FLOAT
INT64: Final = TensorProto.INT64
BOOL: Final = TensorProto.BOOL
OPSETS: Final = (helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3))

Dims = Sequence[int | str | None]
Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]


@dataclass(frozen=True, slots=True)
class RowModel:
    """A model and what is true of it.

    Attributes:
        name: Its name.
        what: What it computes, in a few words.
        make: Makes it.
        shape: Of one call's input `X`, the first dimension included.
        ids: X holds whole numbers below this; 0 for floats.
        row_wise: Every row of a batch is answered by itself.
    """

    name: str
    what: str
    make: Callable[[], ModelProto]
    shape: tuple[int, ...]
    ids: int = 0
    row_wise: bool = True

    def input(self, rng: np.random.Generator) -> Array:
        """Inputs of one caller."""
        if self.ids:
            return rng.integers(0, self.ids, self.shape)
        return rng.standard_normal(self.shape).astype(np.float32)


def _value(name: str, dims: Dims | None, kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


def _ints(name: str, *numbers: int) -> TensorProto:
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def _weights(name: str, *dims: int) -> TensorProto:
    rng = np.random.default_rng(sum(name.encode()) + sum(dims))
    return numpy_helper.from_array((rng.standard_normal(dims) / 4).astype(np.float32), name)


def _model(
    nodes: Sequence[NodeProto],
    given: Dims,
    answered: Dims,
    weights: Sequence[TensorProto] = (),
    kinds: tuple[int, int] = (FLOAT, FLOAT),
) -> ModelProto:
    graph = helper.make_graph(
        nodes, "g", [_value("X", given, kinds[0])], [_value("Y", answered, kinds[1])], weights
    )
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=10)


# --- those that keep rows apart -----------------------------------------------------------


def perceptron() -> ModelProto:
    """Two layers."""
    nodes = [
        helper.make_node("Gemm", ["X", "V", "b"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "W"], ["Y"]),
    ]
    weights = [_weights("V", 16, 32), _weights("b", 32), _weights("W", 32, 8)]
    return _model(nodes, ["n", 16], ["n", 8], weights)


def softmax_of_a_row() -> ModelProto:
    """Softmax over the last axis."""
    return _model([helper.make_node("Softmax", ["X"], ["Y"], axis=-1)], ["n", 6], ["n", 6])


def convolution() -> ModelProto:
    """Images of any size, at least five pixels wide."""
    nodes = [
        helper.make_node("Conv", ["X", "W"], ["c"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["Y"]),
    ]
    return _model(nodes, ["n", 3, "h", "w"], ["n", 8], [_weights("W", 8, 3, 5, 5)])


def detector() -> ModelProto:
    """Two scales joined: the image's sides must be multiples of 32."""
    nodes = [
        helper.make_node("AveragePool", ["X"], ["a"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("AveragePool", ["X"], ["b"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Resize", ["b", "", "scales"], ["u"], mode="nearest"),
        helper.make_node("Concat", ["a", "u"], ["j"], axis=1),
        helper.make_node("Reshape", ["j", "flat"], ["Y"]),
    ]
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    return _model(nodes, ["n", 3, "h", "w"], ["n", 6, "boxes"], [scales, _ints("flat", 0, 6, -1)])


def batch_first_gru() -> ModelProto:
    """A GRU whose rows are turned to the batch axis before it."""
    nodes = [
        helper.make_node("Transpose", ["X"], ["t"], perm=[1, 0, 2]),
        helper.make_node("GRU", ["t", "W", "R"], ["", "last"], hidden_size=8),
        helper.make_node("Squeeze", ["last", "zero"], ["Y"]),
    ]
    weights = [_weights("W", 1, 24, 4), _weights("R", 1, 24, 8), _ints("zero", 0)]
    return _model(nodes, ["n", "time", 4], ["n", 8], weights)


def embedding() -> ModelProto:
    """Mean of the words' vectors."""
    nodes = [
        helper.make_node("Gather", ["T", "X"], ["e"]),
        helper.make_node("ReduceMean", ["e", "one"], ["Y"], keepdims=0),
    ]
    weights = [_weights("T", 50, 8), _ints("one", 1)]
    return _model(nodes, ["n", "words"], ["n", 8], weights, (INT64, FLOAT))


def attention() -> ModelProto:
    """Every word looks at the words of its own row."""
    nodes = [
        helper.make_node("MatMul", ["X", "Q"], ["q"]),
        helper.make_node("Transpose", ["X"], ["k"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "k"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "X"], ["Y"]),
    ]
    return _model(nodes, ["n", "words", 8], ["n", "words", 8], [_weights("Q", 8, 8)])


def layer_norm() -> ModelProto:
    """Every row by its own mean and spread."""
    nodes = [helper.make_node("LayerNormalization", ["X", "s"], ["Y"], axis=-1)]
    return _model(nodes, ["n", 12], ["n", 12], [_weights("s", 12)])


def cumsum_of_a_row() -> ModelProto:
    """Running sum along a row."""
    nodes = [helper.make_node("CumSum", ["X", "axis"], ["Y"])]
    axis = numpy_helper.from_array(np.array(1, np.int64), "axis")
    return _model(nodes, ["n", "time"], ["n", "time"], [axis])


def best_class() -> ModelProto:
    """The number of the best class, and nothing else."""
    nodes = [
        helper.make_node("MatMul", ["X", "W"], ["s"]),
        helper.make_node("ArgMax", ["s"], ["Y"], axis=1, keepdims=0),
    ]
    return _model(nodes, ["n", 16], ["n"], [_weights("W", 16, 10)], (FLOAT, INT64))


# --- those that do not --------------------------------------------------------------------


def cumsum_over_time() -> ModelProto:
    """Running sum over what looks like a batch."""
    nodes = [helper.make_node("CumSum", ["X", "axis"], ["Y"])]
    axis = numpy_helper.from_array(np.array(0, np.int64), "axis")
    return _model(nodes, ["t", 4], ["t", 4], [axis])


def centred() -> ModelProto:
    """Less the mean of all points."""
    nodes = [
        helper.make_node("ReduceMean", ["X", "zero"], ["m"], keepdims=1),
        helper.make_node("Sub", ["X", "m"], ["Y"]),
    ]
    return _model(nodes, ["points", 3], ["points", 3], [_ints("zero", 0)])


def softmax_over_rows() -> ModelProto:
    """Softmax over axis 0."""
    return _model([helper.make_node("Softmax", ["X"], ["Y"], axis=0)], ["n", 6], ["n", 6])


def time_first_gru() -> ModelProto:
    """A GRU as frameworks have it: time is the first axis."""
    nodes = [
        helper.make_node("GRU", ["X", "W", "R"], ["h", ""], hidden_size=8),
        helper.make_node("Squeeze", ["h", "one"], ["Y"]),
    ]
    weights = [_weights("W", 1, 24, 4), _weights("R", 1, 24, 8), _ints("one", 1)]
    return _model(nodes, ["t", "b", 4], ["t", "b", 8], weights)


def batch_norm() -> ModelProto:
    """Normalised by the mean and spread of the batch, as a model in training does."""
    nodes = [
        helper.make_node("ReduceMean", ["X", "zero"], ["m"], keepdims=1),
        helper.make_node("Sub", ["X", "m"], ["d"]),
        helper.make_node("Mul", ["d", "d"], ["q"]),
        helper.make_node("ReduceMean", ["q", "zero"], ["v"], keepdims=1),
        helper.make_node("Add", ["v", "eps"], ["e"]),
        helper.make_node("Sqrt", ["e"], ["r"]),
        helper.make_node("Div", ["d", "r"], ["Y"]),
    ]
    eps = numpy_helper.from_array(np.array(1e-5, np.float32), "eps")
    return _model(nodes, ["n", 8], ["n", 8], [_ints("zero", 0), eps])


def best_of_all() -> ModelProto:
    """The largest first, over axis 0: a permutation of the rows' numbers."""
    nodes = [
        helper.make_node("Shape", ["X"], ["k"], start=0, end=1),
        helper.make_node("TopK", ["X", "k"], ["Y", "where"], axis=0),
    ]
    return _model(nodes, ["n", 4], ["n", 4])


def each_other() -> ModelProto:
    """Attention among the rows: one row is as many as a batch has."""
    nodes = [
        helper.make_node("Transpose", ["X"], ["k"], perm=[1, 0]),
        helper.make_node("MatMul", ["X", "k"], ["s"]),
        helper.make_node("Softmax", ["s"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "X"], ["Y"]),
    ]
    return _model(nodes, ["points", 8], ["points", 8])


def hidden_mean() -> ModelProto:
    """The best class, moved a little by the mean of all rows: most answers do not show it."""
    nodes = [
        helper.make_node("MatMul", ["X", "W"], ["s"]),
        helper.make_node("ReduceMean", ["s", "zero"], ["m"], keepdims=1),
        helper.make_node("Mul", ["m", "little"], ["l"]),
        helper.make_node("Add", ["s", "l"], ["z"]),
        helper.make_node("ArgMax", ["z"], ["Y"], axis=1, keepdims=0),
    ]
    little = numpy_helper.from_array(np.array(0.05, np.float32), "little")
    weights = [_weights("W", 16, 10), _ints("zero", 0), little]
    return _model(nodes, ["n", 16], ["n"], weights, (FLOAT, INT64))


def quantised() -> ModelProto:
    """Eight bits whose step is that of the whole batch's largest number."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["X"], ["q", "s", "z"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["Y"]),
    ]
    return _model(nodes, ["n", 16], ["n", 16])


def only_many() -> ModelProto:
    """Centred by the mean of the rows, but only from five rows on."""
    centre = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["X", "zero"], ["m"], keepdims=1),
            helper.make_node("Sub", ["X", "m"], ["A"]),
        ],
        "many",
        [],
        [_value("A", ["n", 4])],
    )
    same = helper.make_graph(
        [helper.make_node("Identity", ["X"], ["B"])], "few", [], [_value("B", ["n", 4])]
    )
    nodes = [
        helper.make_node("Shape", ["X"], ["k"], start=0, end=1),
        helper.make_node("Squeeze", ["k"], ["rows"]),
        helper.make_node("Greater", ["rows", "four"], ["many"]),
        helper.make_node("If", ["many"], ["Y"], then_branch=centre, else_branch=same),
    ]
    four = numpy_helper.from_array(np.array(4, np.int64), "four")
    return _model(nodes, ["n", 4], ["n", 4], [_ints("zero", 0), four])


ROW_WISE: Final = (
    RowModel("perceptron", "two layers", perceptron, (1, 16)),
    RowModel("softmax_row", "Softmax over the last axis", softmax_of_a_row, (1, 6)),
    RowModel("convolution", "images of any size", convolution, (1, 3, 24, 20)),
    RowModel("detector", "sides are multiples of 32", detector, (1, 3, 64, 96)),
    RowModel("gru_batch", "GRU over a row's time", batch_first_gru, (1, 9, 4)),
    RowModel("embedding", "mean of words' vectors", embedding, (1, 11), ids=50),
    RowModel("attention", "among the words of a row", attention, (1, 7, 8)),
    RowModel("layer_norm", "by a row's own mean", layer_norm, (1, 12)),
    RowModel("cumsum_row", "running sum along a row", cumsum_of_a_row, (1, 10)),
    RowModel("best_class", "number of the best class", best_class, (1, 16)),
)
MIXING: Final = (
    RowModel("cumsum_time", "running sum over axis 0", cumsum_over_time, (6, 4), row_wise=False),
    RowModel("centred", "less the mean of all points", centred, (5, 3), row_wise=False),
    RowModel("softmax_rows", "Softmax over axis 0", softmax_over_rows, (4, 6), row_wise=False),
    RowModel("gru_time", "GRU over axis 0", time_first_gru, (7, 1, 4), row_wise=False),
    RowModel("batch_norm", "by the batch's own mean", batch_norm, (6, 8), row_wise=False),
    RowModel("top_k", "largest first over axis 0", best_of_all, (5, 4), row_wise=False),
    RowModel("points", "attention among the rows", each_other, (6, 8), row_wise=False),
    RowModel("hidden_mean", "best class moved by a mean", hidden_mean, (3, 16), row_wise=False),
    RowModel("quantised", "one step for the batch", quantised, (2, 16), row_wise=False),
    RowModel("only_many", "mean from five rows on", only_many, (3, 4), row_wise=False),
)
