"""A make-believe process that stands still does nothing, and everything late."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.stalling import StallingLoop, elsewhere, inside
from tests.support.virtual_time import elapse


@pytest.fixture
def loop() -> Iterator[StallingLoop]:
    with asyncio.Runner(loop_factory=StallingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, StallingLoop)
        yield loop


async def ticking(ticks: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await elapse(1.0)
        ticks.append(loop.time())


def test_a_stopped_process_stands_still_and_the_others_go_on(loop: StallingLoop) -> None:
    async def story() -> None:
        ticks: dict[str, list[float]] = {"a": [], "b": []}
        tasks = []
        for name, own in ticks.items():
            with inside(name):
                tasks.append(asyncio.create_task(ticking(own)))
        await elapse(2.5)
        loop.stop_process("a")
        assert loop.is_stopped("a")
        await elapse(10.0)
        assert [len(own) for own in ticks.values()] == [2, 12]
        began_s = loop.time()
        loop.continue_process("a")
        await elapse(0.001)
        # It finds out late that a second has passed, and that it was ten.
        assert ticks["a"][2:] == [began_s]
        for task in tasks:
            task.cancel()

    loop.run_until_complete(story())


def test_a_timeout_that_passed_while_its_process_stood_still_is_one(loop: StallingLoop) -> None:
    async def waits(event: asyncio.Event) -> str:
        try:
            async with asyncio.timeout(1.0):
                await event.wait()
        except TimeoutError:
            return "late"
        return "in time"

    async def story() -> None:
        answers = []
        for set_s, expected in ((0.5, "in time"), (1.5, "late")):
            event = asyncio.Event()
            with inside("a"):
                task = asyncio.create_task(waits(event))
            await elapse(0.1)
            loop.stop_process("a")
            loop.call_later(set_s, event.set, context=elsewhere())
            await elapse(5.0)
            assert not task.done()
            loop.continue_process("a")
            answers.append((await task, expected))
        assert all(answer == expected for answer, expected in answers)

    loop.run_until_complete(story())


def test_what_is_done_elsewhere_goes_on(loop: StallingLoop) -> None:
    async def work(done: list[float]) -> None:
        await elapse(1.0)
        done.append(loop.time())

    async def story() -> None:
        done: list[float] = []
        with inside("a"):
            task = asyncio.create_task(work(done), context=elsewhere())
        loop.stop_process("a")
        await elapse(2.0)
        assert len(done) == 1
        await task

    loop.run_until_complete(story())
