"""One alarm, set anew all the time."""

import asyncio
import math

from hasten_runtime.alarm import Alarm
from hasten_runtime.clock import ManualClock, SystemClock


async def test_an_alarm_set_later_does_not_ring_early_and_one_set_earlier_does() -> None:
    clock = SystemClock()
    rung: list[float] = []
    done = asyncio.Event()

    def ring() -> None:
        rung.append(clock.now_s())
        done.set()

    alarm = Alarm(clock, ring)
    late_s = clock.now_s() + 0.1
    alarm.set(clock.now_s() + 0.01)
    alarm.set(late_s)
    await asyncio.wait_for(done.wait(), 60)
    assert rung[0] >= late_s
    done.clear()
    alarm.set(clock.now_s() + 3600)
    alarm.set(clock.now_s())
    await asyncio.wait_for(done.wait(), 60)
    assert len(rung) == 2
    alarm.set(math.inf)
    alarm.set(clock.now_s() + 0.01)
    alarm.close()


async def test_a_later_time_replaces_an_earlier_one() -> None:
    clock = ManualClock()
    rung: list[float] = []
    alarm = Alarm(clock, lambda: rung.append(clock.now_s()))
    alarm.set(1001.0)
    alarm.set(1000.0 + 3600.0)
    clock.advance(2.0)
    alarm._fire()
    assert rung == []
    clock.advance(3600.0)
    alarm._fire()
    assert rung == [4602.0]
    alarm.close()
