"""Whatever the DAG, the order of ends and the deaths of its owners: all is run once, in order."""

import copy
import math
import random

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.scheduler.jobs.dag.machine import DagMachine, Facts, Look, fresh
from hasten_policy.scheduler.jobs.dag.plan import (
    Comparison,
    Condition,
    Plan,
    Source,
    Split,
    Step,
    StepInput,
)
from hasten_policy.scheduler.jobs.dag.progress import Progress, StepState
from hasten_policy.scheduler.jobs.events import (
    Ask,
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    Told,
    Wanted,
    Write,
)
from tests.unit.policy_jobs.plans import ROWS

ROWS_OF_ALL = 7


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 8))):
        names = [each.name for each in steps]
        choices = (
            st.lists(st.sampled_from(names), unique=True, max_size=3) if names else st.just([])
        )
        before = draw(choices)
        conditions = draw(choices)
        split = draw(st.sampled_from([None, None, Split(3, 0), Split(0, 2, best_effort=True)]))
        sources = tuple(Source(each, "y") for each in before) or (Source("", "x"),)
        inputs = [StepInput("x", (source,), split is not None) for source in sources]
        when = tuple(Condition(Source(each, "y"), Comparison.GT, 0.0) for each in conditions)
        steps.append(Step(f"s{number}", "m", tuple(inputs), when=when, split=split))
    return Plan(tuple(steps), {"x": ROWS}, {"o": (Source(steps[-1].name, "y"),)})


class Store:
    """Tasks by key, found again; the body of the newest write."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.body = copy.deepcopy(fresh(plan))
        self.open: list[str] = []
        self.ended: list[str] = []
        self._random = random.Random(seed)

    def live(self) -> bool:
        """One owner, until the DAG has ended (True) or the owner has."""
        progress: Progress = copy.deepcopy(self.body)
        machine = DagMachine(self.plan, progress, created_s=0.0, due_s=math.inf)
        events: list[JobEvent] = [Started(Wanted.ACTIVE)]
        while True:
            while events:
                events += self._carry_out(machine, events.pop(0), progress)
            if self.body.ended:
                return True
            assert self.open, "nothing runs, and the DAG has not ended"
            if self._random.random() < 0.3:
                return False
            key = self.open.pop(self._random.randrange(len(self.open)))
            self.ended.append(key)
            # Its end may be lost with the owner.
            if self._random.random() < 0.2:
                return False
            events.append(TaskEnded(key))

    def _carry_out(
        self, machine: DagMachine, event: JobEvent, progress: Progress
    ) -> list[JobEvent]:
        more: list[JobEvent] = []
        for effect in machine.on(event, now_s=1.0):
            if isinstance(effect, SubmitTasks):
                for wish in effect.tasks:
                    if wish.key in self.ended:
                        more.append(TaskEnded(wish.key))
                    elif wish.key not in self.open:
                        self._check_ready(wish.key)
                        self.open.append(wish.key)
            elif isinstance(effect, Ask):
                assert isinstance(effect.what, Look)
                holds = int(effect.what.step[1:]) % 3 > 0
                more.append(Told(effect.what, Facts(holds, ROWS_OF_ALL)))
            elif isinstance(effect, Write):
                self.body = copy.deepcopy(progress)
        return more

    def _check_ready(self, key: str) -> None:
        name = key.rpartition("/")[0]
        (step,) = [each for each in self.plan.steps if each.name == name]
        for before in step.before():
            assert all(not each.startswith(f"{before}/") for each in self.open), key


@given(plans(), st.integers(0, 2**32))
def test_every_dag_ends_with_each_task_run_once_whatever_dies(plan: Plan, seed: int) -> None:
    store = Store(plan, seed)
    for _ in range(1000):
        if store.live():
            break
    assert store.body.ended == "done"
    assert len(set(store.ended)) == len(store.ended)
    expected = {
        f"{name}/{part}"
        for name, step in store.body.steps.items()
        if step.state is StepState.DONE
        for part in range(len(step.parts))
    }
    assert set(store.ended) == expected
    states = {step.state for step in store.body.steps.values()}
    assert states <= {StepState.DONE, StepState.SKIPPED}
