"""Models that compute, as those that people serve do: a perceptron and a transformer's encoder.

A model that sleeps leaves its cores to router and load generator, and takes as long as it is told
to. These take what a machine on which others work gives them. Weights are random, and the same for
the same seed.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from loadtest.call import serialised

MLP: Final = "mlp"
ENCODER: Final = "encoder"
VOCABULARY: Final = 3000
_OPSET: Final = 18
_IR_VERSION: Final = 9
_SEED: Final = 11

Array = np.ndarray[Any, Any]


class _Graph:
    """Nodes and weights, named as they come."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(seed)

    def constant(self, value: Array) -> str:
        """A weight with this value."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def matrix(self, rows: int, columns: int) -> str:
        """A random weight that keeps the size of what it is multiplied with."""
        value = self._rng.standard_normal((rows, columns)) / np.sqrt(rows)
        return self.constant(value.astype(np.float32))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 (ONNX's)
        """An operator; the name of its output."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def linear(self, value: str, rows: int, columns: int) -> str:
        """A product with a random matrix, and a bias."""
        product = self.add("MatMul", value, self.matrix(rows, columns))
        return self.add("Add", product, self.constant(np.zeros(columns, np.float32)))

    def normalised(self, value: str, width: int) -> str:
        """Layer normalisation over the last dimension."""
        scale = self.constant(np.ones(width, np.float32))
        shift = self.constant(np.zeros(width, np.float32))
        return self.add("LayerNormalization", value, scale, shift, axis=-1)

    def model(
        self, name: str, given: tuple[str, int, list[str | int]], made: tuple[str, int]
    ) -> onnx.ModelProto:
        """The model: its input's name, type and dims; its output's name and width."""
        output, width = made
        self.nodes[-1].output[0] = output
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(*given)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])],
            self.weights,
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)


def mlp(widths: Sequence[int] = (256, 1024, 1024, 1024, 16)) -> onnx.ModelProto:
    """A perceptron, x [batch, 256] -> y [batch, 16]: some tenths of a millisecond."""
    graph, value = _Graph(_SEED), "x"
    for layer, (rows, columns) in enumerate(pairwise(widths)):
        value = graph.linear(graph.add("Relu", value) if layer else value, rows, columns)
    given: tuple[str, int, list[str | int]] = ("x", TensorProto.FLOAT, ["batch", widths[0]])
    return graph.model(MLP, given, ("y", widths[-1]))


def encoder(*, layers: int = 6, width: int = 384, heads: int = 12) -> onnx.ModelProto:
    """A sentence encoder of MiniLM's size, ids [batch, length] -> embedding [batch, width]."""
    graph = _Graph(_SEED)
    split = graph.constant(np.array([0, 0, heads, width // heads]))
    join = graph.constant(np.array([0, 0, width]))
    scale = graph.constant(np.array((width // heads) ** -0.5, np.float32))

    def by_head(value: str, order: Sequence[int]) -> str:
        projected = graph.linear(value, width, width)
        return graph.add("Transpose", graph.add("Reshape", projected, split), perm=order)

    words = graph.matrix(VOCABULARY, width)
    value = graph.normalised(graph.add("Gather", words, "ids"), width)
    for _ in range(layers):
        queries, keys = by_head(value, (0, 2, 1, 3)), by_head(value, (0, 2, 3, 1))
        scores = graph.add("Mul", graph.add("MatMul", queries, keys), scale)
        weights = graph.add("Softmax", scores, axis=-1)
        mixed = graph.add("MatMul", weights, by_head(value, (0, 2, 1, 3)))
        rows = graph.add("Reshape", graph.add("Transpose", mixed, perm=(0, 2, 1, 3)), join)
        attended = graph.linear(rows, width, width)
        value = graph.normalised(graph.add("Add", value, attended), width)
        inner = graph.add("Relu", graph.linear(value, width, 4 * width))
        fed = graph.linear(inner, 4 * width, width)
        value = graph.normalised(graph.add("Add", value, fed), width)
    graph.add("ReduceMean", value, graph.constant(np.array([1])), keepdims=0)
    given: tuple[str, int, list[str | int]] = ("ids", TensorProto.INT64, ["batch", "length"])
    return graph.model(ENCODER, given, ("embedding", width))


def write(models: Path, *names: str) -> None:
    """Puts models into a repository, as version 1 and without a configuration."""
    for name in names:
        folder = models / name / "1"
        folder.mkdir(parents=True)
        onnx.save(mlp() if name == MLP else encoder(), folder / "model.onnx")


def inputs(name: str, length: int, *, rows: int = 1, seed: int = 0) -> dict[str, Array]:
    """Inputs of a call; the length matters to the encoder alone."""
    rng = np.random.default_rng((seed, length))
    if name == MLP:
        return {"x": rng.standard_normal((rows, 256)).astype(np.float32)}
    return {"ids": rng.integers(0, VOCABULARY, (rows, length))}


def payload(name: str, length: int) -> bytes:
    """A serialised call of one row."""
    [(key, value)] = inputs(name, length).items()
    return serialised(name, key, value)
