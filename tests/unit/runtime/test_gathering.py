"""Callers that come while a call is under way share the next one."""

import asyncio

import pytest

from hasten_runtime.redis_store.queue.gathering import Gathering
from tests.support.waiting import eventually


class Sender:
    """Doubles numbers when the gate is open.

    Attributes:
        sent: The groups so far, each with its context.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[int]]] = []
        self.gate = asyncio.Event()
        self.fails = False

    async def send(self, context: str, items: list[int]) -> list[int]:
        self.sent.append((context, items))
        await self.gate.wait()
        if self.fails:
            raise ConnectionError("gone")
        return [2 * item for item in items]


async def begun(sender: Sender, groups: int) -> None:
    await eventually(lambda: len(sender.sent) >= groups)


async def test_who_is_alone_waits_for_nobody_and_the_others_go_together() -> None:
    sender = Sender()
    gathering = Gathering(sender.send, most=8)
    first = asyncio.create_task(gathering.call("a", [1]))
    await begun(sender, 1)
    others = [asyncio.create_task(gathering.call("a", [n, n + 1])) for n in (10, 20, 30)]
    other_context = asyncio.create_task(gathering.call("b", [5]))
    await begun(sender, 2)
    sender.gate.set()
    assert await first == [2]
    assert await asyncio.gather(*others) == [[20, 22], [40, 42], [60, 62]]
    assert await other_context == [10]
    assert sender.sent == [
        ("a", [1]),
        ("b", [5]),
        ("a", [10, 11, 20, 21, 30, 31]),
    ]


async def test_no_group_is_larger_than_it_may_be_and_large_ones_go_alone() -> None:
    sender = Sender()
    gathering = Gathering(sender.send, most=4)
    calls = [asyncio.create_task(gathering.call("a", [n])) for n in range(7)]
    await begun(sender, 1)
    large = asyncio.create_task(gathering.call("a", [100, 101, 102]))
    await begun(sender, 2)
    sender.gate.set()
    assert await asyncio.gather(*calls) == [[2 * n] for n in range(7)]
    assert await large == [200, 202, 204]
    assert [len(items) for _, items in sender.sent] == [4, 3, 3]


async def test_a_failure_is_told_to_all_of_the_group_and_the_next_goes_on() -> None:
    sender = Sender()
    sender.fails = True
    gathering = Gathering(sender.send, most=8)
    calls = [asyncio.create_task(gathering.call("a", [n])) for n in range(3)]
    await begun(sender, 1)
    sender.gate.set()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ended] == [ConnectionError] * 3
    sender.fails = False
    assert await gathering.call("a", [4]) == [8]


async def test_a_caller_that_leaves_takes_nobody_with_it() -> None:
    sender = Sender()
    gathering = Gathering(sender.send, most=8)
    first = asyncio.create_task(gathering.call("a", [0]))
    await begun(sender, 1)
    second, third = (asyncio.create_task(gathering.call("a", [number])) for number in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(asyncio.CancelledError):
        await second
    sender.gate.set()
    assert await third == [4]
    assert sender.sent == [("a", [0]), ("a", [2])]
