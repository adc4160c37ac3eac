"""A loop whose clock jumps, and says when nothing can move it."""

import asyncio
import re
import socket

import pytest

from hasten_runtime.clock import SystemClock
from tests.support.virtual_time import (
    ORIGIN_S,
    Deadlock,
    RealSocket,
    VirtualLoop,
    elapse,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


def run(coroutine: object) -> None:
    """On a loop of its own, for tests of a loop that fails."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(coroutine)  # type: ignore[arg-type]


@pytest.fixture
async def begun_s() -> float:
    return asyncio.get_running_loop().time()


async def test_a_day_passes_at_once_and_to_the_second(begun_s: float) -> None:
    await elapse(86_400.0)
    assert asyncio.get_running_loop().time() == begun_s + 86_400.0


async def test_a_test_and_its_fixtures_share_the_loop(begun_s: float) -> None:
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    assert begun_s == ORIGIN_S == asyncio.get_running_loop().time()


async def test_what_is_due_first_runs_first_and_what_is_due_together_runs_in_order() -> None:
    ran: list[str] = []
    loop = asyncio.get_running_loop()
    for delay_s, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (3.0, "d")):
        loop.call_later(delay_s, ran.append, name)
    loop.call_later(1.5, ran.append, "cancelled").cancel()
    await elapse(2.5)
    assert ran == ["a", "b", "c"]


async def test_time_stands_still_while_something_can_run() -> None:
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    fired = loop.create_future()
    loop.call_later(0.001, fired.set_result, None)
    for _ in range(1000):
        await asyncio.sleep(0)
    assert loop.time() == begun_s
    assert not fired.done()
    await fired


@pytest.mark.parametrize("delay_s", [0.1, 1e-9, 1 / 3, 1e5 / 7])
async def test_a_timer_never_fires_before_its_time(delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    due_s = loop.time() + delay_s
    fired = loop.create_future()
    loop.call_at(due_s, fired.set_result, None)
    await fired
    assert loop.time() >= due_s


async def test_a_timeout_ends_what_never_ends() -> None:
    begun_s = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30.0):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() == begun_s + 30.0


async def test_the_services_clock_shows_the_time_of_the_loop() -> None:
    clock = SystemClock()
    assert clock.now_s() == ORIGIN_S
    await elapse(5.0)
    assert clock.now_s() == ORIGIN_S + 5.0


async def test_waiting_for_what_never_comes_fails_in_virtual_time() -> None:
    with pytest.raises(AssertionError, match="not within 60 s: the moon is blue"):
        await eventually(lambda: False, what="the moon is blue")
    assert asyncio.get_running_loop().time() == pytest.approx(ORIGIN_S + 60.0, abs=0.2)


async def test_time_stands_still_while_a_thread_works() -> None:
    loop = asyncio.get_running_loop()
    ticks: list[float] = []
    working = asyncio.ensure_future(asyncio.to_thread(lambda: "done"))
    loop.call_later(1e-6, ticks.append, 0.0)
    assert await working == "done"
    assert loop.time() == ORIGIN_S
    assert ticks == []


def test_a_deadlock_is_an_error_that_names_what_waits() -> None:
    async def stuck() -> None:
        waiting = asyncio.create_task(asyncio.Event().wait(), name="waits-for-godot")
        await waiting

    with pytest.raises(Deadlock, match=re.compile("waits-for-godot: .*locks.py.* Event.wait")):
        run(stuck())


def test_a_loop_that_waits_by_turning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.virtual_time.TURNS_MAX", 1000)

    async def turning() -> None:
        while True:  # noqa: ASYNC110  (what must not be done)
            await asyncio.sleep(0)

    with pytest.raises(Deadlock, match="no time has passed"):
        run(turning())


async def test_a_real_socket_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        with pytest.raises(RealSocket):
            await asyncio.get_running_loop().sock_accept(listening)


def test_a_sound_loop_closes_without_a_word() -> None:
    async def fine() -> None:
        asyncio.get_running_loop().call_later(10.0, lambda: None)
        await elapse(1.0)

    run(fine())
