"""What the queue of durable tasks promises a shard's owner, and refuses everybody else."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.port import (
    MOVE_MAX,
    Claiming,
    Fenced,
    Place,
    State,
    TaskQueue,
)
from hasten_runtime.tasks.wake import Wake
from tests.contract.task_queues import (
    LANE,
    LONG_S,
    OTHER_LANE,
    QueueHarness,
    about_s,
    new_task,
    settled,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

OWNERS_CALLS: dict[str, Callable[[TaskQueue, Term], Awaitable[object]]] = {
    "adopt": lambda queue, own: queue.adopt(own),
    "fronts": lambda queue, own: queue.fronts(own, [LANE], 10),
    "claim": lambda queue, own: queue.claim(own, [Claiming("1.one.9", LANE, "acme/1")]),
    "settle": lambda queue, own: queue.settle(own, [settled(2, "1.one.1", State.DONE)]),
    "drop": lambda queue, own: queue.drop(own, LANE, "acme/1", b"late"),
    "promote": lambda queue, own: queue.promote(own, 10),
    "reorder": lambda queue, own: queue.reorder(own, [], order="fifo"),
    "sweep": lambda queue, own: queue.sweep(own, 10),
}


@pytest.mark.parametrize(
    ("owner", "epoch"),
    [("two", 2), ("two", 1), ("one", 2), ("", 1)],
    ids=["another owner", "same epoch, other owner", "a later epoch", "nobody"],
)
@pytest.mark.parametrize("call", OWNERS_CALLS.values(), ids=OWNERS_CALLS.keys())
async def test_only_the_owner_in_its_epoch_moves_tasks(
    shard: QueueHarness,
    call: Callable[[TaskQueue, Term], Awaitable[object]],
    owner: str,
    epoch: int,
) -> None:
    await shard.accept(new_task(1), new_task(2), new_task(3, start_in_s=0.001))
    await shard.run(2)
    before = (await shard.queue.stats()).states
    changes = await shard.queue.changes("", 100, 0.0)
    shard.elect(owner, epoch)
    with pytest.raises(Fenced):
        await call(shard.queue, shard.own)
    assert (await shard.queue.stats()).states == before
    assert await shard.queue.changes("", 100, 0.0) == changes
    shard.elect(shard.own.owner, shard.own.epoch)
    await call(shard.queue, shard.own)


async def test_a_claimed_task_runs_and_comes_with_its_payload(shard: QueueHarness) -> None:
    await shard.accept(new_task(1), new_task(2))
    claims = [shard.claiming(1), shard.claiming(2), shard.claiming(3), shard.claiming(1)]
    claimed = await shard.queue.claim(shard.own, claims)
    assert [record.task_id if record else None for record in claimed] == [
        "acme/1",
        "acme/2",
        None,
        None,
    ]
    assert claimed[0] is not None
    assert (claimed[0].state, claimed[0].payload) == (State.RUNNING, b"payload")
    assert (claimed[0].runs, claimed[0].attempts) == (1, 0)
    assert await shard.waiting() == []
    assert (await shard.record(1)).runs == 1


async def test_a_repeated_claim_gives_the_same_again(shard: QueueHarness) -> None:
    await shard.accept(new_task(1))
    claiming = shard.claiming(1)
    for _ in range(3):
        (record,) = await shard.queue.claim(shard.own, [claiming])
        assert record is not None
        assert (record.state, record.runs) == (State.RUNNING, 1)
    assert len(await shard.queue.changes("", 10, 0.0)) == 2


async def test_what_does_not_wait_in_that_lane_is_not_claimed(shard: QueueHarness) -> None:
    await shard.accept(*(new_task(number) for number in range(3)))
    await shard.accept(new_task(3, start_in_s=LONG_S))
    await shard.end(0, State.DONE)
    await shard.run(1)
    claims = [shard.claiming(number) for number in (0, 1, 3)]
    claims.append(shard.claiming(2, OTHER_LANE))
    assert await shard.queue.claim(shard.own, claims) == [None] * 4
    states = {State.DONE: 1, State.RUNNING: 1, State.LATER: 1, State.WAITING: 1}
    assert (await shard.queue.stats()).states == states


async def test_a_call_moves_so_many_and_not_more(shard: QueueHarness) -> None:
    tasks = [new_task(number) for number in range(MOVE_MAX + 1)]
    await shard.accept(*tasks)
    claims = [shard.claiming(number) for number in range(MOVE_MAX + 1)]
    with pytest.raises(ValueError, match="64"):
        await shard.queue.claim(shard.own, claims)
    assert all(await shard.queue.claim(shard.own, claims[:MOVE_MAX]))
    ends = [
        settled(number, claim.attempt_id, State.DONE, result=b"r")
        for number, claim in enumerate(claims)
    ]
    with pytest.raises(ValueError, match="64"):
        await shard.queue.settle(shard.own, ends)
    assert all(await shard.queue.settle(shard.own, ends[:MOVE_MAX]))
    assert (await shard.queue.stats()).states == {State.DONE: MOVE_MAX, State.WAITING: 1}


@pytest.mark.parametrize(
    ("state", "payload"), [(State.DONE, b""), (State.FAILED, b""), (State.DEAD, b"payload")]
)
async def test_a_task_that_has_ended_keeps_what_people_look_at(
    shard: QueueHarness, state: State, payload: bytes
) -> None:
    await shard.accept(new_task(1, key="k", rows=4))
    await shard.end(1, state, b"\x00outcome")
    record = await shard.record(1)
    assert (record.state, record.result, record.payload) == (state, b"\x00outcome", payload)
    assert (record.about, record.key, record.rows) == (b"about", "k", 4)
    assert about_s(record.ended_s, 0.0)
    assert record.ended_s >= 0.0
    assert (record.attempts, record.runs, record.deaths) == (0, 1, ())


async def test_a_repeated_settlement_is_settled_and_changes_nothing(shard: QueueHarness) -> None:
    for number, state in enumerate(
        (State.DONE, State.FAILED, State.DEAD, State.CANCELLED, State.WAITING, State.LATER)
    ):
        await shard.accept(new_task(number))
        attempt_id = await shard.run(number)
        settlement = settled(
            number, attempt_id, state, result=b"r", start_in_s=LONG_S, counts=True, death="w/1"
        )
        changes = -1
        for _ in range(3):
            assert await shard.queue.settle(shard.own, [settlement]) == [True]
            record = await shard.record(number)
            assert (record.state, record.attempts, record.deaths) == (state, 1, ("w/1",))
            told = len(await shard.queue.changes("", 100, 0.0))
            assert changes in (-1, told)
            changes = told


async def test_only_the_newest_attempt_settles(shard: QueueHarness) -> None:
    await shard.accept(new_task(1), new_task(2))
    old = await shard.end(1, State.WAITING)
    new = await shard.run(1)
    late = settled(1, old, State.DONE, result=b"late")
    strange = settled(1, "1.one.999", State.DONE, result=b"strange")
    waits = settled(2, old, State.DONE, result=b"it never ran")
    none = settled(3, old, State.DONE, result=b"it was never there")
    items = [late, strange, waits, none]
    assert await shard.queue.settle(shard.own, items) == [False] * 4
    answer = settled(1, new, State.DONE, result=b"the answer")
    assert await shard.queue.settle(shard.own, [answer]) == [True]
    assert await shard.queue.settle(shard.own, [late, strange]) == [False, False]
    assert (await shard.record(1)).result == b"the answer"
    failed = settled(1, new, State.FAILED, result=b"no")
    assert await shard.queue.settle(shard.own, [failed]) == [False]


async def test_a_task_waits_again_in_its_place_with_what_was_learnt(shard: QueueHarness) -> None:
    await shard.accept(new_task(1), new_task(2))
    attempt_id = await shard.run(1)
    again = settled(1, attempt_id, State.WAITING, counts=True, death="w-1/abc", alone=True)
    assert await shard.queue.settle(shard.own, [again]) == [True]
    attempt_id = await shard.run(1)
    again = settled(1, attempt_id, State.WAITING, counts=False, death="w-2/def")
    assert await shard.queue.settle(shard.own, [again]) == [True]
    assert await shard.waiting() == ["acme/1", "acme/2"]
    record = await shard.record(1)
    assert (record.attempts, record.runs) == (1, 2)
    assert (record.deaths, record.alone) == (("w-1/abc", "w-2/def"), True)
    assert record.payload == b"payload"


async def test_a_task_that_is_to_wait_comes_back_when_its_time_has_come(
    shard: QueueHarness,
) -> None:
    await shard.accept(new_task(1), new_task(2), new_task(3, start_in_s=LONG_S))
    for number, start_in_s in ((1, LONG_S / 2), (2, 0.001)):
        attempt_id = await shard.run(number)
        later = settled(number, attempt_id, State.LATER, start_in_s=start_in_s)
        assert await shard.queue.settle(shard.own, [later]) == [True]
    assert await shard.waiting() == []
    grown: list[tuple[Lane, float]] = []

    async def grew() -> bool:
        lanes, next_s = await shard.queue.promote(shard.own, 10)
        grown.extend(lanes)
        return bool(grown) and about_s(next_s, LONG_S / 2)

    await eventually(grew)
    assert grown == [(LANE, 2.0)]
    assert await shard.waiting() == ["acme/2"]
    assert about_s((await shard.record(1)).start_in_s, LONG_S / 2)
    assert (await shard.record(2)).start_in_s == 0.0
    # The settlement's reply was lost; the task was promoted meanwhile.
    repeated = settled(2, "1.one.2", State.LATER, start_in_s=0.001)
    assert await shard.queue.settle(shard.own, [repeated]) == [True]
    assert (await shard.record(2)).state is State.WAITING


async def test_promotion_goes_in_steps_over_many_lanes(shard: QueueHarness) -> None:
    lanes = [Lane(f"t{number}", "m", 1) for number in range(100)]
    await shard.accept(
        *(
            new_task(number, lane=lane, start_in_s=0.001, place=Place(0.0, number))
            for number, lane in enumerate(lanes)
        )
    )
    grown: dict[Lane, float] = {}

    async def all_grew() -> bool:
        some, _ = await shard.queue.promote(shard.own, 10)
        assert len(some) <= 10
        grown.update(some)
        return len(grown) == 100

    await eventually(all_grew)
    assert grown == {lane: float(number) for number, lane in enumerate(lanes)}
    assert await shard.queue.promote(shard.own, 10) == ([], math.inf)


async def test_a_waiting_task_is_dropped_with_its_reason(shard: QueueHarness) -> None:
    await shard.accept(new_task(1), new_task(2), new_task(3, start_in_s=LONG_S))
    await shard.run(2)
    assert not await shard.queue.drop(shard.own, OTHER_LANE, "acme/1", b"late")
    for _ in range(2):
        assert await shard.queue.drop(shard.own, LANE, "acme/1", b"late")
    for task_id in ("acme/2", "acme/3", "acme/none"):
        assert not await shard.queue.drop(shard.own, LANE, task_id, b"late")
    record = await shard.record(1)
    assert (record.state, record.result, record.payload) == (State.FAILED, b"late", b"")
    assert await shard.waiting() == []
    assert not await shard.queue.drop(shard.own, LANE, "acme/1", b"for another reason")


async def test_what_ran_under_earlier_owners_waits_again_uncounted(shard: QueueHarness) -> None:
    await shard.accept(*(new_task(number) for number in range(200)))
    await shard.accept(new_task(200, lane=OTHER_LANE))
    for number in (*range(150), 200):
        await shard.run(number, OTHER_LANE if number == 200 else LANE)
    shard.own = shard.elect("two", 2)
    assert await shard.queue.adopt(shard.own) == 151
    assert await shard.queue.adopt(shard.own) == 0
    assert (await shard.queue.stats()).states == {State.WAITING: 201}
    assert await shard.waiting() == [f"acme/{number}" for number in range(200)]
    record = await shard.record(7)
    assert (record.state, record.attempts, record.runs) == (State.WAITING, 0, 1)
    late = settled(7, "1.one.8", State.DONE, result=b"late")
    assert await shard.queue.settle(shard.own, [late]) == [False]


async def test_an_epoch_that_was_given_out_twice_is_told_apart_by_its_owners(
    shard: QueueHarness,
) -> None:
    await shard.accept(new_task(1), new_task(2))
    await shard.run(1)
    shard.own = shard.elect("one more", 1)
    mine = await shard.run(2)
    assert await shard.queue.adopt(shard.own) == 1
    assert await shard.waiting() == ["acme/1"]
    answer = settled(2, mine, State.DONE)
    assert await shard.queue.settle(shard.own, [answer]) == [True]


async def test_an_owner_keeps_what_it_runs_itself(shard: QueueHarness) -> None:
    await shard.accept(*(new_task(number) for number in range(150)))
    for number in range(150):
        await shard.run(number)
    assert await shard.queue.adopt(shard.own) == 0
    assert (await shard.queue.stats()).states == {State.RUNNING: 150}


async def test_what_has_ended_is_forgotten_when_its_time_is_over(shard: QueueHarness) -> None:
    await shard.accept(
        *(new_task(number, keep_s=0.001) for number in range(5)), new_task(5, keep_s=LONG_S)
    )
    for number, state in enumerate((State.DONE, State.FAILED, State.DEAD)):
        await shard.end(number, state)
    await shard.queue.cancel(["acme/3"])
    await shard.end(5, State.DONE)
    forgotten = 0

    async def swept() -> bool:
        nonlocal forgotten
        forgotten += await shard.queue.sweep(shard.own, 1)
        return forgotten == 3

    await eventually(swept)
    assert await shard.queue.sweep(shard.own, 10) == 0
    ids = [f"acme/{number}" for number in range(6)]
    assert [record.state if record else None for record in await shard.queue.records(ids)] == [
        *(None, None),
        State.DEAD,
        None,
        State.WAITING,
        State.DONE,
    ]
    states = {State.DEAD: 1, State.WAITING: 1, State.DONE: 1}
    assert (await shard.queue.stats()).states == states


async def test_every_change_is_told_once_in_its_order(shard: QueueHarness) -> None:
    await shard.accept(new_task(1), new_task(2, lane=OTHER_LANE))
    await shard.end(1, State.LATER)
    await shard.queue.cancel(["acme/1", "acme/2"])
    changes = await shard.queue.changes("", 100, 0.0)
    assert [(c.task_id, c.state, c.lane) for c in changes if c.task_id == "acme/1"] == [
        ("acme/1", State.WAITING, LANE),
        ("acme/1", State.RUNNING, LANE),
        ("acme/1", State.LATER, LANE),
        ("acme/1", State.CANCELLED, LANE),
    ]
    assert [(c.state, c.lane) for c in changes if c.task_id == "acme/2"] == [
        (State.WAITING, OTHER_LANE),
        (State.CANCELLED, OTHER_LANE),
    ]
    for number, change in enumerate(changes):
        assert await shard.queue.changes(change.position, 100, 0.0) == changes[number + 1 :]
        assert await shard.queue.changes(change.position, 1, 0.0) == changes[number + 1 :][:1]


async def test_a_watcher_waits_for_the_next_change(shard: QueueHarness) -> None:
    await shard.accept(new_task(1))
    (seen,) = await shard.queue.changes("", 100, 0.0)
    assert await shard.queue.changes(seen.position, 100, 0.01) == []
    waiting = asyncio.create_task(shard.queue.changes(seen.position, 100, 60.0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    await shard.accept(new_task(2))
    assert [change.task_id for change in await waiting] == ["acme/2"]


async def test_the_owner_hears_at_once_what_concerns_it(shard: QueueHarness) -> None:
    await shard.accept(new_task(1), new_task(2))
    await shard.run(1)
    async with aclosing(shard.queue.wakes()) as wakes:
        assert await anext(wakes) == Wake(0)
        await shard.accept(
            new_task(3), new_task(4), new_task(5, lane=OTHER_LANE), new_task(6, start_in_s=LONG_S)
        )
        wake = await anext(wakes)
        assert set(wake.grew) == {(LANE, 3.0), (OTHER_LANE, 5.0)}
        assert (wake.revoked, wake.left, wake.paused, wake.later) == ((), (), False, True)
        await shard.queue.cancel(["acme/1"])
        wake = await anext(wakes)
        assert (wake.grew, wake.revoked, wake.left) == ((), ("acme/1",), ())
        await shard.queue.cancel(["acme/2"])
        wake = await anext(wakes)
        assert (wake.grew, wake.revoked, wake.left) == ((), (), ("acme/2",))
        await shard.queue.move("acme/3", OTHER_LANE, Place(0.0, 1.5), None)
        wake = await anext(wakes)
        assert (wake.grew, wake.left) == (((OTHER_LANE, 1.5),), ("acme/3",))
        await shard.queue.pause("acme", None, paused=True)
        wake = await anext(wakes)
        assert (wake.paused, wake.grew, wake.left) == (True, (), ())
        await shard.end(4, State.DEAD)
        await shard.queue.requeue(["acme/4"])
        assert (await anext(wakes)).grew == ((LANE, 4.0),)
