"""Whatever happens around a scheduler, its machine keeps its promises."""

from collections import Counter
from math import inf
from random import Random
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, invariant, precondition, rule

from hasten_policy.content import Asked
from hasten_policy.fleet.events import (
    LoadTold,
    WorkerJoined,
    WorkerLost,
    WorkerQuiesced,
    WorkerReported,
)
from hasten_policy.load import WorkerReport
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.events import (
    AttemptAnswered,
    AttemptRefused,
    Claimed,
    LaneGrew,
    QueuePaused,
    QueueResumed,
    Send,
    ShardGone,
    ShardTaken,
    TaskRevoked,
    TasksLeft,
    Woke,
)
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.tasks import Lane, TaskHead
from tests.property.policy_scheduler.watched import ENDED, SHARDS, SHUT, WORKERS, Watched
from tests.unit.policy_router.harness import model
from tests.unit.policy_scheduler.store import StoredTask

PAUSABLE = [(None, None), ("big", None), (None, "m"), ("capped", "n"), (None, "m/1")]
REFUSALS = [
    Reason.QUEUE_FULL,
    Reason.DRAINING,
    Reason.SHED_BEFORE_START,
    Reason.INTERNAL,
    Reason.MODEL_FAILED,
    Reason.SHAPE_MISMATCH,
    Reason.DEADLINE_PASSED,
    Reason.RUN_OVERSTAYED,
    Reason.CANCELLED,
]

tasks: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    tenant=st.sampled_from(["", "big", "capped"]),
    model=st.sampled_from(["m", "m", "n", "m/1", "unknown"]),
    priority=st.integers(0, 3),
    left_s=st.one_of(st.floats(0.0, 0.6), st.sampled_from([inf, inf, -1.0, 3.0])),
    place=st.floats(0.0, 9.0),
    attempts_max=st.integers(1, 3),
    key=st.sampled_from(["", "", "k"]),
    key_max=st.integers(1, 2),
)


class Scheduler(Watched):
    """Sends any event at any time, as a store and workers might."""

    # --- what is sent -----------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for number in SHARDS:
            self.take(number)
        for worker_id in WORKERS[:2]:
            self.join(worker_id)
            self.report(worker_id, 3, 0, 0.0, "a", draining=False, ready=True)

    @precondition(lambda self: self.next_id % 4 == 3)
    @rule(number=st.sampled_from(SHARDS))
    def take(self, number: int) -> None:
        self.drop_shard(number)
        self.store[number].adopt()
        self.owned.add(number)
        self.send(ShardTaken(number))

    @precondition(lambda self: self.next_id % 7 == 0)
    @rule(number=st.sampled_from(SHARDS))
    def lose_shard(self, number: int) -> None:
        self.drop_shard(number)
        self.send(ShardGone(number))

    @precondition(lambda self: self.next_id % 3 == 0)
    @rule(worker_id=st.sampled_from(WORKERS))
    def join(self, worker_id: str) -> None:
        self.window[worker_id] = 0
        self.incarnation.pop(worker_id, None)
        self.send(WorkerJoined(worker_id))

    @rule(
        worker_id=st.sampled_from(WORKERS),
        window=st.sampled_from([0, 2, 4, 4]),
        depth=st.integers(0, 5),
        backlog_s=st.floats(0.0, 0.3),
        incarnation=st.sampled_from("aaaaab"),
        draining=st.sampled_from([False] * 7 + [True]),
        ready=st.sampled_from([True] * 7 + [False]),
    )
    def report(
        self,
        worker_id: str,
        window: int,
        depth: int,
        backlog_s: float,
        incarnation: str,
        *,
        draining: bool,
        ready: bool,
    ) -> None:
        if self.standing.get(worker_id, "gone") == "gone":
            return
        models = (model("m"), model("n", ready=ready))
        load = self.load(worker_id, window, depth, backlog_s)
        self.send(WorkerReported(worker_id, WorkerReport(incarnation, draining, 2, load, models)))

    @rule(worker_id=st.sampled_from(WORKERS), window=st.integers(0, 4))
    def tell(self, worker_id: str, window: int) -> None:
        if self.standing.get(worker_id, "gone") != "gone":
            self.send(LoadTold(worker_id, self.load(worker_id, window, 0, 0.0)))

    @precondition(lambda self: self.next_id % 3 == 1)
    @rule(worker_id=st.sampled_from(WORKERS), some=st.integers(0, 7))
    def die(self, worker_id: str, some: int) -> None:
        """Its process dies while some of its attempts run."""
        there = [attempt for attempt, at in self.at.items() if at == worker_id]
        ran = [attempt for index, attempt in enumerate(there) if some >> (index % 3) & 1]
        self.send(WorkerLost(worker_id, tuple(Asked(attempt, None) for attempt in ran)))
        self.killed[worker_id] += 1

    @precondition(lambda self: self.next_id % 5 == 0)
    @rule(worker_id=st.sampled_from(WORKERS))
    def quiesce(self, worker_id: str) -> None:
        self.send(WorkerQuiesced(worker_id))

    @rule(drawn=st.lists(tasks, min_size=1, max_size=5), number=st.sampled_from(SHARDS))
    def submit(self, drawn: list[dict[str, Any]], number: int) -> None:
        for values in drawn:
            lane = Lane(values["tenant"], values["model"], values["priority"])
            head = TaskHead(
                f"t{self.next_id}",
                values["place"],
                self.now_s,
                self.now_s + values["left_s"],
                attempts_max=values["attempts_max"],
                key=values["key"],
                key_max=values["key_max"],
            )
            self.next_id += 1
            self.store[number].tasks[head.task_id] = StoredTask(lane, head)
            self.send(LaneGrew(number, lane, head.place))

    @rule(slow=st.booleans())
    def slow_down(self, *, slow: bool) -> None:
        """The store answers at once, or when it is asked to."""
        self.slow = slow
        self.keep_up()

    @rule(pick=st.integers(0, 50), stale=st.booleans())
    def read(self, pick: int, *, stale: bool) -> None:
        """The store answers one of the questions; with `stale`, before others that came first."""
        self.read_one(pick if stale else 0)

    @rule()
    def claim(self) -> None:
        """The store answers the first claim."""
        self.claim_one()

    @rule(pick=st.integers(0, 50), window=st.integers(0, 4), late=st.booleans())
    def answer(self, pick: int, window: int, *, late: bool) -> None:
        attempt = self.attempt(pick, late=late)
        if attempt is not None:
            number, worker_id = attempt
            load = self.load(worker_id, window, 1, 0.01)
            self.send(AttemptAnswered(number, worker_id, load, 0.01, 0.02))

    @rule(pick=st.integers(0, 50), reason=st.sampled_from(REFUSALS), started=st.booleans())
    def turn_down(self, pick: int, reason: Reason, *, started: bool) -> None:
        attempt = self.attempt(pick, late=False)
        if attempt is not None:
            refusal = Refusal(reason, "drawn", started=started)
            self.send(AttemptRefused(*attempt, None, refusal))

    @rule(pick=st.integers(0, 50), number=st.sampled_from(SHARDS))
    def cancel(self, pick: int, number: int) -> None:
        """A caller cancels a task, wherever it is."""
        open_ = [t for t in self.store[number].tasks.values() if t.state not in ENDED]
        if not open_:
            return
        task = open_[pick % len(open_)]
        before, task.state = task.state, "cancelled"
        if before == "running":
            self.at.pop(task.attempt, None)
            self.granted.discard(task.attempt)
            self.picked.pop(task.attempt, None)
            self.send(TaskRevoked(number, task.head.task_id))
        elif before == "waiting":
            self.send(TasksLeft(number, (task.head.task_id,)))

    @rule(scope=st.sampled_from(PAUSABLE), paused=st.booleans())
    def pause(self, scope: tuple[str | None, str | None], *, paused: bool) -> None:
        if paused:
            self.pauses.add(scope)
            self.send(QueuePaused(*scope))
        else:
            self.pauses.discard(scope)
            self.send(QueueResumed(*scope))

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.2, 0.6, 1.5]))
    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.wake_s <= until_s:
            self.now_s = max(self.now_s, self.wake_s)
            self.wake_s = inf
            self.send(Woke())
        self.now_s = until_s
        self.promote()

    # --- what always holds ------------------------------------------------------------

    @invariant()
    def nothing_is_sent_to_a_worker_that_may_get_nothing(self) -> None:
        if self.log:
            _, event, effects = self.log[-1]
            shut = {w for w, standing in self.standing.items() if standing in SHUT}
            if not isinstance(event, Claimed):
                assert not {e.worker_id for e in effects if isinstance(e, Send)} & shut

    @invariant()
    def counts_agree_with_what_they_count(self) -> None:
        state = self.machine._state
        assert set(state.attempts.open) == set(self.picked)
        counts = self.machine.counts
        assert counts.claiming + counts.running == len(self.picked)
        assert counts.running >= len(self.at)
        tenants: Counter[str] = Counter()
        keys: Counter[tuple[str, str]] = Counter()
        for number, attempt in state.attempts.open.items():
            assert attempt.sent == (number in self.at)
            assert attempt.lane.shard.running[attempt.head.task_id] is attempt
            tenants[attempt.lane.lane.tenant] += 1
            if attempt.head.key:
                keys[attempt.lane.lane.tenant, attempt.head.key] += 1
            if attempt.entry is not None:
                assert attempt.entry.worker.calls[number] is attempt.entry
                assert state.fleet.workers[attempt.entry.worker.worker_id] is attempt.entry.worker
        for tenant in state.tenants.by_name.values():
            assert tenant.running == tenants[tenant.name]
        for key, known in state.keys._known.items():
            assert known.running == keys[key]
        for worker in state.fleet.workers.values():
            assert set(worker.calls) <= set(state.attempts.open)
            own_s = sum(state.attempts.open[number].hold_s for number in worker.calls)
            assert abs(state.slack.gate(worker).own_s - own_s) < 1e-9

    @invariant()
    def lanes_stand_where_they_belong(self) -> None:
        state = self.machine._state
        assert set(state.shards) == self.owned
        known = 0
        for shard in state.shards.values():
            for name, lane in shard.lanes.items():
                known += 1
                assert state.desks[name.model] is lane.desk
                assert lane.parked_count == sum(map(len, lane.parked.values()))
                assert [h.place for h in lane.heads] == sorted(h.place for h in lane.heads)
                assert lane.claiming == sum(
                    a.lane is lane and not a.claimed for a in state.attempts.open.values()
                )
                in_line = bool(lane.heads) and not lane.paused and lane not in lane.desk.stuck
                assert (lane.spot is not None) == in_line
                assert (lane in lane.tenant.ready) == in_line
        assert known == sum(desk.lanes for desk in state.desks.values())
        assert known == sum(tenant.known for tenant in state.tenants.by_name.values())
        for desk in state.desks.values():
            assert desk.line == sorted(desk.line)
        served = [tenant.served_s for _, _, tenant in state.tenants._line]
        assert served == sorted(served)

    def settle(self) -> None:
        """Everybody comes back and does what is asked until nothing is left to do."""
        self.slow_down(slow=False)
        for scope in list(self.pauses):
            self.pause(scope, paused=False)
        for number in SHARDS:
            if number not in self.owned:
                self.take(number)
        for worker_id in WORKERS:
            self.join(worker_id)
            self.report(worker_id, 4, 0, 0.0, "z", draining=False, ready=True)
        for _ in range(400):
            if self.at:
                self.answer(0, 4, late=False)
            elif not self.unended():
                return
            else:
                self.pass_time(0.6)
                for worker_id in WORKERS:
                    self.tell(worker_id, 4)

    def unended(self) -> list[StoredTask]:
        """Tasks that some worker could still do."""
        return [
            task
            for shard in self.store.values()
            for task in shard.tasks.values()
            if task.state not in ENDED and task.lane.model != "unknown"
        ]

    def teardown(self) -> None:
        if self.broken:
            return  # Effects are missing: what is left undone would hide the cause.
        self.settle()
        assert not self.unended(), "a task was forgotten"
        unknown = [t for s in self.store.values() for t in s.tasks.values() if t.attempt]
        assert not [task for task in unknown if task.lane.model == "unknown"]
        again = SchedulerMachine(self.policy, rng=Random(7))
        for at_s, event, effects in self.log:
            assert again.on(event, now_s=at_s) == effects


TestScheduler = Scheduler.TestCase
TestScheduler.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
