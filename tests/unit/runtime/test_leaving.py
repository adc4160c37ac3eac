"""A service leaves once, whoever asks and however often."""

import asyncio

import pytest
from structlog.testing import capture_logs

from hasten_runtime.clock import SystemClock
from hasten_runtime.leaving import Leaving

pytestmark = pytest.mark.virtual_time


class Busy:
    """A shell with calls that end when the test says so."""

    def __init__(self, calls: int = 0) -> None:
        self.unanswered = calls
        self.draining = 0
        self.ended = asyncio.Event()
        if not calls:
            self.ended.set()

    def begin_drain(self) -> None:
        self.draining += 1

    async def drained(self) -> None:
        assert self.draining, "awaited before new calls are refused"
        await self.ended.wait()


async def test_leaving_twice_announces_once() -> None:
    announced = 0

    async def announce() -> None:
        nonlocal announced
        announced += 1

    shell = Busy()
    leaving = Leaving(shell, announce, notice_s=0.0, patience_s=60.0)
    assert await asyncio.gather(leaving.drain(), leaving.drain()) == [0, 0]
    assert await leaving.drain() == 0
    assert (announced, shell.draining) == (1, 1)


async def test_a_caller_that_stops_waiting_leaves_the_drain_going() -> None:
    entered = asyncio.Event()
    go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def announce() -> None:
        entered.set()
        await go_on

    shell = Busy()
    leaving = Leaving(shell, announce, notice_s=0.0, patience_s=60.0)
    first = asyncio.ensure_future(leaving.drain())
    await entered.wait()
    second = asyncio.ensure_future(leaving.drain())
    first.cancel()
    assert await asyncio.wait_for(second, 60) == 0
    assert shell.draining == 1


async def test_patience_that_is_over_is_logged_with_what_is_left() -> None:
    async def announce() -> None:
        pass

    clock = SystemClock()
    began_s = clock.now_s()
    leaving = Leaving(Busy(calls=2), announce, notice_s=3.0, patience_s=60.0)
    with capture_logs() as logs:
        assert await leaving.drain(patience_s=30.0) == 2
    assert clock.now_s() == began_s + 33.0
    assert [(log["event"], log["unanswered"]) for log in logs] == [
        ("drain.began", 2),
        ("drain.patience_over", 2),
    ]
