"""Models that end the process that runs them, when they are asked to."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from hasten_worker.model import Array
from tests.unit.worker_engine import zoo

Inputs = dict[str, Array]
BOXES = 300_000
"""Compared with each other, in one operator that looks for no sign to stop: a minute."""


def division(kind: int = TensorProto.INT64, dims: zoo.Dims = ("n", 1)) -> bytes:
    """Divides whole numbers, which the processor itself does and may stumble over."""
    names = ("LEFT", "RIGHT")
    made = zoo.model(
        [helper.make_node("Div", [*names], ["OUTPUT"])],
        [zoo.value(name, dims, kind) for name in names],
        [zoo.value("OUTPUT", dims, kind)],
        opset=17,
    )
    return made.SerializeToString()


def dividing(left: int, right: int, kind: type[np.signedinteger[Any]] = np.int64) -> Inputs:
    return {"LEFT": np.full((1, 1), left, kind), "RIGHT": np.full((1, 1), right, kind)}


POISON = dividing(-(2**63), -1)
"""The result is 2^63, which is no INT64: the processor raises an exception."""


def suppression() -> bytes:
    """A run over many boxes takes minutes and cannot be stopped."""
    made = zoo.model(
        [helper.make_node("NonMaxSuppression", ["BOXES", "SCORES", "MOST"], ["OUTPUT"])],
        [zoo.value("BOXES", [1, "boxes", 4]), zoo.value("SCORES", [1, 1, "boxes"])],
        [zoo.value("OUTPUT", ["kept", 3], TensorProto.INT64)],
        [helper.make_tensor("MOST", TensorProto.INT64, [1], [10**9])],
        opset=17,
    )
    return made.SerializeToString()


def boxes(count: int) -> Inputs:
    """Boxes of which none overlaps another."""
    found = np.zeros((1, count, 4), np.float32)
    found[0, :, 0] = 2 * np.arange(count)
    found[0, :, 2] = found[0, :, 0] + 1
    found[0, :, 3] = 1
    scores = np.linspace(1, 2, count, dtype=np.float32).reshape(1, 1, -1)
    return {"BOXES": found, "SCORES": scores}


def hoard() -> bytes:
    """Needs as many bytes as X says, times four."""
    zero = numpy_helper.from_array(np.zeros(1, np.int64), "AXES")
    nodes = [
        helper.make_node(
            "ConstantOfShape", ["X"], ["B"], value=helper.make_tensor("v", zoo.FLOAT, [1], [1.0])
        ),
        helper.make_node("ReduceSum", ["B", "AXES"], ["Y"], keepdims=1),
    ]
    made = zoo.model(nodes, [zoo.value("X", [1], TensorProto.INT64)], [zoo.value("Y", [1])], [zero])
    return made.SerializeToString()
