"""Whatever happens to a worker, its machine keeps its promises."""

from dataclasses import replace
from math import inf
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hasten_policy.load import ModelSpec
from hasten_policy.reasons import Reason
from hasten_policy.timers import WakeAt, Woke
from hasten_policy.worker.events import (
    BatchEnded,
    CallArrived,
    CallCancelled,
    Deliver,
    DrainBegan,
    Drained,
    LinkClosed,
    LinkOpened,
    ModelClosed,
    ModelIdle,
    ModelOpened,
    Refuse,
    StartBatch,
    StopBatch,
    WorkerEffect,
    WorkerEvent,
)
from hasten_policy.worker.lanes import RunningBatch
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from tests.property.policy_worker.draws import (
    LINKS,
    MODELS,
    SIZES,
    arrivals,
    from_scratch_s,
    specs,
)
from tests.unit.policy_worker.harness import call as new_call
from tests.unit.policy_worker.harness import load_of, model

WAITING_MAX = 10
PENDING_PATIENCE_S = 0.3
POLICY = WorkerPolicy(
    lanes=2, waiting_max=WAITING_MAX, waiting_bytes_max=900, stop_patience_s=PENDING_PATIENCE_S
)


class Worker(RuleBasedStateMachine):
    """Sends any event at any time and checks every effect.

    Attributes:
        policy: Of the machine.
    """

    policy: ClassVar[WorkerPolicy] = POLICY

    def __init__(self) -> None:
        super().__init__()
        self.told = self.machine = WorkerMachine(self.policy)
        self.now_s = 100.0
        self.wake_s = inf
        self.log: list[tuple[float, WorkerEvent, list[WorkerEffect]]] = []
        self.open: dict[int, CallArrived] = {}
        self.deadline_s: dict[int, float] = {}
        self.running: dict[int, StartBatch] = {}
        self.started_s: dict[int, float] = {}
        self.stopped: set[int] = set()
        self.ended_ids: tuple[int, ...] = ()
        self.specs: dict[str, ModelSpec] = {}
        self.failed_together: set[int] = set()
        self.trials: set[int] = set()
        self.evidence: dict[str, list[tuple[float, int, float, float]]] = {}
        self.idle: set[str] = set()
        self.next_id = 1
        self.draining = False
        self.drained = 0

    # --- what is sent -----------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for key in MODELS:
            self.send(ModelOpened(model(key[0])))
        self.send(LinkOpened(1))

    @rule(spec=specs)
    def open_model(self, spec: ModelSpec) -> None:
        self.send(ModelOpened(spec))

    @precondition(lambda self: self.next_id % 4 == 0)
    @rule(key=st.sampled_from(MODELS))
    def close_model(self, key: str) -> None:
        self.send(ModelClosed(key))

    @rule(drawn=arrivals)
    def arrive(self, drawn: CallArrived) -> None:
        elements = drawn.rows * SIZES[drawn.shape_key]
        event = replace(drawn, call_id=self.next_id, elements=elements)
        self.next_id += 1
        self.open[event.call_id] = event
        idle = not (self.machine.waiting or self.running)
        if idle:
            self.trials.add(event.call_id)
        effects = self.send(event)
        accepted = self.machine._book.calls.get(event.call_id)
        if accepted is not None:
            self.deadline_s[event.call_id] = accepted.deadline_s
        if idle:
            self.check_idle(event, effects)

    def check_idle(self, event: CallArrived, effects: list[WorkerEffect]) -> None:
        """An idle worker starts what comes at once, or has evidence that it would be late."""
        refused = {effect.refusal.reason for effect in effects if isinstance(effect, Refuse)}
        if not refused:
            if self.policy.batching.rule != "deferral":
                assert any(isinstance(effect, StartBatch) for effect in effects)
            return
        if not refused & {Reason.DEADLINE_INFEASIBLE, Reason.OVERLOADED, Reason.SHED_BEFORE_START}:
            return
        assert refused == {Reason.DEADLINE_INFEASIBLE}
        left_s = event.time_left_s
        if left_s == inf:
            left_s = self.specs[event.model_key].default_timeout_s
        assert self.now_s + left_s <= self.now_s or any(
            took_s > left_s
            for at_s, rows, elements, took_s in self.evidence.get(event.model_key, ())
            if at_s > self.now_s - 1.0 and rows <= event.rows and elements <= event.elements
        )

    @rule(
        key=st.sampled_from(MODELS),
        hurry=st.lists(st.tuples(st.floats(0.02, 0.3), st.integers(0, 3)), min_size=3, max_size=12),
    )
    def burst(self, key: str, hurry: list[tuple[float, int]]) -> None:
        for left_s, priority in hurry:
            arrival = new_call(0, left_s, model_key=key, priority=priority, payload_bytes=1)
            self.arrive(arrival)

    @precondition(lambda self: self.running)
    @rule()
    def fail_the_largest_batch(self) -> None:
        batches = self.running.values()
        self.end(max(batches, key=lambda batch: len(batch.call_ids)).batch_id, failed=True)

    @rule(back=st.integers(1, 30))
    def cancel(self, back: int) -> None:
        call_id = max(0, self.next_id - back)
        self.open.pop(call_id, None)
        self.send(CallCancelled(call_id))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), after_s=st.floats(0.0, 0.05), failed=st.booleans())
    def end_batch(self, data: st.DataObject, after_s: float, failed: bool) -> None:
        batch_id = data.draw(st.sampled_from(sorted(self.running)))
        self.advance(after_s)
        if batch_id in self.running:
            self.end(batch_id, failed=failed)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), late_s=st.floats(1e-6, 0.05))
    def come_too_late_to_a_batch(self, data: st.DataObject, late_s: float) -> None:
        batch_id = data.draw(st.sampled_from(sorted(self.running)))
        begin_by_s = self.running[batch_id].begin_by_s
        if begin_by_s == inf:
            return
        self.now_s = max(self.now_s, begin_by_s + late_s)
        self.ended_ids = self.running.pop(batch_id).call_ids
        self.send(BatchEnded(batch_id, 0.0, begun=False))

    @rule(by_s=st.one_of(st.floats(0.0, 0.1), st.just(1.0)))
    def advance(self, by_s: float) -> None:
        until_s = self.now_s + by_s
        while self.wake_s <= until_s:
            self.now_s = max(self.now_s, self.wake_s)
            self.wake_s = inf
            self.send(Woke())
        self.now_s = until_s

    @rule(link=st.sampled_from(LINKS[1:]))
    def open_link(self, link: int) -> None:
        self.send(LinkOpened(link))

    @precondition(lambda self: self.next_id % 4 == 1)
    @rule(link=st.sampled_from(LINKS[1:]))
    def close_link(self, link: int) -> None:
        for call_id in [call_id for call_id, call in self.open.items() if call.link_id == link]:
            del self.open[call_id]
        self.send(LinkClosed(link))

    @precondition(lambda self: self.next_id > 40)
    @rule()
    def drain(self) -> None:
        self.draining = True
        self.send(DrainBegan())

    def end(self, batch_id: int, *, failed: bool) -> None:
        stopped = batch_id in self.stopped
        members = self.ended_ids = self.running.pop(batch_id).call_ids
        if failed and len(members) > 1:
            self.failed_together.update(members)
        took_s = self.now_s - self.started_s[batch_id]
        self.remember(self.machine._lanes._running[batch_id], took_s, failed and not stopped)
        # A run that was asked to stop may still succeed, or end only later.
        self.send(BatchEnded(batch_id, took_s, failed, stopped))

    def remember(self, batch: RunningBatch, took_s: float, failed: bool) -> None:
        """Keeps what was measured of a model that is still the same."""
        key = batch.model.spec.key
        if not failed and batch.predictor is batch.model.predictor:
            elements = batch.padded_rows * batch.size
            kept = self.evidence.setdefault(key, [])
            kept.append((self.now_s, batch.padded_rows, elements, max(took_s, 1e-6)))

    def send(self, event: WorkerEvent) -> list[WorkerEffect]:
        if isinstance(event, ModelOpened):
            self.specs[event.spec.key] = event.spec
            self.idle.discard(event.spec.key)
            self.evidence.pop(event.spec.key, None)
        effects = self.told.on(event, now_s=self.now_s)
        self.log.append((self.now_s, event, effects))
        for effect in effects:
            self.check(effect)
        return effects

    # --- what must come back ----------------------------------------------------------

    def check(self, effect: WorkerEffect) -> None:
        match effect:
            case Deliver(call_id=call_id) | Refuse(call_id=call_id):
                assert call_id in self.open, "a call ends once"
                del self.open[call_id]
                if isinstance(effect, Deliver) and effect.failed:
                    assert self.ended_ids == (call_id,), "blamed only when alone"
            case StartBatch():
                self.check_start(effect)
            case StopBatch(batch_id=batch_id):
                assert batch_id in self.running
                assert batch_id not in self.stopped, "a batch is stopped once"
                self.stopped.add(batch_id)
                assert self.may_be_stopped(batch_id)
            case ModelIdle(key=key):
                assert key not in self.idle
                self.idle.add(key)
                assert all(batch.model_key != key for batch in self.running.values())
                assert all(call.model_key != key for call in self.known_calls())
            case Drained():
                self.drained += 1
                assert self.draining
                assert self.drained == 1
            case WakeAt(at_s=at_s):
                self.wake_s = at_s

    def may_be_stopped(self, batch_id: int) -> bool:
        """Nobody waits for it, all its deadlines have passed, or it overstays."""
        waits = [self.deadline_s[i] for i in self.running[batch_id].call_ids if i in self.open]
        limit_s = self.machine._lanes._running[batch_id].limit_s
        return self.now_s >= limit_s or max(waits, default=-inf) < self.now_s

    def known_calls(self) -> list[CallArrived]:
        return [self.open[call_id] for call_id in self.machine._book.calls if call_id in self.open]

    def check_start(self, batch: StartBatch) -> None:
        assert batch.batch_id not in self.started_s
        spec = self.specs[batch.model_key]
        same = [other for other in self.running.values() if other.model_key == batch.model_key]
        assert len(same) < spec.instances
        assert len(batch.call_ids) == 1 or not self.failed_together & set(batch.call_ids)
        calls = [self.open[call_id] for call_id in batch.call_ids]
        assert {call.model_key for call in calls} == {batch.model_key}
        assert len({call.shape_key for call in calls}) == 1
        assert sum(call.rows for call in calls) == batch.rows <= batch.padded_rows
        assert batch.padded_rows <= self.specs[batch.model_key].batch_max
        in_batches = {call_id for other in self.running.values() for call_id in other.call_ids}
        # A member that failed with others is run again only after that batch has ended.
        assert not in_batches & set(batch.call_ids)
        predictor = self.machine.predictor(batch.model_key)
        for call in calls:
            deadline_s = self.machine._book.calls[call.call_id].deadline_s
            assert self.now_s < deadline_s, "nothing starts after its deadline"
            if self.policy.batching.rule == "eager":
                continue  # Its batch may outlast a member's deadline.
            if batch.rows == call.rows and call.call_id in self.trials:
                continue  # An idle worker tries what it predicts to be late.
            size = self.machine._book.calls[call.call_id].size
            typical_s = predictor.predict_s(batch.rows, size, 0.5)
            assert self.now_s + typical_s <= deadline_s
        assert batch.begin_by_s == min(
            self.machine._book.calls[call_id].deadline_s for call_id in batch.call_ids
        )
        self.running[batch.batch_id] = batch
        self.started_s[batch.batch_id] = self.now_s
        assert len(self.running) <= self.policy.lanes
        self.check_order(batch)

    def check_order(self, batch: StartBatch) -> None:
        """Who stays behind although before a member could not have gone with it."""
        book = self.machine._book.calls
        members = [book[call_id] for call_id in batch.call_ids]
        one = members[0]
        if one.solo:
            return
        last = max((member.order_s, member.call_id) for member in members)
        due_s = min(member.deadline_s for member in members)
        predictor = self.machine.predictor(batch.model_key)
        for call in book.values():
            if call.queue is None or call.solo or call.model is not one.model:
                continue
            if call.shape_key != one.shape_key or (call.order_s, call.call_id) > last:
                continue
            rows = batch.rows + call.rows
            target = self.specs[batch.model_key].batch_max
            if self.policy.batching.rule != "eager":
                target = min(target, max(one.rows, one.model.target_rows(one.size)))
            if rows <= target:
                margin_s = self.machine._batcher.margin.seconds
                left_s = min(due_s, call.deadline_s) - self.now_s - margin_s
                quantile = self.policy.batching.start_quantile
                assert predictor.predict_s(rows, call.size, quantile) > left_s - 1e-9

    @invariant()
    def no_lane_idles_while_work_fits(self) -> None:
        if len(self.running) >= self.policy.lanes or self.policy.batching.rule == "deferral":
            return
        for call in self.machine._book.calls.values():
            if call.queue is None or call.model.running >= call.model.spec.instances:
                continue
            run_s = call.model.predictor.predict_s(call.rows, call.size, 0.5)
            margin_s = self.machine._batcher.margin.seconds
            last_event_s = self.log[-1][0]
            assert last_event_s + run_s + margin_s > call.deadline_s

    @invariant()
    def tables_match_what_is_open(self) -> None:
        book = self.machine._book
        assert set(book.calls) == set(self.open)
        waiting = [call for call in book.calls.values() if call.queue is not None]
        assert self.machine.waiting == len(waiting)
        assert all(call.deadline_s > self.now_s - 0.001 for call in waiting), "shed in time"
        assert book.waiting_bytes == sum(call.payload_bytes for call in waiting)
        assert self.machine.running == len(self.running)
        # Members of a failed batch return to the queue beyond the bound.
        assert self.machine.waiting <= WAITING_MAX + self.policy.lanes * 8
        assert len(book.expiry) <= 2 * self.machine.waiting + 64

    @invariant()
    def a_timer_covers_what_is_due(self) -> None:
        for call in self.machine._book.calls.values():
            if call.queue is not None and call.deadline_s < inf:
                assert self.wake_s <= call.deadline_s
        for batch_id in self.running.keys() - self.stopped:
            limit_s = self.machine._lanes._running[batch_id].limit_s
            assert self.wake_s <= limit_s

    @invariant()
    def load_adds_up(self) -> None:
        load = load_of(self.told, 1, now_s=self.now_s)
        wanted_s = from_scratch_s(self.machine, self.now_s)
        assert abs(load.backlog_s - wanted_s) <= 1e-9 * wanted_s
        assert load.depth == len(self.open)
        assert load.backlog_s >= 0.0
        assert (load.residual_s > 0.0) <= (len(self.running) == self.policy.lanes)
        assert load.window >= (0 if self.draining else 1)

    def teardown(self) -> None:
        self.draining = True
        self.send(DrainBegan())
        for key in MODELS:
            self.send(ModelClosed(key))
        for _ in range(200):
            if not self.running and not self.open:
                break
            if self.running:
                self.end(min(self.running), failed=False)
            else:
                self.advance(0.5)
        assert not self.open
        assert not self.running
        assert self.drained == 1
        book = self.machine._book
        assert not book.calls
        assert not book.models
        assert book.waiting == book.waiting_bytes == 0
        assert not self.machine._batcher._active
        replayed = WorkerMachine(self.policy)
        for now_s, event, effects in self.log:
            assert replayed.on(event, now_s=now_s) == effects


Worker.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestWorker = Worker.TestCase
