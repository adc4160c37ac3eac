"""Tensors are cut into rows and put together again, in numbers and in texts; progress is stored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.machine import FAILURES_KEPT
from hasten_policy.scheduler.jobs.dag.plan import (
    PARTS_MAX,
    STEPS_MAX,
    Comparison,
    Condition,
    How,
    Join,
    Source,
    Split,
)
from hasten_policy.scheduler.jobs.dag.progress import Part, Progress, StepProgress, StepState
from hasten_runtime.tasks.jobs import JOB_BYTES_MAX
from hasten_scheduler.dag.stored import progress_from_bytes, progress_to_bytes
from hasten_scheduler.dag.tensors import Tensor, concatenated, holds, joined, outputs_of

SOURCE = Source("a", "y")


def floats(*rows: list[float]) -> Tensor:
    array = np.array(rows, "<f4")
    return Tensor("FP32", array.shape, array.tobytes())


def texts(*rows: list[bytes]) -> Tensor:
    content = b"".join(len(text).to_bytes(4, "little") + text for row in rows for text in row)
    return Tensor("BYTES", (len(rows), len(rows[0])), content)


@given(
    st.lists(st.lists(st.binary(max_size=3), min_size=2, max_size=2), min_size=1, max_size=9),
    st.integers(1, 10),
)
def test_what_is_cut_and_put_together_is_the_same(rows: list[list[bytes]], parts: int) -> None:
    split = Split(0, parts)
    for whole in (texts(*rows), floats(*([float(len(b)) for b in row] for row in rows))):
        assert whole.check() == ""
        cuts = [
            whole.cut(*split.bounds(part, whole.rows)) for part in range(split.count(whole.rows))
        ]
        assert all(cut.check() == "" for cut in cuts)
        assert concatenated(cuts) == whole
        assert b"".join(whole.each_row()) == whole.content


@pytest.mark.parametrize(
    ("comparison", "value", "every", "met"),
    [
        (Comparison.GT, 2.5, False, True),
        (Comparison.GT, 2.5, True, False),
        (Comparison.GE, 1.0, True, True),
        (Comparison.LT, 1.0, False, False),
        (Comparison.LE, 3.0, True, True),
        (Comparison.EQ, 2.0, False, True),
        (Comparison.NE, 2.0, True, False),
    ],
)
def test_conditions(comparison: Comparison, value: float, *, every: bool, met: bool) -> None:
    assert holds(Condition(SOURCE, comparison, value, every), floats([1, 2, 3])) is met


def test_a_condition_on_nothing_holds_only_for_every() -> None:
    nothing = Tensor("FP32", (0, 2), b"")
    assert not holds(Condition(SOURCE, Comparison.GT, 0.0), nothing)
    assert holds(Condition(SOURCE, Comparison.GT, 0.0, every=True), nothing)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_the_mean_is_that_of_numpy(dtype: str) -> None:
    array = np.random.default_rng(1).standard_normal((7, 2, 3)).astype(dtype)
    name = f"FP{8 * array.itemsize}"
    parts = [{"y": Tensor(name, each.shape, each.tobytes())} for each in (array[:2], array[2:])]
    mean = joined(Join(How.MEAN), parts)["y"]
    assert mean.shape == (1, 2, 3)
    wanted = array.astype("f8").mean(axis=0).astype(dtype)
    assert np.allclose(np.frombuffer(mean.content, dtype).reshape(2, 3), wanted, rtol=1e-3)


def test_votes_are_counted_and_the_first_wins_a_tie() -> None:
    parts = [{"y": texts([b"b"], [b"a"])}, {"y": texts([b"a"], [b"b"])}]
    assert joined(Join(How.VOTE), parts)["y"] == texts([b"b"])


def test_the_top_is_in_order_and_equals_stay_as_they_came() -> None:
    parts = [
        {"score": floats([1], [3]), "name": texts([b"p"], [b"q"])},
        {"score": floats([3], [2]), "name": texts([b"r"], [b"s"])},
    ]
    top = joined(Join(How.TOP_K, k=3, by="score"), parts)
    assert top == {"score": floats([3], [3], [2]), "name": texts([b"q"], [b"r"], [b"s"])}


@pytest.mark.parametrize(
    "bad",
    [
        [{"y": floats([1.0])}, {"y": floats([1.0, 2.0])}],
        [{"y": floats([1.0])}, {"y": texts([b"1"])}],
    ],
)
def test_rows_that_do_not_fit_each_other_are_not_joined(bad: list[dict[str, Tensor]]) -> None:
    with pytest.raises(ValueError, match="cannot be joined"):
        joined(Join(), bad)


def test_what_orders_rows_has_one_value_a_row() -> None:
    with pytest.raises(ValueError, match="one value a row"):
        joined(Join(How.TOP_K, k=1, by="y"), [{"y": floats([1, 2])}])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (Tensor("FP32", (2,), b"1234"), "8 bytes"),
        (Tensor("FP31", (1,), b"1234"), "no datatype"),
        (Tensor("FP32", (-1,), b""), "no shape"),
        (Tensor("BYTES", (2,), b"\x01\x00\x00\x00a"), "2 texts"),
        (Tensor("BYTES", (1,), b"\x09\x00\x00\x00a"), "cut off"),
        (Tensor("BYTES", (1,), b"\x00"), "cut off"),
    ],
)
def test_contents_that_do_not_fit_are_found(bad: Tensor, says: str) -> None:
    assert says in bad.check()


def test_an_answer_without_contents_is_no_answer() -> None:
    from hasten.inference.v2 import inference_pb2 as infer_pb

    response = infer_pb.ModelInferResponse()
    response.outputs.add(name="y", datatype="FP32", shape=[1])
    with pytest.raises(ValueError, match="without the contents"):
        outputs_of(response.SerializeToString())


def test_the_largest_progress_fits_into_a_job() -> None:
    long = Refusal(
        Reason.MODEL_FAILED, "x" * 2000, metadata=tuple((f"k{n}", "v" * 300) for n in range(12))
    )
    steps = {
        f"{'s' * 29}{number:03}": StepProgress(
            StepState.FAILED, [], 1.7e9, 1.7e9, long if number == 0 else None
        )
        for number in range(STEPS_MAX)
    }
    most = next(iter(steps.values()))
    most.parts = [
        Part(StepState.FAILED, long if number < FAILURES_KEPT else None)
        for number in range(PARTS_MAX)
    ]
    body = progress_to_bytes(Progress(steps, "failed", 1.7e9, long, next(iter(steps))))
    assert len(body) <= JOB_BYTES_MAX
    assert progress_from_bytes(body).steps == steps
