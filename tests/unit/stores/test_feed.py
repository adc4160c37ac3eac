"""When a view changes, and when a registry that lost instances is believed."""

import asyncio
import math

import pytest

from hasten_runtime.clock import ManualClock
from hasten_runtime.discovery.feed import INSTANCES_MAX, Feed
from hasten_runtime.discovery.port import Instance, View

pytestmark = pytest.mark.virtual_time

SETTLE_S = 5.0


def make(*names: str) -> list[Instance]:
    return [Instance("worker", name, f"{name}:1") for name in names]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def feed(clock: ManualClock) -> Feed:
    return Feed(clock, settle_s=SETTLE_S)


async def newest(feed: Feed) -> tuple[list[str], bool]:
    view = await feed.after(None)
    assert view is not None
    return [instance.instance_id for instance in view.instances], view.fresh


async def test_the_first_trouble_gives_an_empty_view_that_is_not_fresh(feed: Feed) -> None:
    feed.failed()
    assert await newest(feed) == ([], False)
    assert feed.age_s == math.inf


async def test_the_first_answer_after_a_dead_start_is_believed(feed: Feed) -> None:
    feed.failed()
    feed.answered(make("a"))
    assert await newest(feed) == (["a"], True)


async def test_one_of_two_may_leave_at_once(feed: Feed) -> None:
    feed.answered(make("a", "b"))
    feed.answered(make("b"))
    assert await newest(feed) == (["b"], True)


async def test_the_last_one_may_leave_at_once(feed: Feed) -> None:
    feed.answered(make("a"))
    feed.answered([])
    assert await newest(feed) == ([], True)


async def test_most_gone_at_once_are_kept_until_the_time_is_over(
    feed: Feed, clock: ManualClock
) -> None:
    feed.answered(make("a", "b", "c"))
    feed.answered(make("c"))
    assert await newest(feed) == (["a", "b", "c"], False)
    clock.advance(SETTLE_S - 0.1)
    feed.answered(make("c"))
    assert await newest(feed) == (["a", "b", "c"], False)
    clock.advance(0.1)
    feed.answered(make("c"))
    assert await newest(feed) == (["c"], True)


async def test_all_back_in_time_makes_the_view_fresh_at_once(feed: Feed) -> None:
    feed.answered(make("a", "b", "c"))
    feed.answered([])
    feed.answered(make("a", "b", "c", "d"))
    assert await newest(feed) == (["a", "b", "c", "d"], True)


async def test_after_trouble_a_single_loss_is_not_believed_at_once(
    feed: Feed, clock: ManualClock
) -> None:
    feed.answered(make("a", "b", "c"))
    feed.failed()
    feed.answered(make("a", "b"))
    assert await newest(feed) == (["a", "b", "c"], False)
    clock.advance(SETTLE_S)
    feed.answered(make("a", "b"))
    assert await newest(feed) == (["a", "b"], True)


async def test_joins_are_seen_while_losses_are_not_believed(feed: Feed) -> None:
    feed.answered(make("a", "b"))
    feed.failed()
    feed.answered(make("a", "new"))
    assert await newest(feed) == (["a", "b", "new"], False)


async def test_new_trouble_starts_the_waiting_over(feed: Feed, clock: ManualClock) -> None:
    feed.answered(make("a", "b"))
    feed.failed()
    feed.answered(make("a"))
    clock.advance(SETTLE_S - 0.1)
    feed.failed()
    feed.answered(make("a"))
    clock.advance(SETTLE_S - 0.1)
    feed.answered(make("a"))
    assert await newest(feed) == (["a", "b"], False)


async def test_the_same_answer_twice_is_no_change(feed: Feed) -> None:
    feed.answered(make("b", "a"))
    view = await feed.after(None)
    feed.answered(make("a", "b"))
    waiting = asyncio.create_task(feed.after(view))
    await asyncio.sleep(0)
    assert not waiting.done()
    feed.answered(make("a"))
    assert await waiting == View(tuple(make("a")), fresh=True)


async def test_a_slow_reader_gets_the_newest_view_only(feed: Feed) -> None:
    feed.answered(make("a"))
    view = await feed.after(None)
    feed.answered(make("a", "b"))
    feed.answered(make("a", "b", "c"))
    newest_view = await feed.after(view)
    assert newest_view is not None
    assert len(newest_view.instances) == 3


async def test_age_counts_from_the_last_answer_and_not_from_trouble(
    feed: Feed, clock: ManualClock
) -> None:
    feed.answered([])
    clock.advance(2.0)
    feed.failed()
    assert feed.age_s == 2.0


async def test_closing_ends_the_wait(feed: Feed) -> None:
    waiting = asyncio.create_task(feed.after(None))
    await asyncio.sleep(0)
    feed.close()
    assert await waiting is None


async def test_a_view_has_a_bound_and_keeps_the_first_by_id(feed: Feed) -> None:
    feed.answered(make(*(f"w-{number:05}" for number in range(INSTANCES_MAX + 1))))
    names, _ = await newest(feed)
    assert len(names) == INSTANCES_MAX
    assert names[-1] == f"w-{INSTANCES_MAX - 1:05}"
