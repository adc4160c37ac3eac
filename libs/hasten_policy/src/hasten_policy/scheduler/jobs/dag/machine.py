"""The machine of a DAG: which steps begin, and how the whole ends."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.inheritance import inherited
from hasten_policy.scheduler.jobs.dag.plan import PARTS_MAX, How, Plan, Step
from hasten_policy.scheduler.jobs.dag.progress import Part, Progress, StepProgress, StepState
from hasten_policy.scheduler.jobs.events import (
    Ask,
    CancelTasks,
    JobEffect,
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    TaskWish,
    TimerCame,
    Told,
    WakeAt,
    Wanted,
    Write,
)

JOIN: Final = "join"
"""Part of a step's key that names the task of its joining model."""
FAILURES_KEPT: Final = 8
"""Parts whose failures are kept: the body has room for so many, however long they are."""
_CANCELLED: Final = Refusal(Reason.CANCELLED, "the DAG was cancelled")
_LATE: Final = Refusal(Reason.DEADLINE_PASSED, "the DAG's deadline came before its end")


@dataclass(frozen=True, slots=True)
class Look:
    """Asks what a step is about to be given; answered with Facts."""

    step: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a step is about to be given.

    Attributes:
        holds: All its conditions hold.
        rows: Of the inputs that are split; 0 where none is.
        refusal: Why it cannot be told: the step fails.
    """

    holds: bool
    rows: int
    refusal: Refusal | None = None


def key_of(step: str, part: int | str) -> str:
    """The key of a step's task."""
    return f"{step}/{part}"


class DagMachine:
    """Drives one DAG. A step begins when all that it waits for has ended; the first step that fails
    ends the DAG, and so does its deadline.

    Args:
        plan: Checked.
        progress: Where to go on from; changed in place.
        created_s: When the DAG was accepted.
        due_s: Its deadline; math.inf for none.
    """

    def __init__(self, plan: Plan, progress: Progress, *, created_s: float, due_s: float) -> None:
        self.progress = progress
        self._steps = {step.name: step for step in plan.steps}
        self._due_s = due_s
        self._asked: set[str] = set()
        self._inherited = inherited(plan, created_s=created_s, due_s=due_s)

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        """What happens now."""
        if self.progress.ended:
            # It ended while others of the same moment were still to be told.
            return ()
        if isinstance(event, Started):
            return self._started(event.wanted, now_s)
        if isinstance(event, TaskEnded):
            return self._task_ended(event, now_s)
        if isinstance(event, TimerCame):
            return self._end("failed", _LATE, now_s)
        return self._told(event, now_s)

    def wish(self, step: str, part: int | str) -> TaskWish:
        """A step's task, with the deadline and class that it inherits."""
        inherited = self._inherited
        return TaskWish(key_of(step, part), inherited.due_s(step), inherited.priority(step))

    # --- events -----------------------------------------------------------------------------

    def _started(self, wanted: Wanted, now_s: float) -> list[JobEffect]:
        if wanted is Wanted.CANCELLED:
            return self._end("cancelled", _CANCELLED, now_s)
        if now_s >= self._due_s:
            return self._end("failed", _LATE, now_s)
        effects: list[JobEffect] = []
        if self._due_s < math.inf:
            effects.append(WakeAt(self._due_s))
        wishes = tuple(self.wish(step, part) for step, part in self._open_tasks())
        if wishes:
            effects.append(SubmitTasks(wishes))
        return effects + self._advance(now_s)

    def _told(self, told: Told, now_s: float) -> list[JobEffect]:
        look, facts = told.what, told.answer
        assert isinstance(look, Look)  # noqa: S101  (nothing else was asked)
        assert isinstance(facts, Facts)  # noqa: S101
        step = self._steps[look.step]
        if facts.refusal is not None:
            return self._fail(step.name, facts.refusal, now_s)
        if not facts.holds:
            self._close(step.name, StepState.SKIPPED, now_s)
            return [*self._advance(now_s), Write()]
        count = step.split.count(facts.rows) if step.split else 1
        before = sum(len(each.parts) for each in self.progress.steps.values())
        if before + count > PARTS_MAX:
            refusal = Refusal(
                Reason.BATCH_TOO_LARGE,
                f"with the {count} parts of step {step.name!r} the DAG would have more than "
                f"{PARTS_MAX}",
            )
            return self._fail(step.name, refusal, now_s)
        return self._begin(step, count, now_s)

    def _task_ended(self, event: TaskEnded, now_s: float) -> list[JobEffect]:
        name, _, part = event.task.rpartition("/")
        step = self.progress.steps[name]
        if part == JOIN:
            if step.state is not StepState.JOINING:
                return []
            if event.refusal is not None:
                return self._fail(name, event.refusal, now_s)
            return self._done(name, now_s)
        ended = step.parts[int(part)]
        if ended.state.ended:
            return []
        ended.state = StepState.DONE if event.refusal is None else StepState.FAILED
        if self._failures() < FAILURES_KEPT:
            ended.refusal = event.refusal
        return self._part_ended(self._steps[name], step, event.refusal, now_s)

    def _part_ended(
        self, step: Step, progress: StepProgress, refusal: Refusal | None, now_s: float
    ) -> list[JobEffect]:
        split = step.split
        if refusal is not None and not (split and split.best_effort):
            return self._fail(step.name, refusal, now_s)
        if not all(part.state.ended for part in progress.parts):
            return [Write()]
        if refusal and not any(part.state is StepState.DONE for part in progress.parts):
            first = next((part.refusal for part in progress.parts if part.refusal), refusal)
            return self._fail(step.name, first, now_s)
        if split and split.join.how is How.MODEL:
            progress.state = StepState.JOINING
            return [Write(), SubmitTasks((self.wish(step.name, JOIN),))]
        return self._done(step.name, now_s)

    def _failures(self) -> int:
        steps = self.progress.steps.values()
        return sum(part.refusal is not None for step in steps for part in step.parts)

    # --- steps ------------------------------------------------------------------------------

    def _advance(self, now_s: float) -> list[JobEffect]:
        """Begins what can begin, and ends the DAG when nothing is left."""
        effects: list[JobEffect] = []
        changed = True
        while changed:
            changed = False
            for step in self._ready():
                if not self._is_fed(step):
                    self._close(step.name, StepState.SKIPPED, now_s)
                    changed = True
                elif step.when or step.split:
                    if step.name not in self._asked:
                        self._asked.add(step.name)
                        effects.append(Ask(Look(step.name)))
                else:
                    effects += self._begin(step, 1, now_s)
        if all(step.state.ended for step in self.progress.steps.values()):
            self.progress.ended, self.progress.ended_s = "done", now_s
            effects.append(Write("done"))
        return effects

    def _ready(self) -> list[Step]:
        states = {name: step.state for name, step in self.progress.steps.items()}
        return [
            step
            for name, step in self._steps.items()
            if states[name] is StepState.PENDING
            and all(states[before].ended for before in step.before())
        ]

    def _is_fed(self, step: Step) -> bool:
        """Nothing that it cannot do without was skipped."""
        given = self._given
        fed = all(any(given(source.step) for source in each.sources) for each in step.inputs)
        return fed and all(given(condition.source.step) for condition in step.when)

    def _given(self, step: str) -> bool:
        return not step or self.progress.steps[step].state is StepState.DONE

    def _begin(self, step: Step, count: int, now_s: float) -> list[JobEffect]:
        progress = self.progress.steps[step.name]
        progress.state, progress.begun_s = StepState.RUNNING, now_s
        progress.parts = [Part() for _ in range(count)]
        # Written first: who cancels the DAG meanwhile then finds what there is to cancel.
        return [Write(), SubmitTasks(tuple(self.wish(step.name, part) for part in range(count)))]

    def _done(self, name: str, now_s: float) -> list[JobEffect]:
        self._close(name, StepState.DONE, now_s)
        return [*self._advance(now_s), Write(self.progress.ended)]

    def _close(self, name: str, state: StepState, now_s: float) -> None:
        progress = self.progress.steps[name]
        progress.state, progress.ended_s = state, now_s

    # --- the end ----------------------------------------------------------------------------

    def _fail(self, name: str, refusal: Refusal, now_s: float) -> list[JobEffect]:
        progress = self.progress.steps[name]
        running = self._open_tasks()
        self._close(name, StepState.FAILED, now_s)
        progress.refusal = refusal
        self.progress.failed_step = name
        return self._end("failed", refusal, now_s, running)

    def _end(
        self,
        how: str,
        refusal: Refusal,
        now_s: float,
        running: list[tuple[str, int | str]] | None = None,
    ) -> list[JobEffect]:
        keys = tuple(key_of(*task) for task in (running or self._open_tasks()))
        for name, step in self.progress.steps.items():
            for part in step.parts:
                if not part.state.ended:
                    part.state = StepState.CANCELLED
            if not step.state.ended:
                self._close(name, StepState.CANCELLED, now_s)
        progress = self.progress
        progress.ended, progress.ended_s, progress.refusal = how, now_s, refusal
        return [CancelTasks(keys), Write(how)] if keys else [Write(how)]

    def _open_tasks(self) -> list[tuple[str, int | str]]:
        """Tasks that were submitted and have not ended, as steps and parts."""
        found: list[tuple[str, int | str]] = []
        for name, step in self.progress.steps.items():
            if step.state is StepState.RUNNING:
                found += [
                    (name, number) for number, part in enumerate(step.parts) if not part.state.ended
                ]
            elif step.state is StepState.JOINING:
                found.append((name, JOIN))
        return found


def fresh(plan: Plan) -> Progress:
    """A DAG of which nothing has run."""
    return Progress({step.name: StepProgress() for step in plan.steps})
