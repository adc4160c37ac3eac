"""Whatever schedulers do to a shard, a real server and the queue in memory come to the same."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.fakes import MemoryTaskQueue
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.port import (
    Claiming,
    Fenced,
    Limits,
    Place,
    Placing,
    QueueStats,
    Settlement,
    State,
    TaskRecord,
)
from tests.contract.task_queues import LONG_S, new_task
from tests.support.patience import redis_answers_within
from tests.support.servers import RedisServer

pytestmark = pytest.mark.integration

T = TypeVar("T")

LANES = [Lane("acme", "a", 1), Lane("acme", "b", 1), Lane("zen", "a", 0)]
IDS = [f"task/{number}" for number in range(8)]
AT_ONCE_S = 0.000_5
"""Until a task may start that is promoted in the same step."""

some_ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=4)
lanes = st.sampled_from(LANES)
places = st.floats(-1e6, 1e6)
settled_states = st.sampled_from(
    [State.DONE, State.FAILED, State.DEAD, State.WAITING, State.LATER, State.CANCELLED]
)


class TwoShards(RuleBasedStateMachine):
    """The same calls to both, and after each the same is in both.

    Attributes:
        server: The real one.
    """

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.server.command("FLUSHALL")
        self._runner = asyncio.Runner()
        self._own = Term("", 0, 3.0)
        self._fake = MemoryTaskQueue(lambda: self._own)
        self._real = RedisTaskQueue(self.server.url)
        self._attempts = 0
        self._claimed: list[Claiming] = []
        self.elect("one")

    def teardown(self) -> None:
        self._run(self._real.close())
        self._runner.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def _both(self, method: str, *args: Any, **named: Any) -> Any:
        real = self._run(getattr(self._real, method)(*args, **named))
        fake = self._run(getattr(self._fake, method)(*args, **named))
        return real, fake

    def _same(self, method: str, *args: Any, **named: Any) -> Any:
        real, fake = self._both(method, *args, **named)
        assert real == fake
        return real

    @rule(owner=st.sampled_from(["one", "two"]))
    def elect_and_adopt(self, owner: str) -> None:
        self.elect(owner)
        self._same("adopt", self._own)

    def elect(self, owner: str) -> None:
        self._own = Term(owner, self._own.epoch + 1, 3.0)
        self.server.command(
            *("HSET", "{hasten:q:0}:owner", "owner", owner, "epoch", str(self._own.epoch))
        )

    @rule(ids=some_ids, lane=lanes, place=places, later=st.sampled_from([0.0, AT_ONCE_S, LONG_S]))
    def enqueue(self, ids: list[str], lane: Lane, place: float, later: float) -> None:
        tasks = [
            new_task(
                number,
                task_id=task_id,
                digest=b"0123456789abcdef",
                lane=lane,
                place=Place(0.0, place + number),
                start_in_s=later,
                payload=bytes(10 + number),
            )
            for number, task_id in enumerate(ids)
        ]
        self._same("enqueue", tasks, Limits(tasks_max=10, tenant_bytes_max=70))
        if later == AT_ONCE_S:
            self._promote()

    def _promote(self) -> None:
        self._promote_all(self._real)
        self._promote_all(self._fake)

    def _promote_all(self, queue: RedisTaskQueue | MemoryTaskQueue) -> None:
        next_s = 0.0
        while next_s < 1.0:
            _, next_s = self._run(queue.promote(self._own, 2))

    @rule(count=st.integers(1, 4), lane=lanes)
    def claim_the_front(self, count: int, lane: Lane) -> None:
        real, fake = self._both("fronts", self._own, [lane], count)
        ids = [record.task_id for record in real[0].records]
        assert ids == [record.task_id for record in fake[0].records]
        assert list(real[0].places) == sorted(real[0].places)
        self._claim(ids, lane)

    @rule(ids=some_ids, lane=lanes)
    def claim_anything(self, ids: list[str], lane: Lane) -> None:
        self._claim(ids, lane)

    def _claim(self, ids: list[str], lane: Lane) -> None:
        claims = []
        for task_id in ids:
            self._attempts += 1
            attempt_id = f"{self._own.epoch}.{self._own.owner}.{self._attempts}"
            claims.append(Claiming(attempt_id, lane, task_id))
        self._compare_claims(claims)

    def _compare_claims(self, claims: list[Claiming]) -> None:
        real, fake = self._both("claim", self._own, claims)
        assert [_facts(record) for record in real] == [_facts(record) for record in fake]
        self._claimed += [claim for claim, record in zip(claims, real, strict=True) if record]

    @precondition(lambda self: self._claimed)
    @rule(data=st.data(), state=settled_states, later=st.sampled_from([AT_ONCE_S, LONG_S]))
    def settle_any(self, data: st.DataObject, state: State, later: float) -> None:
        newest_first = self._claimed[::-1]
        claims = data.draw(st.lists(st.sampled_from(newest_first), min_size=1, max_size=4))
        self._settle(claims, data, state, later)

    @rule(
        data=st.data(), lane=lanes, state=settled_states, later=st.sampled_from([AT_ONCE_S, LONG_S])
    )
    def run_the_front(self, data: st.DataObject, lane: Lane, state: State, later: float) -> None:
        before = len(self._claimed)
        self.claim_the_front(2, lane)
        if claims := self._claimed[before:]:
            self._settle(claims, data, state, later)

    def _settle(
        self, claims: list[Claiming], data: st.DataObject, state: State, later: float
    ) -> None:
        items = [
            Settlement(
                claim.attempt_id,
                claim.task_id,
                claim.lane,
                state,
                result=b"" if state in {State.WAITING, State.LATER} else b"result",
                start_in_s=later if state is State.LATER else 0.0,
                counts=data.draw(st.booleans()),
                death=data.draw(st.sampled_from(["", "w/1"])),
                alone=data.draw(st.booleans()),
            )
            for claim in claims
        ]
        self._same("settle", self._own, items)
        self._promote()

    @precondition(lambda self: self._claimed)
    @rule(data=st.data())
    def repeat_a_claim(self, data: st.DataObject) -> None:
        self._compare_claims([data.draw(st.sampled_from(self._claimed))])

    @rule(ids=some_ids)
    def cancel(self, ids: list[str]) -> None:
        self._same("cancel", list(dict.fromkeys(ids)))

    @rule(task_id=st.sampled_from(IDS), lane=lanes, place=places)
    def move(self, task_id: str, lane: Lane, place: float) -> None:
        self._same("move", task_id, lane, Place(0.0, place), None)

    @rule(ids=some_ids, lane=lanes, place=places, order=st.sampled_from(["", "edf", "fifo"]))
    def reorder(self, ids: list[str], lane: Lane, place: float, order: str) -> None:
        placings = [
            Placing(task_id, lane, Place(0.0, place + number)) for number, task_id in enumerate(ids)
        ]
        self._same("reorder", self._own, placings, order=order)

    @rule(ids=some_ids)
    def requeue(self, ids: list[str]) -> None:
        self._same("requeue", list(dict.fromkeys(ids)))

    @rule(ids=some_ids)
    def discard(self, ids: list[str]) -> None:
        self._same("discard", list(dict.fromkeys(ids)))

    @rule(task_id=st.sampled_from(IDS), lane=lanes)
    def drop(self, task_id: str, lane: Lane) -> None:
        self._same("drop", self._own, lane, task_id, b"late")

    @rule(by=st.sampled_from([-1, 1]))
    def somebody_else_does_nothing(self, by: int) -> None:
        other = Term(self._own.owner, self._own.epoch + by, 3.0)
        for queue in (self._real, self._fake):
            with pytest.raises(Fenced):
                self._run(queue.adopt(other))

    @invariant()
    def the_same_is_in_both(self) -> None:
        real, fake = self._both("records", IDS)
        assert [_facts(record) for record in real] == [_facts(record) for record in fake]
        real, fake = self._both("stats")
        assert _counts(real) == _counts(fake)
        real, fake = self._both("fronts", self._own, LANES, 100)
        for one, other in zip(real, fake, strict=True):
            assert (one.lane, one.waiting, one.places) == (other.lane, other.waiting, other.places)
            ids = [record.task_id for record in one.records]
            assert ids == [record.task_id for record in other.records]

    @invariant()
    def both_tell_the_same_of_each_task(self) -> None:
        real, fake = self._both("changes", "", 10_000, 0.0)
        for task_id in IDS:
            assert [(c.state, c.lane) for c in real if c.task_id == task_id] == [
                (c.state, c.lane) for c in fake if c.task_id == task_id
            ]


def _facts(record: TaskRecord | None) -> object:
    if record is None:
        return None
    return (
        *(record.task_id, record.state, record.lane, record.attempts, record.runs),
        *(record.deaths, record.alone, record.payload, record.result, record.about),
    )


def _counts(stats: QueueStats) -> object:
    return (stats.states, stats.lanes, stats.tenants, stats.bytes_held)


def test_a_real_shard_and_one_in_memory_come_to_the_same(redis_server: RedisServer) -> None:
    machine = type("TwoShardsHere", (TwoShards,), {"server": redis_server})
    with redis_answers_within():
        run_state_machine_as_test(
            machine, settings=settings(max_examples=60, stateful_step_count=30)
        )
