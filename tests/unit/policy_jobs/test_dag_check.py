"""What is wrong with a DAG is said before anything of it is stored."""

from dataclasses import replace

import pytest

from hasten_policy.reasons import Reason
from hasten_policy.scheduler.jobs.dag.check import check, check_graph
from hasten_policy.scheduler.jobs.dag.plan import (
    PARTS_MAX,
    Comparison,
    Condition,
    How,
    Join,
    Plan,
    Source,
    Split,
    Step,
    StepInput,
    TensorSpec,
)
from tests.unit.policy_jobs.plans import MODELS, ROWS, plan, step


def split(**join: object) -> Split:
    return Split(0, 2, Join(**join))  # type: ignore[arg-type]


def when(tensor: str) -> Condition:
    return Condition(Source("a", tensor), Comparison.GT, 0.5)


GOOD = {
    "one step": plan(step("a")),
    "a chain": plan(step("b", "a"), step("a")),
    "fan-out and fan-in": plan(step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")),
    "a condition": plan(step("a"), step("b", "a", when=(when("label"),))),
    "split": plan(step("a", split=split())),
    "the mean of parts": plan(step("a", split=split(how=How.MEAN)), step("b", "a")),
    "votes": Plan(
        (step("a", split=split(how=How.VOTE)),), {"x": ROWS}, {"o": (Source("a", "label"),)}
    ),
    "the top": plan(step("a", split=split(how=How.TOP_K, k=3, by="label"))),
    "joined by a model": plan(
        Step("a", "pair", (StepInput("a", (Source("", "x"),)), StepInput("b", (Source("", "x"),)))),
        step("b", "a"),
    ),
}

CIRCLE = plan(step("a", "c"), step("b", "a"), step("c", "b"))
BAD: dict[str, tuple[Plan, Reason, str]] = {
    "no steps": (Plan((), {}, {"y": (Source("a", "y"),)}), Reason.INVALID_REQUEST, "steps"),
    "no outputs": (replace(plan(step("a")), outputs={}), Reason.INVALID_REQUEST, "outputs"),
    "too many": (plan(*(step(f"s{n}") for n in range(101))), Reason.INVALID_REQUEST, "100"),
    "a bad name": (plan(step("a/b")), Reason.INVALID_REQUEST, "a/b"),
    "two of a name": (plan(step("a"), step("a")), Reason.INVALID_REQUEST, "two steps"),
    "an unknown step": (plan(step("a", "z")), Reason.INVALID_REQUEST, "z"),
    "an unknown output's step": (plan(step("a"), outputs=("z",)), Reason.INVALID_REQUEST, "z"),
    "itself": (plan(step("a", "a")), Reason.DAG_CYCLE, "a -> a"),
    "a circle": (CIRCLE, Reason.DAG_CYCLE, " -> "),
    "an unknown output": (
        Plan((step("a"),), {"x": ROWS}, {"o": (Source("a", "q"),)}),
        Reason.OUTPUT_UNKNOWN,
        "label, y",
    ),
    "an unknown output as an input": (
        plan(step("a"), Step("b", "m", (StepInput("x", (Source("a", "q"),)),))),
        Reason.OUTPUT_UNKNOWN,
        "q",
    ),
    "an input that the DAG is not given": (
        replace(plan(step("a")), inputs={}),
        Reason.OUTPUT_UNKNOWN,
        "the DAG is given none",
    ),
    "an unknown input": (
        plan(Step("a", "m", (StepInput("z", (Source("", "x"),)),))),
        Reason.INPUT_UNKNOWN,
        "x, not 'z'",
    ),
    "a missing input": (
        plan(Step("a", "pair", (StepInput("a", (Source("", "x"),)),))),
        Reason.INPUT_MISSING,
        "'b'",
    ),
    "an input without a source": (
        plan(Step("a", "m", (StepInput("x", ()),))),
        Reason.INPUT_MISSING,
        "no source",
    ),
    "another type": (
        plan(step("a"), Step("b", "m", (StepInput("x", (Source("a", "label"),)),))),
        Reason.DTYPE_MISMATCH,
        "FP32 [-1, 4], not INT64 [-1, 1]",
    ),
    "another shape": (
        plan(step("a"), Step("b", "narrow", (StepInput("x", (Source("a", "y"),)),))),
        Reason.SHAPE_MISMATCH,
        "[1, 3]",
    ),
    "an input of another shape": (
        replace(plan(step("a")), inputs={"x": TensorSpec("FP32", (2, 5))}),
        Reason.SHAPE_MISMATCH,
        "[2, 5]",
    ),
    "a text in a condition": (
        Plan(
            (
                Step("a", "text", (StepInput("t", (Source("", "t"),)),)),
                step("b", when=(Condition(Source("a", "t"), Comparison.EQ, 1.0),)),
            ),
            {"x": ROWS, "t": TensorSpec("BYTES", (1,))},
            {"y": (Source("b", "y"),)},
        ),
        Reason.DTYPE_MISMATCH,
        "no numbers",
    ),
    "split into nothing": (
        plan(Step("a", "m", (StepInput("x", (Source("", "x"),)),), split=split())),
        Reason.INVALID_REQUEST,
        "none of its inputs",
    ),
    "the mean of whole numbers": (
        Plan((step("a", split=split(how=How.MEAN)),), {"x": ROWS}, {"o": (Source("a", "label"),)}),
        Reason.DTYPE_MISMATCH,
        "no mean",
    ),
    "a vote of fractions": (
        plan(step("a", split=split(how=How.VOTE))),
        Reason.DTYPE_MISMATCH,
        "no vote",
    ),
    "the top none": (
        plan(step("a", split=split(how=How.TOP_K, by="label"))),
        Reason.INVALID_REQUEST,
        "at least 1",
    ),
    "the top by nothing": (
        plan(step("a", split=split(how=How.TOP_K, k=1, by="z"))),
        Reason.OUTPUT_UNKNOWN,
        "'z'",
    ),
    "a joining model that wants more": (
        plan(step("a", split=split(how=How.MODEL, model="pair"))),
        Reason.INPUT_MISSING,
        "'a'",
    ),
    "too many parts": (
        replace(
            plan(step("a", split=Split(1, 0))),
            inputs={"x": TensorSpec("FP32", (PARTS_MAX + 1, 4))},
        ),
        Reason.BATCH_TOO_LARGE,
        str(PARTS_MAX),
    ),
}


@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD.keys())
def test_what_can_be_run_is_taken(good: Plan) -> None:
    assert check_graph(good) is None
    assert check(good, MODELS) is None


@pytest.mark.parametrize(("bad", "reason", "part"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_run_is_refused_with_its_reason(
    bad: Plan, reason: Reason, part: str
) -> None:
    refusal = check_graph(bad) or check(bad, MODELS)
    assert refusal is not None
    assert refusal.reason is reason
    assert part in refusal.message


@pytest.mark.parametrize(
    ("split_by", "rows", "bounds"),
    [
        (Split(2, 0), 5, [(0, 2), (2, 4), (4, 5)]),
        (Split(0, 2), 5, [(0, 2), (2, 5)]),
        (Split(0, 4), 3, [(0, 1), (1, 2), (2, 3)]),
        (Split(0, 3), 0, [(0, 0)]),
        (Split(3, 0), 0, [(0, 0)]),
        (Split(0, 2, rows_max=2), 5, [(0, 1), (1, 3), (3, 5)]),
        (Split(0, 2, rows_max=4), 5, [(0, 2), (2, 5)]),
        (Split(3, 0, rows_max=2), 5, [(0, 2), (2, 4), (4, 5)]),
    ],
)
def test_parts_have_all_rows_in_order(
    split_by: Split, rows: int, bounds: list[tuple[int, int]]
) -> None:
    assert [split_by.bounds(part, rows) for part in range(split_by.count(rows))] == bounds
