"""Models loaded anew at random while calls wait: nothing remembers what the old one said."""

from copy import deepcopy

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hasten_policy.load import ModelSpec
from hasten_policy.reasons import Reason
from hasten_policy.worker.events import (
    BatchEnded,
    ModelOpened,
    StartBatch,
    WorkerEffect,
    WorkerEvent,
)
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from tests.property.policy_worker.draws import SIZES, from_scratch_s
from tests.unit.policy_worker.harness import call, model, profile, refusals, report_of

POLICY = WorkerPolicy(lanes=1)
NAMES = ("a", "b")


def spec_of(name: str, batch_max: int, each_s: float) -> ModelSpec:
    """A model of so many seconds, and a tenth of it for each row."""
    told = profile(lambda rows: each_s * (1.0 + 0.1 * rows), batch_max)
    return model(name, batch_max=batch_max, profile=told)


specs = st.builds(
    spec_of,
    name=st.sampled_from(NAMES),
    batch_max=st.sampled_from([1, 8, 32]),
    each_s=st.sampled_from([0.0001, 0.01, 0.1]),
)


def forget(machine: WorkerMachine) -> None:
    """Drops whatever the machine keeps of what it computed before."""
    for state in machine._book.models.values():
        state.predictor._curves.clear()
        state.predictor._factors.clear()
    for queue in machine._batcher._queues.values():
        queue._clear_curve = None


class Reloads(RuleBasedStateMachine):
    """Calls that wait behind a batch while their model is loaded anew, faster or slower."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = WorkerMachine(POLICY)
        self.now_s = 1.0
        self.next_id = 1
        self.running: dict[int, float] = {}

    @initialize(each_s=st.sampled_from([0.01, 0.1]))
    def begin(self, each_s: float) -> None:
        for name in NAMES:
            self.send(ModelOpened(spec_of(name, 32, each_s)))

    @rule(spec=specs)
    def reload(self, spec: ModelSpec) -> None:
        self.send(ModelOpened(spec))

    @rule(
        key=st.sampled_from([f"{name}/1" for name in NAMES]),
        hurry=st.lists(st.floats(0.005, 3.0), min_size=1, max_size=6),
        shape_key=st.integers(0, 1),
    )
    def arrive(self, key: str, hurry: list[float], shape_key: int) -> None:
        for left_s in hurry:
            event = call(
                self.next_id,
                left_s,
                model_key=key,
                shape_key=shape_key,
                elements=SIZES[shape_key],
            )
            self.next_id += 1
            backlog_s = from_scratch_s(self.machine, self.now_s)
            own_s = self.machine.predictor(key).typical_s(32, SIZES[shape_key])
            effects = self.send(event)
            if refusals(effects).get(event.call_id) is Reason.OVERLOADED:
                # Two full batches of its own after all that waits and runs would not be in time.
                assert backlog_s + 2.0 * own_s + 0.021 > left_s

    @precondition(lambda self: self.running)
    @rule(times=st.sampled_from([0.5, 1.0, 1.0, 3.0]))
    def end(self, times: float) -> None:
        batch_id, expected_s = next(iter(self.running.items()))
        took_s = times * expected_s
        self.now_s += took_s
        del self.running[batch_id]
        self.send(BatchEnded(batch_id, took_s))

    def send(self, event: WorkerEvent) -> list[WorkerEffect]:
        other = deepcopy(self.machine)
        forget(other)
        effects = self.machine.on(event, now_s=self.now_s)
        assert other.on(event, now_s=self.now_s) == effects
        forget(other)
        told = report_of(self.machine, 1, now_s=self.now_s)
        assert told == report_of(other, 1, now_s=self.now_s)
        wanted_s = from_scratch_s(self.machine, self.now_s)
        assert abs(told.load.backlog_s - wanted_s) <= 1e-9 * wanted_s
        for effect in effects:
            if isinstance(effect, StartBatch):
                self.running[effect.batch_id] = effect.expected_s
        return effects


Reloads.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestReloads = Reloads.TestCase
