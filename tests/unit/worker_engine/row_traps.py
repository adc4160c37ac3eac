"""Models that hide how they treat rows, each with what a trial should find."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from tests.unit.worker_engine.zoo import model, value

INT64 = TensorProto.INT64


def ints(name: str, *numbers: int) -> TensorProto:
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def number(name: str, amount: float) -> TensorProto:
    return numpy_helper.from_array(np.array(amount, np.float32), name)


def made(
    nodes: Sequence[tuple[str, list[str], list[str], dict[str, object]]],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    weights: Sequence[TensorProto] = (),
) -> ModelProto:
    built: list[NodeProto] = [
        helper.make_node(kind, taken, given, **settings) for kind, taken, given, settings in nodes
    ]
    return model(built, inputs, outputs, weights)


def table_beside() -> ModelProto:
    """Y = X · Tᵀ: the second input's first dimension is free and is no batch."""
    return made(
        [("Transpose", ["T"], ["t"], {"perm": [1, 0]}), ("MatMul", ["X", "t"], ["Y"], {})],
        [value("X", ["n", 4]), value("T", ["m", 4])],
        [value("Y", ["n", "m"])],
    )


def bias_of_all() -> ModelProto:
    """Y = X + mean of B over axis 0: only the second input is mixed."""
    return made(
        [
            ("ReduceMean", ["B", "zero"], ["b"], {"keepdims": 1}),
            ("Add", ["X", "b"], ["Y"], {}),
        ],
        [value("X", ["n", 4]), value("B", ["n", 4])],
        [value("Y", ["n", 4])],
        [ints("zero", 0)],
    )


def second_output() -> ModelProto:
    """Y is row by row, Z is not."""
    return made(
        [("Relu", ["X"], ["Y"], {}), ("Softmax", ["X"], ["Z"], {"axis": 0})],
        [value("X", ["n", 4])],
        [value("Y", ["n", 4]), value("Z", ["n", 4])],
    )


def turned() -> ModelProto:
    """Y = Xᵀ: the first dimensions are equal only where X is square."""
    return made(
        [("Transpose", ["X"], ["Y"], {"perm": [1, 0]})],
        [value("X", ["n", "m"])],
        [value("Y", ["m", "n"])],
    )


def random_rows() -> ModelProto:
    """Noise is added: no two runs are the same."""
    return made(
        [("RandomUniformLike", ["X"], ["r"], {}), ("Add", ["X", "r"], ["Y"], {})],
        [value("X", ["n", 4])],
        [value("Y", ["n", 4])],
    )


def always_the_same() -> ModelProto:
    """Y = 0 · X of whole numbers: nothing shows whether rows are kept apart."""
    return made(
        [("Mul", ["X", "zero"], ["Y"], {})],
        [value("X", ["n", 4], INT64)],
        [value("Y", ["n", 4], INT64)],
        [ints("zero", 0)],
    )


def a_little_of_all() -> ModelProto:
    """Y = X + 1e-7 · mean: less than the rounding of most numbers."""
    return made(
        [
            ("ReduceMean", ["X", "zero"], ["m"], {"keepdims": 1}),
            ("Mul", ["m", "little"], ["l"], {}),
            ("Add", ["X", "l"], ["Y"], {}),
        ],
        [value("X", ["n", 4])],
        [value("Y", ["n", 4])],
        [ints("zero", 0), number("little", 1e-7)],
    )


def by_place() -> ModelProto:
    """Y = X · (1 + number of the row)."""
    return made(
        [
            ("Shape", ["X"], ["s"], {"start": 0, "end": 1}),
            ("Squeeze", ["s"], ["k"], {}),
            ("Range", ["first", "k", "one"], ["r"], {}),
            ("Cast", ["r"], ["f"], {"to": TensorProto.FLOAT}),
            ("Unsqueeze", ["f", "axis"], ["c"], {}),
            ("Add", ["c", "oneF"], ["p"], {}),
            ("Mul", ["X", "p"], ["Y"], {}),
        ],
        [value("X", ["n", 4])],
        [value("Y", ["n", 4])],
        [
            numpy_helper.from_array(np.array(0, np.int64), "first"),
            numpy_helper.from_array(np.array(1, np.int64), "one"),
            ints("axis", 1),
            number("oneF", 1.0),
        ],
    )


def trimmed_to_the_longest() -> ModelProto:
    """Cut to as many words as the row with the most has: mask and ids, as encoders do."""
    return made(
        [
            ("ReduceSum", ["mask", "last"], ["lengths"], {"keepdims": 0}),
            ("ReduceMax", ["lengths", "first"], ["longest"], {"keepdims": 1}),
            ("Slice", ["ids", "first", "longest", "last"], ["cut"], {}),
            ("Cast", ["cut"], ["Y"], {"to": TensorProto.FLOAT}),
        ],
        [value("ids", ["n", "words"], INT64), value("mask", ["n", "words"], INT64)],
        [value("Y", ["n", "left"])],
        [ints("last", 1), ints("first", 0)],
    )


def suppressed() -> ModelProto:
    """NonMaxSuppression: as many rows as boxes are left."""
    return made(
        [
            ("NonMaxSuppression", ["boxes", "scores", "most"], ["kept"], {}),
            ("Cast", ["kept"], ["Y"], {"to": TensorProto.FLOAT}),
        ],
        [value("boxes", ["n", "k", 4]), value("scores", ["n", "classes", "k"])],
        [value("Y", ["left", 3])],
        [ints("most", 3)],
    )


def above_the_mean() -> ModelProto:
    """A flag: larger than the mean of all rows."""
    return made(
        [
            ("ReduceMean", ["X", "zero"], ["m"], {"keepdims": 1}),
            ("Greater", ["X", "m"], ["Y"], {}),
        ],
        [value("X", ["n", 2])],
        [value("Y", ["n", 2], TensorProto.BOOL)],
        [ints("zero", 0)],
    )


def only_wide() -> ModelProto:
    """Centred by the mean of the rows, but only where a row has more than six numbers."""
    centre = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["X", "zero"], ["m"], keepdims=1),
            helper.make_node("Sub", ["X", "m"], ["A"]),
        ],
        "wide",
        [],
        [value("A", ["n", "w"])],
    )
    same = helper.make_graph(
        [helper.make_node("Identity", ["X"], ["B"])], "narrow", [], [value("B", ["n", "w"])]
    )
    return made(
        [
            ("Shape", ["X"], ["s"], {"start": 1, "end": 2}),
            ("Squeeze", ["s"], ["k"], {}),
            ("Greater", ["k", "six"], ["wide"], {}),
            ("If", ["wide"], ["Y"], {"then_branch": centre, "else_branch": same}),
        ],
        [value("X", ["n", "w"])],
        [value("Y", ["n", "w"])],
        [ints("zero", 0), numpy_helper.from_array(np.array(6, np.int64), "six")],
    )


def divides() -> ModelProto:
    """Y = -2^31 / (2 X - 1) of whole numbers: X = 0 ends the process."""
    return made(
        [
            ("Add", ["X", "X"], ["d"], {}),
            ("Sub", ["d", "one"], ["o"], {}),
            ("Div", ["least", "o"], ["Y"], {}),
        ],
        [value("X", ["n", 1], TensorProto.INT32)],
        [value("Y", ["n", 1], TensorProto.INT32)],
        [
            numpy_helper.from_array(np.array([-(2**31)], np.int32), "least"),
            numpy_helper.from_array(np.array([1], np.int32), "one"),
        ],
    )


class Trap(NamedTuple):
    """A model that is not to be batched, and a part of the reason."""

    make: Callable[[], ModelProto]
    reason: str


TRAPS = (
    Trap(table_beside, "output 'Y', shape"),
    Trap(bias_of_all, "a row in a batch of 2 is not answered as alone: output 'Y'"),
    Trap(second_output, "output 'Z'"),
    Trap(turned, "output 'Y' has first dimension"),
    Trap(random_rows, "not the same when the same row is run again"),
    Trap(always_the_same, "was the same for every row that was tried"),
    Trap(a_little_of_all, "output 'Y'"),
    Trap(by_place, "output 'Y'"),
    Trap(trimmed_to_the_longest, "output 'Y', shape"),
    Trap(suppressed, "output 'Y'"),
    Trap(above_the_mean, "output 'Y'"),
    Trap(only_wide, "output 'Y'"),
    Trap(divides, "the trial of its rows did not come to its end"),
)
