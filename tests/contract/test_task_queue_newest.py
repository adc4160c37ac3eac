"""Where the feed of a shard ends."""

import pytest

from tests.contract.task_queues import UNLIMITED, QueueHarness, new_task

pytestmark = pytest.mark.integration


async def test_the_newest_position_is_that_of_the_last_change(shard: QueueHarness) -> None:
    assert await shard.queue.newest() == ""
    await shard.queue.enqueue([new_task(1), new_task(2)], UNLIMITED)
    changes = await shard.queue.changes("", 10, 0.0)
    assert await shard.queue.newest() == changes[-1].position
    assert await shard.queue.changes(changes[-1].position, 10, 0.0) == []
