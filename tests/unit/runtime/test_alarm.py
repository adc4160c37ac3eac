"""One alarm, set anew all the time."""

import math

import pytest

from hasten_runtime.alarm import Alarm
from hasten_runtime.clock import ManualClock, SystemClock
from tests.support.virtual_time import elapse

pytestmark = pytest.mark.virtual_time


async def test_an_alarm_set_later_does_not_ring_early_and_one_set_earlier_does() -> None:
    clock = SystemClock()
    began_s = clock.now_s()
    rung: list[float] = []
    alarm = Alarm(clock, lambda: rung.append(clock.now_s()))
    alarm.set(began_s + 10.0)
    alarm.set(began_s + 100.0)
    await elapse(99.0)
    assert rung == []
    await elapse(2.0)
    assert rung == [began_s + 100.0]
    alarm.set(began_s + 3600.0)
    alarm.set(began_s + 200.0)
    await elapse(3600.0)
    assert rung == [began_s + 100.0, began_s + 200.0]
    alarm.set(clock.now_s())
    await elapse(0.001)
    assert len(rung) == 3
    alarm.set(clock.now_s() + 5.0)
    alarm.set(math.inf)
    await elapse(60.0)
    alarm.set(clock.now_s() + 5.0)
    alarm.close()
    await elapse(60.0)
    assert len(rung) == 3


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
