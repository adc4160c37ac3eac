"""What is counted, is counted when the answers are on their way."""

import asyncio
from typing import Any

from structlog.testing import capture_logs

from hasten_worker.shell.afterwards import Afterwards


async def test_batches_come_before_calls_and_both_after_what_the_loop_had_to_do() -> None:
    seen: list[Any] = []
    afterwards = Afterwards(seen.append, seen.append)
    loop = asyncio.get_running_loop()
    loop.call_soon(seen.append, "sent")
    afterwards.answered("call")  # type: ignore[arg-type]  # only passed on
    afterwards.batch("batch")  # type: ignore[arg-type]  # only passed on
    assert seen == []
    await asyncio.sleep(0)
    assert seen == ["sent", "batch", "call"]
    afterwards.answered("next")  # type: ignore[arg-type]  # only passed on
    afterwards.settle()
    await asyncio.sleep(0)
    assert seen == ["sent", "batch", "call", "next"]


async def test_a_fault_in_counting_costs_one_count() -> None:
    seen: list[Any] = []

    def count(one: str) -> None:
        if one.startswith("bad"):
            raise ZeroDivisionError(one)
        seen.append(one)

    afterwards = Afterwards(count, count)  # type: ignore[arg-type]  # only passed on
    with capture_logs() as logged:
        for kind in (afterwards.batch, afterwards.answered):
            for one in ("first", "bad", "bad too", "last"):
                kind(one)  # type: ignore[arg-type]  # only passed on
        afterwards.settle()
        afterwards.settle()
    assert seen == ["first", "last"] * 2
    assert [(line["event"], line["failed"]) for line in logged] == [("counting.failed", 2)] * 2
