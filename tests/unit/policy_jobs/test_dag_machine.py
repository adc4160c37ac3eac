"""How a DAG's machine begins steps and ends."""

import math
from collections.abc import Iterable

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.inheritance import NET_S
from hasten_policy.scheduler.jobs.dag.machine import FAILURES_KEPT, DagMachine, Facts, Look, fresh
from hasten_policy.scheduler.jobs.dag.plan import (
    Comparison,
    Condition,
    How,
    Join,
    Plan,
    Source,
    Split,
    Step,
    StepInput,
)
from hasten_policy.scheduler.jobs.dag.progress import StepState
from hasten_policy.scheduler.jobs.events import (
    Ask,
    CancelTasks,
    JobEffect,
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    TimerCame,
    Told,
    WakeAt,
    Wanted,
    Write,
)
from tests.unit.policy_jobs.plans import plan, step

FAILED = Refusal(Reason.MODEL_FAILED, "it failed")
GATE = Condition(Source("a", "y"), Comparison.GT, 0.5)


class Driven:
    """A machine, and what it said last."""

    def __init__(self, made: Plan, *, due_s: float = math.inf) -> None:
        self.machine = DagMachine(made, fresh(made), created_s=100.0, due_s=due_s)
        self.said: list[JobEffect] = []
        self.tell(Started(Wanted.ACTIVE))

    def tell(self, event: JobEvent, now_s: float = 100.0) -> None:
        self.said = list(self.machine.on(event, now_s=now_s))

    def done(self, *keys: str) -> None:
        for key in keys:
            self.tell(TaskEnded(key))

    def look(self, name: str, *, holds: bool = True, rows: int = 0) -> None:
        self.tell(Told(Look(name), Facts(holds, rows)))

    @property
    def submitted(self) -> list[str]:
        wishes = [each.tasks for each in self.said if isinstance(each, SubmitTasks)]
        return [wish.key for tasks in wishes for wish in tasks]

    @property
    def ended(self) -> str:
        return next((each.ended for each in reversed(self.said) if isinstance(each, Write)), "")

    def states(self) -> dict[str, StepState]:
        return {name: each.state for name, each in self.machine.progress.steps.items()}


def of(effects: Iterable[JobEffect], kind: type) -> list[object]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_steps_begin_when_all_before_them_have_ended() -> None:
    driven = Driven(plan(step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")))
    assert driven.submitted == ["a/0"]
    driven.done("a/0")
    assert driven.submitted == ["b/0", "c/0"]
    driven.done("b/0")
    assert driven.submitted == []
    driven.done("c/0")
    assert driven.submitted == ["d/0"]
    driven.done("d/0")
    assert driven.ended == "done"
    driven.done("d/0")
    assert driven.said == []


def test_a_step_whose_condition_does_not_hold_is_skipped_and_what_needs_it() -> None:
    driven = Driven(plan(step("a"), step("b", "a", when=(GATE,)), step("c", "b"), step("d", "a")))
    driven.done("a/0")
    assert of(driven.said, Ask) == [Ask(Look("b"))]
    assert driven.submitted == ["d/0"]
    driven.look("b", holds=False)
    assert driven.states()["c"] is StepState.SKIPPED
    driven.done("d/0")
    assert driven.ended == "done"


def test_an_input_comes_from_the_first_step_that_was_not_skipped() -> None:
    either = Step("e", "m", (StepInput("x", (Source("b", "y"), Source("c", "y"))),))
    driven = Driven(plan(step("a"), step("b", "a", when=(GATE,)), step("c", "a"), either))
    driven.done("a/0")
    driven.look("b", holds=False)
    driven.done("c/0")
    assert driven.submitted == ["e/0"]


def test_a_failed_step_ends_the_dag_and_its_other_tasks() -> None:
    driven = Driven(plan(step("a"), step("b"), step("c", "a", "b")))
    driven.tell(TaskEnded("a/0", FAILED))
    assert driven.said == [CancelTasks(("b/0",)), Write("failed")]
    progress = driven.machine.progress
    assert (progress.failed_step, progress.refusal) == ("a", FAILED)
    assert driven.states() == {
        "a": StepState.FAILED,
        "b": StepState.CANCELLED,
        "c": StepState.CANCELLED,
    }


def test_parts_are_submitted_and_joined() -> None:
    driven = Driven(plan(step("a", split=Split(2, 0)), step("b", "a")))
    assert driven.said == [Ask(Look("a"))]
    driven.look("a", rows=5)
    assert driven.submitted == ["a/0", "a/1", "a/2"]
    driven.done("a/2", "a/0")
    assert driven.submitted == []
    driven.done("a/1")
    assert driven.submitted == ["b/0"]


def test_all_parts_must_succeed_unless_best_effort() -> None:
    driven = Driven(plan(step("a", split=Split(0, 3))))
    driven.look("a", rows=9)
    driven.tell(TaskEnded("a/1", FAILED))
    assert driven.said == [CancelTasks(("a/0", "a/2")), Write("failed")]

    best = Driven(plan(step("a", split=Split(0, 3, best_effort=True)), step("b", "a")))
    best.look("a", rows=9)
    best.tell(TaskEnded("a/1", FAILED))
    best.done("a/0", "a/2")
    assert best.submitted == ["b/0"]
    assert best.machine.progress.steps["a"].parts[1].refusal == FAILED


def test_best_effort_needs_one_part() -> None:
    driven = Driven(plan(step("a", split=Split(0, 2, best_effort=True))))
    driven.look("a", rows=2)
    driven.tell(TaskEnded("a/1", FAILED))
    driven.tell(TaskEnded("a/0", FAILED))
    assert driven.ended == "failed"


def test_a_model_joins_parts() -> None:
    driven = Driven(plan(step("a", split=Split(0, 2, Join(How.MODEL, model="m"))), step("b", "a")))
    driven.look("a", rows=2)
    driven.done("a/0", "a/1")
    assert driven.submitted == ["a/join"]
    driven.done("a/join")
    assert driven.submitted == ["b/0"]


def test_too_many_parts_fail_the_step() -> None:
    driven = Driven(plan(step("a", split=Split(1, 0))))
    driven.look("a", rows=1001)
    assert driven.ended == "failed"


def test_what_cannot_be_looked_at_fails_the_step() -> None:
    driven = Driven(plan(step("a", split=Split(1, 0))))
    driven.tell(Told(Look("a"), Facts(holds=True, rows=0, refusal=FAILED)))
    assert driven.ended == "failed"


def test_deadline_and_class_are_inherited() -> None:
    urgent = step("c", "b", priority=0, predicted_s=1.0)
    made = plan(step("a", predicted_s=2.0), step("b", "a", due_in_s=50.0), urgent, step("d", "a"))
    driven = Driven(made, due_s=200.0)
    assert of(driven.said, WakeAt) == [WakeAt(200.0)]
    (submit,) = of(driven.said, SubmitTasks)
    assert isinstance(submit, SubmitTasks)
    (wish,) = submit.tasks
    assert (wish.priority, wish.deadline_s) == (0, 150.0 - NET_S)
    assert driven.machine.wish("d", 0).deadline_s == 200.0
    assert driven.machine.wish("b", 0).deadline_s == 150.0


def test_the_deadline_ends_a_dag() -> None:
    driven = Driven(plan(step("a")), due_s=200.0)
    driven.tell(TimerCame(), now_s=200.0)
    assert driven.said == [CancelTasks(("a/0",)), Write("failed")]
    assert driven.machine.progress.refusal is not None
    assert driven.machine.progress.refusal.reason is Reason.DEADLINE_PASSED


def test_a_dag_that_is_begun_again_late_ends() -> None:
    made = plan(step("a"))
    machine = DagMachine(made, fresh(made), created_s=0.0, due_s=5.0)
    assert list(machine.on(Started(Wanted.ACTIVE), now_s=6.0)) == [Write("failed")]


def test_a_cancelled_dag_ends_its_tasks() -> None:
    driven = Driven(plan(step("a"), step("b", "a")))
    driven.tell(Started(Wanted.CANCELLED))
    assert driven.said == [CancelTasks(("a/0",)), Write("cancelled")]


def test_a_dag_has_so_many_parts_in_all_and_keeps_so_many_failures() -> None:
    rows = Split(1, 0, best_effort=True)
    driven = Driven(plan(step("a", split=rows), step("b", "a", split=rows)))
    driven.look("a", rows=600)
    for number in range(599):
        driven.tell(TaskEnded(f"a/{number}", FAILED))
    driven.done("a/599")
    parts = driven.machine.progress.steps["a"].parts
    assert sum(part.refusal is not None for part in parts) == FAILURES_KEPT
    assert sum(part.state is StepState.FAILED for part in parts) == 599
    driven.look("b", rows=401)
    assert driven.ended == "failed"
