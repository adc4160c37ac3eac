"""What the queue of durable tasks promises every scheduler: in memory and in a real server."""

import math

import pytest

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.tasks.port import ENQUEUE_MAX, Outcome, Place, State
from tests.contract.task_queues import (
    LANE,
    LONG_S,
    OTHER_LANE,
    UNLIMITED,
    QueueHarness,
    about_s,
    new_task,
    settled,
)

pytestmark = pytest.mark.integration


async def test_an_empty_shard_has_nothing(shard: QueueHarness) -> None:
    assert await shard.queue.records(["acme/1"]) == [None]
    assert await shard.queue.page("", 10) == ([], "")
    assert await shard.queue.fronts(shard.own, [], 10) == []
    assert await shard.queue.changes("", 10, 0.0) == []
    assert await shard.queue.cancel(["acme/1"]) == [None]
    assert await shard.queue.requeue(["acme/1"]) == [False]
    assert await shard.queue.discard(["acme/1"]) == [False]
    assert await shard.queue.pauses() == set()
    assert await shard.queue.promote(shard.own, 10) == ([], math.inf)
    assert await shard.queue.adopt(shard.own) == 0
    assert await shard.queue.sweep(shard.own, 10) == 0
    stats = await shard.queue.stats()
    assert (stats.states, stats.lanes, stats.tenants) == ({}, {}, {})
    assert (stats.bytes_held, stats.oldest_s) == (0, 0.0)


async def test_an_accepted_task_is_as_it_was_said(shard: QueueHarness) -> None:
    await shard.accept(
        new_task(
            1,
            lane=OTHER_LANE,
            left_s=500.0,
            attempts_max=7,
            rows=3,
            elements=2**40,
            key="camera 5",
            key_max=2,
            about=b"\x00labels\xff",
            payload=bytes(range(256)),
        )
    )
    record = await shard.record(1)
    assert (record.task_id, record.state, record.lane) == ("acme/1", State.WAITING, OTHER_LANE)
    assert about_s(record.age_s, 0.0)
    assert about_s(record.left_s, 500.0)
    assert (record.start_in_s, record.ended_s) == (0.0, -1.0)
    assert (record.attempts, record.attempts_max, record.runs) == (0, 7, 0)
    assert (record.rows, record.elements) == (3, 2**40)
    assert (record.deaths, record.alone) == ((), False)
    assert (record.key, record.key_max) == ("camera 5", 2)
    assert (record.about, record.payload) == (b"\x00labels\xff", bytes(range(256)))
    assert record.result == b""


async def test_a_task_without_a_deadline_has_all_the_time(shard: QueueHarness) -> None:
    await shard.accept(new_task(1, left_s=math.inf), new_task(2, left_s=-5.0))
    assert (await shard.record(1)).left_s == math.inf
    assert (await shard.record(2)).left_s < 0.0


async def test_each_item_is_accepted_for_itself(shard: QueueHarness) -> None:
    await shard.accept(new_task(1), new_task(2))
    outcomes = await shard.queue.enqueue(
        [
            new_task(1),
            new_task(2, digest=b"something else.."),
            new_task(3),
            new_task(3),
            new_task(3, digest=b"something else.."),
        ],
        UNLIMITED,
    )
    assert outcomes == [
        Outcome.SAME,
        Outcome.OTHER_CONTENT,
        Outcome.ACCEPTED,
        Outcome.SAME,
        Outcome.OTHER_CONTENT,
    ]
    assert await shard.waiting() == ["acme/1", "acme/2", "acme/3"]


@pytest.mark.parametrize("state", [State.DONE, State.DEAD, State.CANCELLED, State.LATER])
async def test_a_repeat_finds_the_first_whatever_became_of_it(
    shard: QueueHarness, state: State
) -> None:
    await shard.accept(new_task(1))
    await shard.end(1, state)
    assert await shard.queue.enqueue([new_task(1)], UNLIMITED) == [Outcome.SAME]
    other = new_task(1, digest=b"something else..")
    assert await shard.queue.enqueue([other], UNLIMITED) == [Outcome.OTHER_CONTENT]
    assert (await shard.record(1)).state is state


async def test_no_tasks_are_no_tasks(shard: QueueHarness) -> None:
    assert await shard.queue.enqueue([], UNLIMITED) == []
    assert await shard.queue.records([]) == []
    assert await shard.queue.cancel([]) == []
    assert await shard.queue.requeue([]) == []
    assert await shard.queue.discard([]) == []
    assert await shard.queue.claim(shard.own, []) == []
    assert await shard.queue.settle(shard.own, []) == []


async def test_a_call_takes_so_many_and_not_more(shard: QueueHarness) -> None:
    tasks = [new_task(number) for number in range(ENQUEUE_MAX)]
    await shard.accept(*tasks)
    with pytest.raises(ValueError, match="256"):
        await shard.queue.enqueue([*tasks, new_task(-1)], UNLIMITED)
    assert (await shard.queue.stats()).states == {State.WAITING: ENQUEUE_MAX}


async def test_a_lane_goes_by_place_and_within_one_call_by_its_order(shard: QueueHarness) -> None:
    await shard.accept(
        new_task(1, place=Place(0.0, 5.0)),
        new_task(2, place=Place(0.0, -2.5)),
        new_task(3, place=Place(0.0, math.nextafter(5.0, 0.0))),
    )
    assert await shard.waiting() == ["acme/2", "acme/3", "acme/1"]
    (front,) = await shard.queue.fronts(shard.own, [LANE], 10)
    assert front.places == (-2.5, math.nextafter(5.0, 0.0), 5.0)
    same = Lane("acme", "first come", 1)
    numbers = [31, 40, 22, 57, 13]
    await shard.accept(*(new_task(n, lane=same, place=Place(1.0, 60.0)) for n in numbers))
    assert await shard.waiting(same) == [f"acme/{number}" for number in numbers]


async def test_a_front_is_as_long_as_was_asked_for_and_has_no_payloads(
    shard: QueueHarness,
) -> None:
    await shard.accept(*(new_task(number) for number in range(10)))
    await shard.accept(new_task(10, lane=OTHER_LANE))
    fronts = await shard.queue.fronts(shard.own, [LANE], 3)
    assert [(front.lane, front.waiting) for front in fronts] == [(LANE, 10)]
    assert [record.task_id for record in fronts[0].records] == ["acme/0", "acme/1", "acme/2"]
    assert all(record.payload == b"" for record in fronts[0].records)
    assert fronts[0].records[0].about == b"about"
    every = await shard.queue.fronts(shard.own, [], 3)
    assert {front.lane: front.waiting for front in every} == {LANE: 10, OTHER_LANE: 1}
    empty = Lane("nobody", "nothing", 3)
    (front,) = await shard.queue.fronts(shard.own, [empty], 3)
    assert (front.lane, front.waiting, front.records) == (empty, 0, ())


async def test_hundreds_of_lanes_are_found(shard: QueueHarness) -> None:
    lanes = [Lane(f"tenant {number}", "m", 1) for number in range(200)]
    await shard.accept(*(new_task(number, lane=lane) for number, lane in enumerate(lanes)))
    fronts = await shard.queue.fronts(shard.own, [], 2)
    assert {front.lane for front in fronts} == set(lanes)
    assert {front.waiting for front in fronts} == {1}


async def test_a_thousand_tasks_are_paged_and_none_is_missed(shard: QueueHarness) -> None:
    for start in range(0, 1000, 250):
        await shard.accept(*(new_task(start + number) for number in range(250)))
    await shard.end(7, State.DONE)
    await shard.run(8)
    seen: dict[str, State] = {}
    cursor = ""
    for _ in range(1000):
        records, cursor = await shard.queue.page(cursor, 100)
        assert len(records) < 400
        assert all(record.payload == record.result == b"" for record in records)
        seen |= {record.task_id: record.state for record in records}
        if not cursor:
            break
    assert not cursor
    assert seen.keys() == {f"acme/{number}" for number in range(1000)}
    assert (seen["acme/7"], seen["acme/8"]) == (State.DONE, State.RUNNING)


async def test_dead_letters_are_paged_alone(shard: QueueHarness) -> None:
    await shard.accept(*(new_task(number) for number in range(5)))
    for number in (1, 3):
        await shard.end(number, State.DEAD)
    records, cursor = await shard.queue.page("", 100, dead=True)
    assert {record.task_id for record in records} == {"acme/1", "acme/3"}
    assert cursor == ""


async def test_a_task_is_cancelled_in_each_state_and_the_state_before_is_told(
    shard: QueueHarness,
) -> None:
    await shard.accept(*(new_task(number) for number in range(6)))
    await shard.accept(new_task(6, start_in_s=LONG_S))
    await shard.run(1)
    for number, state in ((2, State.DONE), (3, State.FAILED), (4, State.DEAD)):
        await shard.end(number, state)
    ids = [f"acme/{number}" for number in (0, 6, 1, 2, 3, 4)]
    before = [
        State.WAITING,
        State.LATER,
        State.RUNNING,
        State.DONE,
        State.FAILED,
        State.DEAD,
    ]
    assert await shard.queue.cancel([*ids, "acme/none"]) == [*before, None]
    after = [State.CANCELLED] * 3 + before[3:]
    records = await shard.queue.records(ids)
    assert [record.state for record in records if record] == after
    cancelled = await shard.record(1)
    assert (cancelled.payload, cancelled.result, cancelled.runs) == (b"", b"", 1)
    assert about_s(cancelled.ended_s, 0.0)
    assert await shard.queue.cancel(ids) == after
    assert await shard.waiting() == ["acme/5"]
    assert await shard.queue.promote(shard.own, 10) == ([], math.inf)


async def test_an_answer_to_a_cancelled_attempt_changes_nothing(shard: QueueHarness) -> None:
    await shard.accept(new_task(1))
    attempt_id = await shard.run(1)
    await shard.queue.cancel(["acme/1"])
    answer = settled(1, attempt_id, State.DONE, result=b"too late")
    assert await shard.queue.settle(shard.own, [answer]) == [False]
    record = await shard.record(1)
    assert (record.state, record.result) == (State.CANCELLED, b"")


async def test_a_waiting_task_moves_to_another_lane_place_and_deadline(
    shard: QueueHarness,
) -> None:
    await shard.accept(new_task(1), new_task(2), new_task(3, lane=OTHER_LANE))
    new_lane = Lane("acme", "vision", 0)
    for _ in range(2):
        moved = await shard.queue.move("acme/1", new_lane, Place(0.0, 77.0), 10.0)
        assert moved is State.WAITING
        (front,) = await shard.queue.fronts(shard.own, [new_lane], 10)
        assert (front.waiting, front.places) == (1, (77.0,))
    record = await shard.record(1)
    assert record.lane == new_lane
    assert record.left_s <= 10.0
    assert (record.payload, record.about) == (b"payload", b"about")
    assert await shard.waiting() == ["acme/2"]
    assert (await shard.queue.stats()).lanes == {LANE: 1, new_lane: 1, OTHER_LANE: 1}


async def test_a_move_within_its_lane_keeps_the_deadline_when_none_is_said(
    shard: QueueHarness,
) -> None:
    await shard.accept(new_task(1), new_task(2))
    assert await shard.queue.move("acme/1", LANE, Place(0.0, 9.0), None) is State.WAITING
    assert await shard.waiting() == ["acme/2", "acme/1"]
    assert about_s((await shard.record(1)).left_s, LONG_S)


async def test_a_task_that_waits_for_its_time_moves_too(shard: QueueHarness) -> None:
    await shard.accept(new_task(1, start_in_s=LONG_S))
    assert await shard.queue.move("acme/1", OTHER_LANE, Place(0.0, 9.0), None) is State.LATER
    record = await shard.record(1)
    assert (record.state, record.lane) == (State.LATER, OTHER_LANE)
    assert about_s(record.start_in_s, LONG_S)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.DEAD, State.CANCELLED])
async def test_no_other_task_moves(shard: QueueHarness, state: State) -> None:
    await shard.accept(new_task(1), new_task(2))
    await shard.end(1, state)
    await shard.run(2)
    before = await shard.record(1)
    for number, is_in in ((1, state), (2, State.RUNNING)):
        moved = await shard.queue.move(f"acme/{number}", OTHER_LANE, Place(0.0, 0.0), 1.0)
        assert moved is is_in
        assert (await shard.record(number)).lane == LANE
    assert (await shard.record(1)).result == before.result
    assert await shard.queue.move("acme/none", LANE, Place(0.0, 0.0), None) is None


async def test_a_dead_letter_waits_again_as_if_it_were_new(shard: QueueHarness) -> None:
    await shard.accept(new_task(1, place=Place(1.0, 5.0)), new_task(2))
    attempt_id = await shard.run(1)
    dead = settled(
        1, attempt_id, State.DEAD, result=b"why", counts=True, death="w-1/abc", alone=True
    )
    assert await shard.queue.settle(shard.own, [dead]) == [True]
    record = await shard.record(1)
    assert (record.payload, record.result, record.deaths) == (b"payload", b"why", ("w-1/abc",))
    assert await shard.queue.requeue(["acme/1", "acme/2", "acme/3"]) == [True, False, False]
    record = await shard.record(1)
    assert (record.state, record.attempts, record.deaths) == (State.WAITING, 0, ())
    assert (record.alone, record.runs) == (False, 1)
    assert (record.payload, record.result, record.about) == (b"payload", b"", b"about")
    assert about_s(record.left_s, LONG_S)
    assert set(await shard.waiting()) == {"acme/1", "acme/2"}
    assert await shard.queue.requeue(["acme/1"]) == [False]
    assert await shard.queue.page("", 10, dead=True) == ([], "")
    await shard.end(1, State.DONE)
    assert (await shard.record(1)).state is State.DONE


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.DEAD, State.CANCELLED])
async def test_what_has_ended_can_be_forgotten(shard: QueueHarness, state: State) -> None:
    await shard.accept(new_task(1), new_task(2), new_task(3), new_task(4, start_in_s=LONG_S))
    await shard.end(1, state)
    await shard.run(2)
    ids = [f"acme/{number}" for number in (1, 2, 3, 4, 5)]
    assert await shard.queue.discard(ids) == [True, False, False, False, False]
    assert await shard.queue.records(["acme/1"]) == [None]
    assert await shard.queue.page("", 10, dead=True) == ([], "")
    states = {State.RUNNING: 1, State.WAITING: 1, State.LATER: 1}
    assert (await shard.queue.stats()).states == states
    await shard.accept(new_task(1))
