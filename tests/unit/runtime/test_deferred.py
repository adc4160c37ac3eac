"""What is counted, is counted when the answers are on their way."""

import asyncio

import pytest
from structlog.testing import capture_logs

from hasten_runtime.deferred import DeferredCounts

pytestmark = pytest.mark.virtual_time


async def test_kinds_are_counted_in_order_after_what_the_loop_had_to_do() -> None:
    seen: list[str] = []
    counts = DeferredCounts()
    count_batch, count_call = counts.kind(seen.append), counts.kind(seen.append)
    loop = asyncio.get_running_loop()
    loop.call_soon(seen.append, "sent")
    count_call("call")
    count_batch("batch")
    assert seen == []
    await asyncio.sleep(0)
    assert seen == ["sent", "batch", "call"]
    count_call("next")
    counts.settle()
    await asyncio.sleep(0)
    assert seen == ["sent", "batch", "call", "next"]


async def test_a_fault_in_counting_costs_one_count() -> None:
    seen: list[str] = []

    def count(one: str) -> None:
        if one.startswith("bad"):
            raise ZeroDivisionError(one)
        seen.append(one)

    counts = DeferredCounts()
    kinds = counts.kind(count), counts.kind(count)
    with capture_logs() as logged:
        for count_later in kinds:
            for one in ("first", "bad", "bad too", "last"):
                count_later(one)
        counts.settle()
        counts.settle()
    assert seen == ["first", "last"] * 2
    assert [(line["event"], line["failed"]) for line in logged] == [("counting.failed", 2)] * 2


async def test_what_is_handed_in_while_counting_is_counted_in_the_next_round() -> None:
    seen: list[str] = []
    counts = DeferredCounts()

    def count(one: str) -> None:
        seen.append(one)
        if one == "first":
            count_later("second")

    count_later = counts.kind(count)
    count_later("first")
    await asyncio.sleep(0)
    assert seen == ["first"]
    await asyncio.sleep(0)
    assert seen == ["first", "second"]
