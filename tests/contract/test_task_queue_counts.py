"""How many tasks a shard holds and may hold, and what is paused in it."""

import pytest

from hasten_runtime.tasks.port import Limits, Outcome, State
from tests.contract.task_queues import (
    LANE,
    LONG_S,
    OTHER_LANE,
    QueueHarness,
    about_s,
    new_task,
)

pytestmark = pytest.mark.integration


async def test_a_full_shard_takes_no_more_and_knows_what_it_has(shard: QueueHarness) -> None:
    limits = Limits(tasks_max=2)
    outcomes = await shard.queue.enqueue([new_task(number) for number in range(3)], limits)
    assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.QUEUE_FULL]
    repeated = await shard.queue.enqueue([new_task(0), new_task(3)], limits)
    assert repeated == [Outcome.SAME, Outcome.QUEUE_FULL]
    await shard.end(0, State.DONE)
    assert await shard.queue.enqueue([new_task(3)], limits) == [Outcome.ACCEPTED]
    assert await shard.queue.records(["acme/2"]) == [None]


async def test_bytes_are_limited_too(shard: QueueHarness) -> None:
    limits = Limits(bytes_max=100)
    tasks = [new_task(number, payload=bytes(40)) for number in range(3)]
    outcomes = await shard.queue.enqueue([*tasks, new_task(3, payload=bytes(20))], limits)
    assert outcomes == [
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
        Outcome.QUEUE_FULL,
        Outcome.ACCEPTED,
    ]
    assert (await shard.queue.stats()).bytes_held == 100
    await shard.queue.cancel(["acme/0"])
    assert await shard.queue.enqueue([tasks[2]], limits) == [Outcome.ACCEPTED]


@pytest.mark.parametrize(
    "limits", [Limits(tenant_tasks_max=2), Limits(tenant_bytes_max=100)], ids=["tasks", "bytes"]
)
async def test_a_tenant_has_its_own_limits(shard: QueueHarness, limits: Limits) -> None:
    greedy = [new_task(number, payload=bytes(50)) for number in range(3)]
    other = new_task(3, lane=OTHER_LANE, payload=bytes(50))
    outcomes = await shard.queue.enqueue([*greedy, other], limits)
    assert outcomes == [
        Outcome.ACCEPTED,
        Outcome.ACCEPTED,
        Outcome.TENANT_FULL,
        Outcome.ACCEPTED,
    ]
    tenants = (await shard.queue.stats()).tenants
    assert tenants == {"acme": (2, 100), "ümlaut:7": (1, 50)}
    await shard.end(0, State.DEAD)
    assert await shard.queue.enqueue([greedy[2]], limits) == [Outcome.ACCEPTED]


async def test_counts_follow_every_way_through_the_states(shard: QueueHarness) -> None:
    await shard.accept(*(new_task(number, payload=bytes(10)) for number in range(8)))
    await shard.accept(new_task(8, lane=OTHER_LANE, start_in_s=LONG_S, payload=bytes(5)))
    await shard.end(0, State.DONE)
    await shard.end(1, State.FAILED)
    await shard.end(2, State.DEAD)
    await shard.end(3, State.LATER)
    await shard.end(4, State.WAITING)
    await shard.run(5)
    await shard.queue.cancel(["acme/6"])
    stats = await shard.queue.stats()
    assert stats.states == {
        State.WAITING: 2,
        State.LATER: 2,
        State.RUNNING: 1,
        State.DONE: 1,
        State.FAILED: 1,
        State.DEAD: 1,
        State.CANCELLED: 1,
    }
    assert stats.lanes == {LANE: 2}
    assert stats.tenants == {"acme": (4, 40), "ümlaut:7": (1, 5)}
    assert stats.bytes_held == 45
    assert about_s(stats.oldest_s, 0.0)
    assert stats.oldest_s > 0.0


async def test_tasks_that_wait_for_a_time_are_told_the_soonest_first(shard: QueueHarness) -> None:
    await shard.accept(new_task(0), new_task(1, start_in_s=300.0, rows=4), new_task(2))
    await shard.accept(
        new_task(3, start_in_s=100.0, lane=OTHER_LANE), new_task(4, start_in_s=200.0)
    )
    await shard.queue.cancel(["acme/4"])
    found = await shard.queue.ahead(10)
    assert [record.task_id for record in found] == ["acme/3", "acme/1"]
    assert [record.state for record in found] == [State.LATER] * 2
    assert about_s(found[0].start_in_s, 100.0)
    assert (found[0].lane, found[1].rows, found[1].payload) == (OTHER_LANE, 4, b"")
    assert [record.task_id for record in await shard.queue.ahead(1)] == ["acme/3"]


async def test_pauses_are_kept_until_they_are_taken_back(shard: QueueHarness) -> None:
    for _ in range(2):
        await shard.queue.pause("acme", None, paused=True)
    await shard.queue.pause(None, "vision", paused=True)
    await shard.queue.pause("", "vision", paused=True)
    await shard.queue.pause(None, None, paused=True)
    assert await shard.queue.pauses() == {
        ("acme", None),
        (None, "vision"),
        ("", "vision"),
        (None, None),
    }
    for _ in range(2):
        await shard.queue.pause(None, None, paused=False)
    await shard.queue.pause("acme", "vision", paused=False)
    assert await shard.queue.pauses() == {("acme", None), (None, "vision"), ("", "vision")}
